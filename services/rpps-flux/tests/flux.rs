//! The service on the frame, in virtual time: beside the simulated API of the Annuaire Santé alone,
//! and beside a folder in which a job drops the extracts.

use std::{fs, path::Path, sync::Arc, time::Duration};

use agency::{HttpClient, HttpSettings};
use bus::{Consumer, MemoryBus, Publication, QueueSpec, Transport};
use chrono::{DateTime, NaiveDate, Utc};
use contracts::{
    Civilite, DossierId, Envelope, Flux, Lieu, Medecin, Message, ModeExercice, Referentiel, Rpps,
    messages::{
        Activite, ActiviteAutorisee, ActiviteEnregistreeRpps, Candidature, CandidatureDeposee,
        CarteCpsConstatee, MedecinIdentifie, MedecinRppsDivergent, PanneOuverte,
        RppsExtractionIntegree, RppsExtractionRefusee, Situation, SourceRpps, TacheOuverte,
    },
};
use kernel::{Clock, Secret, Tasks, VirtualDriver};
use rpps_flux::{
    RppsFlux,
    config::Config,
    simulator::{Fiche, Options, RppsSimule, Structure, fhir::CLE},
};
use service::{Host, Running, config::LinksConfig};
use store::{Store, sqlite::SqliteStore};

const FINESS: &str = "639990019";

fn jour(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

fn rpps() -> Rpps {
    "99790000014".parse().expect("a number")
}

fn site() -> Structure {
    Structure::Finess(FINESS.parse().expect("a FINESS"))
}

fn medecin() -> Medecin {
    Medecin {
        rpps: rpps(),
        civilite: Civilite::Mme,
        nom: "Exemple".to_owned(),
        prenom: "Anne".to_owned(),
        courriel: "anne@medecin.example".to_owned(),
        telephone: "0100000000".to_owned(),
        mode_exercice: ModeExercice::Liberal,
        departement_exercice_principal: "63".parse().expect("a département"),
        cdom_inscription: "63".parse().expect("a CDOM"),
    }
}

fn candidature() -> CandidatureDeposee {
    CandidatureDeposee(Candidature {
        dossier: DossierId(1042),
        medecin: medecin(),
        lieux_souhaites: vec!["ambert-msp".parse().expect("an id")],
        creneaux_souhaites: Vec::new(),
        remplacement_souhaite: false,
        depose_le: "2026-01-05T05:00:00Z".parse().expect("an instant"),
    })
}

fn autorisation() -> ActiviteAutorisee {
    ActiviteAutorisee(Activite {
        engagement: "0a1b2c3d4e".parse().expect("an id"),
        dossier: DossierId(1042),
        medecin: medecin(),
        lieu: Lieu {
            id: "ambert-msp".parse().expect("an id"),
            nom: "MSP".to_owned(),
            adresse: String::new(),
            commune: "Ambert".to_owned(),
            departement: "63".parse().expect("a département"),
            finess: FINESS.parse().ok(),
            rpps_rang: None,
            cpam: None,
            cdom: None,
            contact_courriel: None,
        },
        creneaux_souhaites: Vec::new(),
        remplacement_autorise: false,
        situation: Situation::Ouverte,
        a_compter_du: jour("2026-01-05"),
        cause: None,
        interruptions: Vec::new(),
    })
}

/// The service, its simulator, and who listens to what is published.
struct Bout {
    simule: RppsSimule,
    dossier: tempfile::TempDir,
    clock: Clock,
    driver: VirtualDriver,
    tasks: Tasks,
    bus: Arc<MemoryBus>,
    running: Running,
    temoin: Box<dyn Consumer>,
    vus: Vec<Envelope>,
}

/// Monday 5 January 2026, before the first reading; `reglages` of the simulator and of the folder
/// where nothing is dropped yet.
async fn bout(reglages: impl FnOnce(&RppsSimule, &Path) -> String) -> Bout {
    let (clock, driver) = Clock::virtual_at("2026-01-05T05:00:00Z".parse().expect("an instant"));
    let tasks = Tasks::new();
    let options = Options { port: 0, graine: 7, lignes_de_fond: 0 };
    let simule = RppsSimule::start(clock.clone(), &tasks, options).await.expect("a free port");
    simule.enregistrer_medecin(Fiche::medecin(rpps(), "EXEMPLE", "ANNE"));
    let dossier = tempfile::tempdir().expect("a folder");
    let depot = dossier.path().join("depot");
    fs::create_dir(&depot).expect("a folder");
    let text = format!("cle_pseudonymes = \"x\"\n{}", reglages(&simule, &depot));
    let config: Config = toml::from_str(&text).expect("valid settings");
    let bus = MemoryBus::new(clock.clone());
    let types = [
        MedecinIdentifie::TYPE,
        MedecinRppsDivergent::TYPE,
        ActiviteEnregistreeRpps::TYPE,
        CarteCpsConstatee::TYPE,
        RppsExtractionIntegree::TYPE,
        RppsExtractionRefusee::TYPE,
        TacheOuverte::TYPE,
        PanneOuverte::TYPE,
    ];
    let bindings = types.iter().map(|t| (Flux::Evenements, (*t).to_owned())).collect();
    let spec = QueueSpec { name: "temoin".to_owned(), bindings };
    let temoin = bus.consume(&spec, 100).await.expect("consumes");
    let store = SqliteStore::in_memory().await.expect("a store");
    store.migrate().await.expect("migrated");
    let host = Host {
        clock: clock.clone(),
        store: Arc::new(store),
        transport: bus.clone(),
        referentiel: Arc::new(Referentiel::default()),
        listener: tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port"),
        links: LinksConfig::default(),
        smtp: None,
        operators: service::Operators::shared(Secret::new("jeton")),
        data_dir: dossier.path().join("vue"),
        engine: service::EngineConfig::default(),
    };
    let running = service::start::<RppsFlux>(config, host).await.expect("started");
    Bout { simule, dossier, clock, driver, tasks, bus, running, temoin, vus: Vec::new() }
}

impl Bout {
    async fn publier<M: Message>(&self, source: &str, message: &M) {
        let (id, source) = (format!("{source}-{}", M::TYPE), format!("/relais/{source}"));
        let envelope =
            Envelope { sequence: Some(1), ..Envelope::of(id, source, self.clock.now(), message) };
        let (flux, routing_key) = (Flux::Evenements, M::TYPE.to_owned());
        self.bus.publish(vec![Publication { flux, routing_key, envelope, mandatory: false }]).await;
    }

    /// Takes what was published until everything is quiet.
    async fn voir(&mut self) {
        loop {
            let batch = tokio::select! {
                biased;
                batch = self.temoin.next_batch(100) => batch.expect("open"),
                () = self.driver.quiet() => return,
            };
            let tags: Vec<_> = batch.iter().map(|d| d.tag).collect();
            let held: Vec<_> = batch.iter().map(|d| d.busy.clone()).collect();
            self.vus.extend(batch.into_iter().map(|d| d.envelope));
            self.temoin.ack(&tags).await.expect("acknowledged");
            drop(held);
        }
    }

    async fn vivre(&mut self, jusque: &str) {
        let jusque: DateTime<Utc> = jusque.parse().expect("an instant");
        let mut timer = Some(self.clock.timer(jusque));
        loop {
            self.voir().await;
            match self.driver.advance(jusque).await {
                Some(now) if now == jusque => drop(timer.take()),
                Some(_) => {}
                None => return,
            }
        }
    }

    fn faits<M: Message>(&self) -> Vec<M> {
        let ours = self.vus.iter().filter(|e| e.message_type == M::TYPE);
        ours.map(|e| serde_json::from_slice(&e.data).expect("decodes")).collect()
    }

    /// A line of what the service measures.
    async fn mesure(&self, debut: &str) -> Option<String> {
        let settings = HttpSettings {
            base_url: format!("http://{}", self.running.addr()),
            timeout_ms: 5_000,
            max_body_bytes: 1_000_000,
        };
        let http = HttpClient::new(settings).expect("a client");
        let answer = http.send(http.request(reqwest::Method::GET, "/metrics")).await;
        let text = String::from_utf8(answer.expect("an answer").body).expect("UTF-8");
        text.lines().find(|line| line.starts_with(debut)).map(str::to_owned)
    }

    /// Drops the extract of activities of a day, as a job would: written, then renamed.
    fn deposer(&self, day: &str, texte: &str) {
        let depot = self.dossier.path().join("depot");
        fs::write(depot.join("en-cours"), texte).expect("written");
        let stamp = jour(day).format("%Y%m%d0000");
        let nom = format!("PS_LibreAcces_Personne_activite_{stamp}.txt");
        fs::rename(depot.join("en-cours"), depot.join(nom)).expect("renamed");
    }

    async fn fin(self) {
        assert!(self.running.stop(Duration::from_secs(5)).await);
        assert!(self.tasks.stop(Duration::from_secs(5)).await);
    }
}

/// Extracts never come: everything is what the API says.
#[tokio::test]
async fn the_api_alone_says_who_applies_where_with_which_card_and_who_is_gone() {
    let mut flux = bout(|simule, depot| {
        let url = simule.url_fhir();
        format!("repertoire = {depot:?}\n[fhir]\nbase_url = \"{url}\"\ncle = \"{CLE}\"")
    })
    .await;
    flux.publier("ds-intake", &candidature()).await;
    flux.vivre("2026-01-05T06:00:00Z").await;
    let identities = flux.faits::<MedecinIdentifie>();
    let [identity] = identities.as_slice() else { panic!("{identities:?}") };
    assert!(identity.trouve && identity.actif, "{identity:?}");
    assert_eq!((identity.dossier, &identity.rpps), (DossierId(1042), &rpps()));
    assert_eq!(identity.concordance_identite, Some(true));
    assert_eq!(identity.savoir_faire, ["SM54"]);

    // Authorised, and not recorded yet: nothing is said.
    flux.publier("ordinal-adapter", &autorisation()).await;
    flux.vivre("2026-01-06T20:00:00Z").await;
    assert!(flux.faits::<ActiviteEnregistreeRpps>().is_empty());

    // The CDOM records it, the API says within the hour that something changed; then a card.
    flux.simule.enregistrer_activite(&rpps(), site(), "MSP", jour("2026-01-07"));
    let (debut, fin) = (jour("2026-01-09"), jour("2029-01-08"));
    flux.simule.emettre_carte(&rpps(), "2800999002", debut, fin, debut);
    flux.vivre("2026-01-07T06:00:00Z").await;
    let recorded = flux.faits::<ActiviteEnregistreeRpps>();
    let [recorded] = recorded.as_slice() else { panic!("{recorded:?}") };
    assert_eq!((recorded.structure.as_str(), recorded.source), (FINESS, SourceRpps::Fhir));
    assert_eq!(recorded.constatee_le, jour("2026-01-07"));
    assert!(flux.faits::<CarteCpsConstatee>().is_empty());
    flux.vivre("2026-01-09T06:00:00Z").await;
    let cards = flux.faits::<CarteCpsConstatee>();
    let [card] = cards.as_slice() else { panic!("{cards:?}") };
    assert_eq!((card.debut_validite, card.numero_carte.as_str()), (debut, "9002"));

    // A tombstone (`active: false`) is nobody.
    flux.simule.retirer_medecin(&rpps(), jour("2026-01-12"));
    flux.vivre("2026-01-12T06:00:00Z").await;
    let divergent = flux.faits::<MedecinRppsDivergent>();
    assert!(divergent.iter().any(|d| d.divergences.contains(&"disparu".to_owned())));
    assert!(divergent.iter().all(|d| d.identite.dossier == DossierId(1042)));
    assert_eq!(flux.faits::<ActiviteEnregistreeRpps>().len(), 1, "said once");
    assert_eq!(flux.faits::<CarteCpsConstatee>().len(), 1, "said once");
    assert!(flux.faits::<RppsExtractionIntegree>().is_empty(), "no extract came");
    flux.fin().await;
}

/// The job drops a file a day; one comes cut, then the whole of it.
#[tokio::test]
async fn an_extract_dropped_into_the_folder_shows_the_activity() {
    let mut flux = bout(|_, depot| format!("repertoire = {depot:?}\nreessai_s = 3600")).await;
    flux.publier("ds-intake", &candidature()).await;
    flux.publier("ordinal-adapter", &autorisation()).await;
    flux.simule.enregistrer_activite(&rpps(), site(), "MSP", jour("2026-01-07"));
    flux.vivre("2026-01-05T08:00:00Z").await;
    assert!(flux.faits::<MedecinIdentifie>().is_empty(), "nothing was dropped yet");
    let attendue = flux.mesure("relais_dossiers{etape=\"extraction-attendue\"").await;
    assert!(attendue.is_some_and(|line| line.ends_with(" 1")));
    let texte = flux.simule.activites_du(jour("2026-01-05"));
    flux.deposer("2026-01-05", &texte);
    flux.vivre("2026-01-06T20:00:00Z").await;
    let identities = flux.faits::<MedecinIdentifie>();
    assert!(identities.iter().all(|i| i.trouve && i.actif) && identities.len() == 1);
    assert!(flux.faits::<ActiviteEnregistreeRpps>().is_empty(), "not in the file of that day");

    // Cut in the middle of a row: refused as a whole, said once, and a stage that an alert watches.
    let texte = flux.simule.activites_du(jour("2026-01-07"));
    flux.deposer("2026-01-07", &texte[..texte.len() - 30]);
    flux.vivre("2026-01-07T09:00:00Z").await;
    let refused = flux.faits::<RppsExtractionRefusee>();
    let [refused] = refused.as_slice() else { panic!("{refused:?}") };
    assert_eq!(refused.raison, "tronquee");
    let refusee = flux.mesure("relais_dossiers{etape=\"extraction-refusee\"").await;
    assert!(refusee.is_some_and(|line| line.ends_with(" 1")));
    assert!(flux.faits::<ActiviteEnregistreeRpps>().is_empty(), "yesterday's view serves");

    // The whole file takes its place: read again within the hour.
    flux.deposer("2026-01-07", &texte);
    flux.vivre("2026-01-07T11:00:00Z").await;
    let recorded = flux.faits::<ActiviteEnregistreeRpps>();
    let [recorded] = recorded.as_slice() else { panic!("{recorded:?}") };
    assert_eq!((recorded.structure.as_str(), recorded.source), (FINESS, SourceRpps::Extraction));
    assert_eq!(recorded.constatee_le, jour("2026-01-07"));
    assert_eq!(flux.mesure("relais_dossiers{etape=\"extraction-refusee\"").await, None);
    let integrated = flux.faits::<RppsExtractionIntegree>();
    assert_eq!(integrated.len(), 2, "{integrated:?}");
    assert_eq!((integrated[1].lignes, integrated[1].modifications), (1, 1));

    // Nothing more is dropped: the file of the day is awaited, and for how long is measured.
    flux.vivre("2026-01-10T12:00:00Z").await;
    let age = flux.mesure("relais_etape_age_seconds{etape=\"extraction-attendue\"").await;
    let age: f64 = age.and_then(|l| l.rsplit(' ').next()?.parse().ok()).expect("an age");
    assert!(age > 2.0 * 86_400.0, "{age} s");
    flux.fin().await;
}
