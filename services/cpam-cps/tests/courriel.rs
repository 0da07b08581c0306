//! The service on the frame, a CPAM with a queue and a mail server: the notice « Vous pouvez
//! commencer sur papier » reaches the doctor as a PDF that a mail program can open.
#![cfg(feature = "simulator")]

#[path = "../../rdv-agenda-sync/tests/commun/facteur.rs"]
mod facteur;

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bus::{MemoryBus, Publication, QueueSpec, Transport};
use chrono::{DateTime, Utc};
use contracts::{
    Agence, Civilite, DossierId, Envelope, Flux, Lieu, Medecin, Message, ModeExercice, Referentiel,
    Rib,
    messages::{Activite, ActiviteAutorisee, ActiviteEnregistreeRpps, Situation, SourceRpps},
    referentiel::Canal,
};
use cpam_cps::{
    Config, CpamCps,
    simulator::{CpamSimulee, Facon, ReactionNumero, Script},
};
use facteur::facteur;
use kernel::{Clock, Secret, Tasks, VirtualDriver};
use service::{Host, Running, config::LinksConfig};
use store::{Store, sqlite::SqliteStore};

const MEDECIN: &str = "paul@medecin.example";
const RPPS: &str = "99790000014";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

/// A site of the demo's register whose CPAM has a queue.
fn lieu(register: &Referentiel) -> (Lieu, Agence) {
    let found = register.lieux().find_map(|fiche| {
        let code = fiche.lieu.cpam.clone()?;
        let canal = register.cpam(&code).map(|agence| agence.canal);
        (canal == Some(Canal::File)).then(|| (fiche.lieu.clone(), Agence::cpam(&code)))
    });
    found.expect("the demo has one")
}

fn autorisation(lieu: Lieu) -> ActiviteAutorisee {
    ActiviteAutorisee(Activite {
        engagement: "0000000001".parse().expect("an id"),
        dossier: DossierId(1042),
        medecin: Medecin {
            rpps: RPPS.parse().expect("a number"),
            civilite: Civilite::M,
            nom: "Fictif".to_owned(),
            prenom: "Paul".to_owned(),
            courriel: MEDECIN.to_owned(),
            telephone: "0600000000".to_owned(),
            mode_exercice: ModeExercice::Remplacant,
            departement_exercice_principal: "63".parse().expect("a département"),
            cdom_inscription: "63".parse().expect("a CDOM"),
        },
        lieu,
        creneaux_souhaites: Vec::new(),
        remplacement_autorise: false,
        situation: Situation::Ouverte,
        a_compter_du: "2026-03-02".parse().expect("a day"),
        cause: None,
        interruptions: Vec::new(),
    })
}

async fn publier<M: Message>(bus: &MemoryBus, clock: &Clock, source: &str, message: &M) {
    let (id, source) = (format!("{source}-1"), format!("/relais/{source}"));
    let envelope = Envelope { sequence: Some(1), ..Envelope::of(id, source, clock.now(), message) };
    let (flux, routing_key) = (Flux::Evenements, M::TYPE.to_owned());
    bus.publish(vec![Publication { flux, routing_key, envelope, mandatory: false }]).await;
}

/// The service, beside that CPAM, which answers after a day.
async fn monter(
    clock: &Clock,
    tasks: &Tasks,
    bus: &Arc<MemoryBus>,
    dir: &std::path::Path,
) -> (Running, facteur::Boite, Lieu) {
    let register = Arc::new(Referentiel::demo());
    let (lieu, agence) = lieu(&register);
    bus.declare(&QueueSpec::agence(&agence));
    let script = Script {
        numero: Arc::new(|_| ReactionNumero::Creer {
            apres: Duration::from_hours(24),
            rib: Rib::Present,
            facon: Facon::Normale,
        }),
        ..Script::par_defaut(7)
    };
    CpamSimulee::start(bus.agency(agence.clone()), agence, clock.clone(), tasks, script)
        .await
        .expect("a CPAM");
    let store = SqliteStore::in_memory().await.expect("a store");
    store.migrate().await.expect("migrated");
    let (smtp, boite) = facteur(tasks).await;
    let host = Host {
        clock: clock.clone(),
        store: Arc::new(store),
        transport: bus.clone(),
        referentiel: register,
        listener: tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port"),
        links: LinksConfig::default(),
        smtp: Some(smtp),
        operators: service::Operators::shared(Secret::new("jeton")),
        data_dir: dir.to_owned(),
        engine: service::EngineConfig::default(),
    };
    let running = service::start::<CpamCps>(Config::default(), host).await.expect("started");
    (running, boite, lieu)
}

async fn vivre(clock: &Clock, driver: &VirtualDriver, jusque: &str) {
    let jusque = at(jusque);
    let mut timer = Some(clock.timer(jusque));
    while let Some(now) = driver.advance(jusque).await {
        if now == jusque {
            drop(timer.take());
        }
    }
}

/// A header of a part, folded lines joined.
fn entete(part: &str, name: &str) -> String {
    let head = part.trim_start().split("\n\n").next().unwrap_or_default().replace("\n ", " ");
    let head = head.replace("\n\t", " ");
    let line = head.lines().find(|l| l.to_lowercase().starts_with(&format!("{name}:")));
    line.and_then(|l| Some(l.split_once(':')?.1.trim().to_owned())).unwrap_or_default()
}

#[tokio::test]
async fn the_notice_to_begin_on_paper_arrives_as_a_pdf() {
    let (clock, driver) = Clock::virtual_at(at("2026-03-02T08:00:00Z"));
    let (tasks, dir) = (Tasks::new(), tempfile::tempdir().expect("a folder"));
    let bus = MemoryBus::new(clock.clone());
    let (running, boite, lieu) = monter(&clock, &tasks, &bus, dir.path()).await;
    let activite = autorisation(lieu);
    let constat = ActiviteEnregistreeRpps {
        engagement: activite.0.engagement.clone(),
        rpps: activite.0.medecin.rpps.clone(),
        structure: "639990019".to_owned(),
        constatee_le: "2026-03-02".parse().expect("a day"),
        source: SourceRpps::Extraction,
    };
    publier(&bus, &clock, "ordinal-adapter", &activite).await;
    publier(&bus, &clock, "rpps-flux", &constat).await;
    vivre(&clock, &driver, "2026-03-02T20:00:00Z").await;
    assert!(boite.lock().expect("a lock").is_empty(), "the CPAM has not answered");
    vivre(&clock, &driver, "2026-03-06T08:00:00Z").await;

    let mails = boite.lock().expect("a lock").clone();
    let [mail] = mails.as_slice() else { panic!("{} mails", mails.len()) };
    let mail = mail.replace('\r', "");
    assert!(entete(&mail, "to").contains(MEDECIN), "{}", entete(&mail, "to"));
    let kind = entete(&mail, "content-type");
    assert!(kind.starts_with("multipart/mixed"), "{kind}");
    let boundary = kind.split("boundary=").nth(1).expect("a boundary").trim_matches('"');
    let parts: Vec<&str> = mail.split(&format!("--{boundary}")).skip(1).collect();
    let [text, pdf, end] = parts.as_slice() else { panic!("{} parts", parts.len()) };
    assert_eq!(end.trim(), "--");
    assert!(entete(text, "content-type").starts_with("text/plain"), "{text}");
    // What is attached, under a name that says what it is.
    assert_eq!(entete(pdf, "content-type").split(';').next(), Some("application/pdf"));
    let disposition = entete(pdf, "content-disposition");
    assert!(disposition.starts_with("attachment"), "{disposition}");
    let name = disposition.split("filename=").nth(1).unwrap_or_default().trim_matches('"');
    let (_, extension) = name.rsplit_once('.').unwrap_or_default();
    assert_eq!(extension, "pdf", "{disposition}");
    assert_eq!(entete(pdf, "content-transfer-encoding"), "base64");
    let body: String = pdf.split("\n\n").nth(1).expect("a body").split_whitespace().collect();
    let bytes = STANDARD.decode(body).expect("base64");
    assert!(bytes.starts_with(b"%PDF-"), "not a PDF");
    assert!(bytes.trim_ascii_end().ends_with(b"%%EOF"), "cut: {} bytes", bytes.len());
    // The mail itself names nobody.
    assert!(!mail.contains(RPPS) && !mail.contains("Fictif"));

    assert!(running.stop(Duration::from_secs(5)).await);
    assert!(tasks.stop(Duration::from_secs(5)).await);
}
