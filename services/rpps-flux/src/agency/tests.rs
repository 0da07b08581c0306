use std::ffi::OsStr;

use tempfile::TempDir;

use super::*;
use crate::exemples::{ENTETE_CARTES, Variante, activite, carte, entete, fichier};

const RPPS: &str = "99790000014";

mod refus;

struct Banc {
    depot: TempDir,
    travail: TempDir,
    annuaire: Annuaire,
}

/// A client that reads a folder, with a comparison judged from 10 rows on.
fn banc() -> Banc {
    let (depot, travail) =
        (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
    let text =
        format!("repertoire = {:?}\ncle_pseudonymes = \"x\"\necart_lignes_min = 10", depot.path());
    let config: Config = toml::from_str(&text).expect("valid settings");
    let annuaire = Annuaire::new(&config, travail.path()).expect("usable folder");
    Banc { depot, travail, annuaire }
}

impl Banc {
    fn deposer(&self, nom: &str, texte: &str) {
        fs::write(self.depot.path().join(nom), texte).expect("writable");
    }

    fn deposer_activites(&self, jour: u32, lignes: &[String]) {
        let nom = format!("PS_LibreAcces_Personne_activite_202601{jour:02}0000.txt");
        self.deposer(&nom, &fichier(&entete(Variante::Actuelle), lignes));
    }

    async fn integrer(&self, deja: Option<&str>, accepter: Option<&str>) -> Answer {
        self.annuaire.integrer(Extrait::Activites, deja, accepter).await.expect("an answer")
    }

    async fn integree(&self) -> Integration {
        match self.integrer(None, None).await {
            Answer::Integree(i) => i,
            other @ (Answer::Inchangee { .. }
            | Answer::Refusee { .. }
            | Answer::Suite { .. }
            | Answer::Trouvee(_)
            | Answer::Praticien { .. }
            | Answer::Situations { .. }
            | Answer::Changements { .. }
            | Answer::PagePerimee) => panic!("{other:?}"),
        }
    }

    async fn refusee(&self) -> (String, bool) {
        match self.integrer(None, None).await {
            Answer::Refusee { raison, passager, .. } => (raison, passager),
            other @ (Answer::Integree(_)
            | Answer::Inchangee { .. }
            | Answer::Suite { .. }
            | Answer::Trouvee(_)
            | Answer::Praticien { .. }
            | Answer::Situations { .. }
            | Answer::Changements { .. }
            | Answer::PagePerimee) => panic!("{other:?}"),
        }
    }

    async fn structures(&self, rpps: &str) -> Vec<String> {
        let found = self.annuaire.chercher(rpps.parse().expect("a number")).await.expect("a view");
        found.fiche.map(|f| f.structures.into_iter().collect()).unwrap_or_default()
    }
}

fn rang(i: usize) -> String {
    let luhn =
        |digits: &str| (0..10).map(|k| format!("{digits}{k}")).find(|n| n.parse::<Rpps>().is_ok());
    luhn(&format!("997{i:07}")).expect("one of ten keys is right")
}

fn lignes(nombre: usize) -> Vec<String> {
    let header = entete(Variante::Actuelle);
    (0..nombre).map(|i| activite(&header, &rang(i), "EXEMPLE", "639990019", "")).collect()
}

#[tokio::test]
async fn nothing_is_known_before_the_first_extract() {
    let banc = banc();
    let none = banc.annuaire.chercher(RPPS.parse().expect("a number")).await;
    assert!(matches!(none, Err(AnnuaireError::SansExtraction)));
    let none = banc.annuaire.integrer(Extrait::Activites, None, None).await;
    let fault = Fault::from(none.expect_err("an empty folder"));
    assert!(matches!(fault, Fault::Transient { code: "rpps-absent", .. }));
}

#[tokio::test]
async fn the_first_extract_tells_nobody_the_next_ones_tell_who_changed() {
    let banc = banc();
    let header = entete(Variante::Ancienne);
    let row = |finess| activite(&header, RPPS, "EXEMPLE", finess, "");
    let name = |jour: u32| format!("PS_LibreAcces_Personne_activite_202601{jour:02}0000.txt");
    banc.deposer(&name(5), &fichier(&header, &[row("039990015")]));
    let first = banc.integree().await;
    assert_eq!((first.lignes, first.ajouts, first.lot), (1, 0, Lot::default()));
    banc.deposer(&name(6), &fichier(&header, &[row("039990015"), row("639990019")]));
    let second = banc.integree().await;
    assert_eq!((second.lignes, second.ajouts, second.retraits), (2, 1, 0));
    assert_eq!(second.jour.to_string(), "2026-01-06");
    let [told] = second.lot.observations.as_slice() else { panic!("one doctor changed") };
    assert_eq!(told.rpps.as_str(), RPPS);
    assert_eq!(told.fiche.as_ref().expect("known").structures.len(), 2);
    // The header of another year, the same rows: nothing changed.
    let header = entete(Variante::Actuelle);
    let row = |finess| activite(&header, RPPS, "EXEMPLE", finess, "");
    banc.deposer(&name(7), &fichier(&header, &[row("639990019"), row("039990015")]));
    let third = banc.integree().await;
    assert_eq!((third.ajouts, third.retraits, third.modifications), (0, 0, 0));
    // Who disappears is deleted from the view, and told.
    banc.deposer(
        &name(8),
        &fichier(&header, &[activite(&header, &rang(1), "AUTRE", "", "R10100000990018")]),
    );
    let fourth = banc.integree().await;
    assert_eq!((fourth.ajouts, fourth.retraits), (1, 2));
    assert!(banc.structures(RPPS).await.is_empty());
    assert_eq!(banc.structures(&rang(1)).await, ["R10100000990018"]);
    assert_eq!(fourth.lot.observations.iter().filter(|o| o.fiche.is_none()).count(), 1);
}

#[tokio::test]
async fn an_answer_that_was_lost_is_given_again() {
    let banc = banc();
    banc.deposer_activites(5, &lignes(3));
    let first = banc.integree().await;
    assert_eq!(banc.integree().await, first);
    let again = banc.integrer(Some(&first.fichier), None).await;
    assert!(matches!(again, Answer::Inchangee { .. }));
    // An older file dropped later changes nothing.
    banc.deposer_activites(4, &lignes(1));
    assert_eq!(banc.integree().await, first);
}

#[tokio::test]
async fn a_view_that_was_lost_is_built_again() {
    let banc = banc();
    banc.deposer_activites(5, &lignes(3));
    let first = banc.integree().await;
    for entry in fs::read_dir(banc.travail.path()).expect("readable") {
        fs::remove_file(entry.expect("entry").path()).expect("removable");
    }
    let again = banc.integrer(Some(&first.fichier), None).await;
    assert_eq!(again, Answer::Integree(first));
    assert_eq!(banc.structures(&rang(2)).await, ["639990019"]);
}

#[tokio::test]
async fn an_operator_may_accept_the_differences_of_one_file() {
    let banc = banc();
    banc.deposer_activites(5, &lignes(100));
    banc.integree().await;
    banc.deposer_activites(6, &lignes(10));
    assert_eq!(banc.refusee().await.0, "ecart-excessif");
    let other = banc.integrer(None, Some("PS_LibreAcces_Personne_activite_202601050000.txt")).await;
    assert!(matches!(other, Answer::Refusee { .. }));
    let accepted = banc.integrer(None, Some("PS_LibreAcces_Personne_activite_202601060000.txt"));
    assert!(matches!(accepted.await, Answer::Integree(i) if i.retraits == 90));
}

#[tokio::test]
async fn many_changes_are_told_a_bounded_number_at_a_time() {
    let banc = banc();
    banc.deposer_activites(5, &lignes(9));
    banc.integree().await;
    banc.deposer_activites(6, &lignes(9 + LOT + 50));
    let i = banc.integree().await;
    assert_eq!(i.lot.observations.len(), LOT);
    let depuis = i.lot.suite.expect("more");
    let next = banc.annuaire.suite(Extrait::Activites, &i.fichier, depuis).await;
    let Answer::Suite { lot } = next.expect("an answer") else { panic!("the next ones") };
    assert_eq!((lot.observations.len(), lot.suite), (50, None));
    let stale = banc.annuaire.suite(Extrait::Activites, "autre", depuis).await;
    assert_eq!(stale.expect("an answer"), Answer::Suite { lot: Lot::default() });
}

#[tokio::test]
async fn cards_tell_doctors_only() {
    let banc = banc();
    banc.deposer_activites(5, &lignes(2));
    banc.integree().await;
    let cards =
        |rows: &[String]| banc.deposer("porteurs-cps-cpf.txt", &fichier(ENTETE_CARTES, rows));
    let file = banc.depot.path().join("porteurs-cps-cpf.txt");
    let dated = |day: u64| {
        let handle = File::options().write(true).open(&file).expect("a file");
        let when =
            std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_767_600_000 + day * 86_400);
        handle.set_modified(when).expect("settable");
    };
    let integrer = || banc.annuaire.integrer(Extrait::Cartes, None, None);
    cards(&[carte(&rang(0), "2800999001", "2023-02-01", "")]);
    dated(0);
    assert!(
        matches!(integrer().await, Ok(Answer::Integree(i)) if i.jour == wire::jour("2026-01-05").expect("a day"))
    );
    // The former card is opposed, the new one appears; another holder is in no activity.
    cards(&[
        carte(&rang(0), "2800999001", "2023-02-01", "2026-01-05"),
        carte(&rang(0), "2800999002", "2026-01-05", ""),
        carte(&rang(500), "2800999003", "2026-01-05", ""),
    ]);
    dated(1);
    let Ok(Answer::Integree(i)) = integrer().await else { panic!("integrated") };
    let [told] = i.lot.observations.as_slice() else { panic!("one doctor") };
    let seen = &told.fiche.as_ref().expect("known").cartes;
    assert_eq!(seen.iter().map(|c| c.numero.as_str()).collect::<Vec<_>>(), ["9002"]);
    let views = fs::read_dir(banc.travail.path()).expect("readable");
    let json = |e: &io::Result<fs::DirEntry>| {
        e.as_ref().is_ok_and(|e| e.path().extension() == Some(OsStr::new("json")))
    };
    assert_eq!(views.filter(json).count(), 2);
}

#[test]
fn settings_that_name_two_sources_or_none_are_refused() {
    let travail = tempfile::tempdir().expect("folder");
    for text in ["", "base_url = \"http://x\"\nrepertoire = \"/y\""] {
        let text = format!("cle_pseudonymes = \"x\"\n{text}");
        let config: Config = toml::from_str(&text).expect("valid settings");
        assert!(Annuaire::new(&config, travail.path()).is_err());
    }
}

/// The published synthetic extracts, when the handbook is at hand.
#[tokio::test]
async fn the_synthetic_extracts_are_read() {
    let handbook = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference/sante");
    let copy = |from: &str| fs::read_to_string(handbook.join(from)).ok();
    let activites = copy("PS_LibreAcces_Personne_activite_SYNTHETIC_202512010000.txt");
    let (Some(activites), Some(cartes)) = (activites, copy("porteurs-cps-cpf_SYNTHETIC.txt"))
    else {
        return;
    };
    let banc = banc();
    banc.deposer("PS_LibreAcces_Personne_activite_202512010000.txt", &activites);
    banc.deposer("porteurs-cps-cpf_202512010000.txt", &cartes);
    banc.integree().await;
    banc.annuaire.integrer(Extrait::Cartes, None, None).await.expect("integrated");
    let seen = banc.annuaire.chercher(RPPS.parse().expect("a number")).await.expect("a view");
    let known = seen.fiche.expect("known");
    assert_eq!(known.structures.iter().collect::<Vec<_>>(), ["639990019", "R10100000990001"]);
    assert_eq!(known.cartes.len(), 1);
}
