use std::{fs, path::Path, time::Duration};

use agency::faults::FaultKind;
use contracts::Rpps;
use kernel::Fault;

use super::*;
use crate::{
    Answer, Integration, agency::Annuaire, config::Config, state::Observation, wire::Extrait,
};

fn jour(texte: &str) -> NaiveDate {
    texte.parse().expect("a day")
}

fn medecin() -> Rpps {
    "99790000014".parse().expect("a number")
}

struct Banc {
    simule: RppsSimule,
    annuaire: Annuaire,
    clock: Clock,
    driver: kernel::VirtualDriver,
    tasks: Tasks,
    travail: tempfile::TempDir,
}

async fn banc(reglages: &str) -> Banc {
    let (clock, driver) = Clock::virtual_at("2026-01-05T06:00:00Z".parse().expect("an instant"));
    let tasks = Tasks::new();
    let options = Options { port: 0, graine: 7, lignes_de_fond: 50 };
    let simule = RppsSimule::start(clock.clone(), &tasks, options).await.expect("a free port");
    simule.enregistrer_medecin(Fiche::medecin(medecin(), "EXEMPLE", "ANNE"));
    let travail = tempfile::tempdir().expect("a folder");
    let settings = format!("base_url = \"{}\"\ncle_pseudonymes = \"x\"\n{reglages}", simule.url());
    let config: Config = toml::from_str(&settings).expect("valid settings");
    let annuaire = Annuaire::new(&config, travail.path()).expect("a client");
    Banc { simule, annuaire, clock, driver, tasks, travail }
}

impl Banc {
    async fn lendemain(&self) {
        let due = self.clock.now() + chrono::TimeDelta::days(1);
        let timer = self.clock.timer(due);
        self.driver.advance(due).await.expect("a timer");
        drop(timer.await);
    }

    async fn integrer(&self, extrait: Extrait) -> Result<Answer, Fault> {
        self.annuaire.integrer(extrait, None, None).await.map_err(Fault::from)
    }

    async fn integree(&self, extrait: Extrait) -> Integration {
        match self.integrer(extrait).await {
            Ok(Answer::Integree(i)) => i,
            other => panic!("{other:?}"),
        }
    }

    async fn chercher(&self) -> Observation {
        self.annuaire.chercher(medecin()).await.expect("a view")
    }

    async fn arreter(self) {
        assert!(self.tasks.stop(Duration::from_secs(5)).await);
    }
}

#[tokio::test]
async fn an_activity_and_a_card_appear_on_their_day() {
    let banc = banc("").await;
    let site = Structure::Finess("639990019".parse().expect("a FINESS"));
    let (simule, rpps) = (&banc.simule, medecin());
    let fin = jour("2029-01-06");
    simule.emettre_carte(&rpps, "2800999001", jour("2023-01-05"), fin, jour("2023-01-05"));
    simule.enregistrer_activite(&rpps, site.clone(), "MSP", jour("2026-01-06"));
    simule.emettre_carte(&rpps, "2800999002", jour("2026-01-06"), fin, jour("2026-01-06"));
    for extrait in Extrait::TOUS {
        banc.integree(extrait).await;
    }
    let before = banc.chercher().await.fiche.expect("known");
    assert!(before.est_medecin() && before.structures.is_empty());
    assert_eq!(before.cartes.len(), 1);

    banc.lendemain().await;
    let i = banc.integree(Extrait::Activites).await;
    assert_eq!(i.fichier, "PS_LibreAcces_Personne_activite_202601060000.txt");
    assert_eq!(i.lot.observations.len(), 1, "background rows are nobody's");
    let i = banc.integree(Extrait::Cartes).await;
    assert_eq!((i.ajouts, i.modifications, i.lot.observations.len()), (1, 1, 1));
    let after = banc.chercher().await.fiche.expect("known");
    assert_eq!(after.structures.iter().collect::<Vec<_>>(), ["639990019"]);
    assert_eq!(after.cartes.iter().map(|c| c.numero.as_str()).collect::<Vec<_>>(), ["9002"]);

    banc.simule.retirer_activite(&rpps, &site, jour("2026-01-07"));
    banc.simule.retirer_medecin(&rpps, jour("2026-01-08"));
    banc.lendemain().await;
    banc.integree(Extrait::Activites).await;
    assert!(banc.chercher().await.fiche.expect("known").structures.is_empty());
    banc.lendemain().await;
    banc.integree(Extrait::Activites).await;
    assert_eq!(banc.chercher().await.fiche, None);
    banc.arreter().await;
}

#[tokio::test]
async fn somebody_who_is_no_doctor_is_found_but_not_active() {
    let banc = banc("").await;
    banc.simule.enregistrer_medecin(Fiche {
        actif: false,
        ..Fiche::medecin(medecin(), "EXEMPLE", "ANNE")
    });
    banc.integree(Extrait::Activites).await;
    let known = banc.chercher().await.fiche.expect("known");
    assert!(!known.est_medecin());
    banc.arreter().await;
}

#[tokio::test]
async fn faults_become_transient_or_a_refusal_and_the_next_try_succeeds() {
    let banc = banc("timeout_ms = 300").await;
    banc.simule.faults.set(|call, n| {
        assert_eq!(call, "activites 2026-01-05");
        [
            Some(FaultKind::Status(503)),
            Some(FaultKind::TooMany(40)),
            Some(FaultKind::Down),
            Some(FaultKind::Slow(Duration::from_secs(2))),
            Some(FaultKind::Wrong),
            Some(FaultKind::Status(404)),
        ]
        .get(n as usize)
        .copied()
        .flatten()
    });
    let mut codes = Vec::new();
    for _ in 0..4 {
        match banc.integrer(Extrait::Activites).await {
            Err(Fault::Transient { code, retry_after, .. }) => codes.push((code, retry_after)),
            other => panic!("{other:?}"),
        }
    }
    let forty = Some(Duration::from_secs(40));
    assert_eq!(
        codes,
        [
            ("http-indisponible", None),
            ("http-indisponible", forty),
            ("http-injoignable", None),
            ("http-injoignable", None),
        ]
    );
    let wrong = banc.integrer(Extrait::Activites).await.expect("an answer");
    assert!(
        matches!(wrong, Answer::Refusee { raison, passager: true, .. } if raison == "tronquee")
    );
    assert!(matches!(banc.integrer(Extrait::Activites).await, Err(Fault::Permanent { .. })));
    banc.integree(Extrait::Activites).await;
    assert_eq!(banc.simule.faults.caused(), 6);
    banc.arreter().await;
}

#[tokio::test]
async fn a_file_larger_than_the_limit_is_refused() {
    let banc = banc("taille_max_octets = 1000").await;
    let answer = banc.integrer(Extrait::Activites).await.expect("an answer");
    assert!(matches!(answer, Answer::Refusee { raison, .. } if raison == "trop-grande"));
    banc.arreter().await;
}

#[tokio::test]
async fn a_day_s_file_is_always_the_same_and_background_rows_change_a_little() {
    let banc = banc("").await;
    let today = jour("2026-01-05");
    assert_eq!(banc.simule.activites_du(today), banc.simule.activites_du(today));
    let (before, after) =
        (banc.simule.activites_du(today), banc.simule.activites_du(jour("2026-01-06")));
    let same = before.lines().zip(after.lines()).filter(|(a, b)| a == b).count();
    assert!((46..=52).contains(&same), "{same} of 52 lines");
    banc.arreter().await;
}

/// The header served is the one of the handbook's synthetic extract, when it is at hand.
#[tokio::test]
async fn the_headers_are_those_that_were_published() {
    let handbook = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference/sante");
    let banc = banc("").await;
    let (activites, cartes) =
        (banc.simule.activites_du(jour("2026-01-05")), banc.simule.cartes_du(jour("2026-01-05")));
    for (name, served) in [
        ("PS_LibreAcces_Personne_activite_SYNTHETIC_202512010000.txt", activites),
        ("porteurs-cps-cpf_SYNTHETIC.txt", cartes),
    ] {
        if let Ok(published) = fs::read_to_string(handbook.join(name)) {
            assert_eq!(served.lines().next(), published.lines().next(), "{name}");
        }
    }
    banc.arreter().await;
}

#[tokio::test]
async fn a_download_that_breaks_off_goes_on_where_it_was() {
    let banc = banc("").await;
    let received = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&received);
    banc.simule.set_hook(move |Evenement::FichierServi { lignes, .. }| lock(&seen).push(lignes));
    banc.simule.faults.set(|_, n| (n < 2).then_some(FaultKind::Down));
    for _ in 0..2 {
        let broken = banc.integrer(Extrait::Activites).await;
        assert!(matches!(broken, Err(Fault::Transient { .. })), "{broken:?}");
    }
    let whole = banc.simule.activites_du(jour("2026-01-05"));
    let integrated = banc.integree(Extrait::Activites).await;
    assert_eq!(integrated.lignes, 51);
    let served = lock(&received).clone();
    assert_eq!(served.len(), 1);
    assert!(served[0] < 51 / 2, "only what was missing was sent: {served:?}");
    let fichier = banc.travail.path().join("attendu");
    fs::write(&fichier, whole).expect("writable");
    assert_eq!(integrated.sha256, Some(crate::source::somme(&fichier).expect("readable")));
    let left = fs::read_dir(banc.travail.path()).expect("readable");
    let names = left.map(|e| e.expect("entry").file_name().into_string().expect("a name"));
    assert!(!names.collect::<String>().contains("telechargement"));
    banc.arreter().await;
}

#[tokio::test]
async fn what_is_left_of_another_file_is_not_used() {
    let banc = banc("").await;
    banc.simule.faults.set(|call, _| call.ends_with("05").then_some(FaultKind::Down));
    assert!(banc.integrer(Extrait::Activites).await.is_err());
    // The next day the same address serves another file.
    banc.lendemain().await;
    let integrated = banc.integree(Extrait::Activites).await;
    assert_eq!(integrated.fichier, "PS_LibreAcces_Personne_activite_202601060000.txt");
    assert_eq!(integrated.lignes, 51);
    banc.arreter().await;
}

#[tokio::test]
async fn the_archive_of_the_ans_serves_two_extracts() {
    let banc = banc(
        "chemin_activites = \"/PS_LibreAcces.zip\"\nchemin_savoir_faire = \"/PS_LibreAcces.zip\"\n\
         savoir_faire = true",
    )
    .await;
    // Broken off inside the compressed file: it goes on there too.
    banc.simule.faults.set(|_, n| (n == 0).then_some(FaultKind::Down));
    assert!(banc.integrer(Extrait::Activites).await.is_err());
    let activites = banc.integree(Extrait::Activites).await;
    assert_eq!(activites.fichier, "PS_LibreAcces_Personne_activite_202601050000.txt");
    let savoir_faire = banc.integree(Extrait::SavoirFaire).await;
    assert_eq!((savoir_faire.lignes, activites.lignes), (1, 51));
    assert_eq!(savoir_faire.sha256, activites.sha256, "the same file");
    let wrong = |_: &str, n| (n == 0).then_some(FaultKind::Wrong);
    banc.lendemain().await;
    banc.simule.faults.set(wrong);
    let answer = banc.integrer(Extrait::Activites).await.expect("an answer");
    assert!(
        matches!(&answer, Answer::Refusee { raison, passager: true, .. } if raison == "archive-illisible"),
        "{answer:?}"
    );
    banc.arreter().await;
}

/// Activities without their columns of savoir-faire: the other extract says it.
#[tokio::test]
async fn specialities_come_from_their_own_extract() {
    let with = banc("savoir_faire = true").await;
    with.integree(Extrait::Activites).await;
    with.integree(Extrait::SavoirFaire).await;
    let path = with.travail.path();
    let lines = path.join("activites-202601050000.lignes");
    let text = fs::read_to_string(&lines).expect("readable");
    fs::write(&lines, text.replace("|SM54|", "|    |")).expect("writable");
    let seen = with.chercher().await.fiche.expect("known");
    assert!(seen.savoir_faire.contains("SM54"), "{seen:?}");
    // Taken out of the configuration, what it said once is forgotten.
    let settings = format!("base_url = \"{}\"\ncle_pseudonymes = \"x\"", with.simule.url());
    let config: Config = toml::from_str(&settings).expect("valid settings");
    let annuaire = Annuaire::new(&config, path).expect("a client");
    let seen = annuaire.chercher(medecin()).await.expect("a view").fiche.expect("known");
    assert!(!seen.savoir_faire.contains("SM54"), "{seen:?}");
    with.arreter().await;
}

mod fhir;
