//! The client against the simulated Démarches simplifiées: what it reads, what it writes, and what
//! it makes of every fault.
#![cfg(feature = "simulator")]

mod commun;

use std::{collections::BTreeMap, time::Duration};

use agency::faults::FaultKind;
use chrono::{DateTime, Utc};
use commun::{champs, debut, depot};
use ds_intake::{
    Answer, Ask, Client,
    agency::{Cible, Correction, Lister},
    simulator::{self, Etat, Options, Simulateur},
    wire::{EtatDs, Page},
};
use kernel::{Clock, Fault, Secret, Tasks, VirtualDriver};
use service::Attempt;
use uuid::Uuid;

struct Essai {
    sim: Simulateur,
    client: Client,
    clock: Clock,
    driver: VirtualDriver,
    tasks: Tasks,
}

impl Drop for Essai {
    fn drop(&mut self) {
        self.tasks.ask_to_stop();
    }
}

impl Essai {
    async fn new() -> Self {
        let (clock, driver) = Clock::virtual_at(debut());
        let tasks = Tasks::new();
        let options =
            Options { annotations: ["a1".to_owned()].into_iter().collect(), ..Options::default() };
        let sim = simulator::start(clock.clone(), &tasks, options).await.expect("simulator");
        let mut config = sim.config();
        config.http.timeout_ms = 300;
        let client = Client::new(&config, clock.clone()).expect("client");
        Self { sim, client, clock, driver, tasks }
    }

    /// A client with other settings.
    fn autre(&self, adapt: impl FnOnce(&mut ds_intake::Config)) -> Client {
        let mut config = self.sim.config();
        adapt(&mut config);
        Client::new(&config, self.clock.clone()).expect("client")
    }

    async fn avancer(&self) {
        let timer = self.clock.timer(self.clock.now() + chrono::TimeDelta::minutes(1));
        self.driver.advance(DateTime::<Utc>::MAX_UTC).await.expect("a timer");
        drop(timer);
    }

    async fn ask(&self, ask: &Ask, attempt: Attempt) -> Result<Answer, Fault> {
        self.client.ask(ask, Uuid::from_u128(42), attempt).await
    }

    async fn page(&self, taille: u32, apres: Option<String>) -> Page {
        match self.ask(&lister(taille, apres), Attempt::First).await {
            Ok(Answer::Page(page)) => page,
            other => panic!("{other:?}"),
        }
    }
}

fn lister(taille: u32, apres: Option<String>) -> Ask {
    let disparus_depuis = apres.is_none().then(|| debut() - chrono::TimeDelta::days(30));
    let depuis = debut() - chrono::TimeDelta::days(1);
    Ask::Lister(Lister {
        passe: debut(),
        rang: 0,
        depuis,
        apres,
        taille,
        disparus_depuis,
        formulaire: false,
    })
}

fn ecrire(numero: u64, cible: Cible) -> Ask {
    Ask::Ecrire { numero, cible }
}

fn message(numero: u64) -> Ask {
    let correction = Some(Correction::Incomplete);
    Ask::EnvoyerMessage { numero, corps: "Bonjour".to_owned(), correction }
}

/// (permanent, code) of a fault.
fn classe(result: Result<Answer, Fault>) -> (bool, &'static str) {
    match result {
        Err(Fault::Permanent { code, .. }) => (true, code),
        Err(Fault::Transient { code, .. }) => (false, code),
        Ok(answer) => panic!("{answer:?}"),
    }
}

#[tokio::test]
async fn pages_follow_each_other_across_equal_dates() {
    let e = Essai::new().await;
    for numero in 1..=5 {
        e.sim.deposer(depot(numero, champs()));
    }
    e.avancer().await;
    e.sim.deposer(depot(6, champs()));
    let mut numeros = Vec::new();
    let mut apres = None;
    loop {
        let page = e.page(2, apres).await;
        assert_eq!(page.lu_a, Some(e.clock.now()), "DS's own clock");
        numeros.extend(page.dossiers.iter().map(|d| d.numero));
        apres = page.curseur;
        if !page.suite {
            break;
        }
    }
    assert_eq!(numeros, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn every_page_of_the_deleted_ones_is_read() {
    let e = Essai::new().await;
    for numero in 1..=230 {
        e.sim.deposer(depot(numero, champs()));
        assert!(e.sim.supprimer(numero));
    }
    e.sim.deposer(depot(300, champs()));
    assert!(e.sim.expirer(300));
    let page = e.page(100, None).await;
    let gone = page.disparus.expect("asked for");
    assert_eq!(gone.len(), 231);
    assert!(page.dossiers.is_empty() && page.curseur.is_none() && !page.suite);
}

#[tokio::test]
async fn a_dossier_is_read_and_one_that_is_gone_is_an_answer() {
    let e = Essai::new().await;
    e.sim.deposer(depot(7, champs()));
    let early = e.ask(&Ask::Lire { numero: 7 }, Attempt::First).await.expect("read");
    assert!(matches!(early, Answer::LuTropTot(_)), "its second is not over");
    e.avancer().await;
    let Ok(Answer::Lu(lu)) = e.ask(&Ask::Lire { numero: 7 }, Attempt::First).await else {
        panic!("not read");
    };
    assert_eq!((lu.etat, lu.depots), (EtatDs::EnConstruction, 1));
    assert_eq!(lu.formulaire.rpps.as_deref(), Some("99790000014"));
    assert_eq!(lu.formulaire.departement.as_deref(), Some("63"));
    assert_eq!(lu.formulaire.mode_exercice.as_deref(), Some("Libéral installé"));
    assert_eq!(lu.formulaire.creneaux.len(), 2);
    assert_eq!(lu.formulaire.remplacement, Some(true));
    for ask in [Ask::Lire { numero: 8 }, ecrire(8, Cible::Accepte), message(8)] {
        assert_eq!(e.ask(&ask, Attempt::First).await.expect("answer"), Answer::Introuvable);
    }
}

#[tokio::test]
async fn each_fault_has_its_class() {
    let e = Essai::new().await;
    e.sim.deposer(depot(7, champs()));
    let lire = Ask::Lire { numero: 7 };
    for (fault, permanent, code) in [
        (FaultKind::Status(502), false, "http-indisponible"),
        (FaultKind::Status(500), false, "http-indisponible"),
        (FaultKind::Status(401), true, "ds-jeton-expire"),
        (FaultKind::Status(400), true, "ds-requete"),
        (FaultKind::Wrong, false, "ds-illisible"),
        (FaultKind::Down, false, "http-injoignable"),
        (FaultKind::Slow(Duration::from_millis(800)), false, "http-injoignable"),
    ] {
        e.sim.faults().set(move |_, _| Some(fault));
        let found = classe(e.ask(&lire, Attempt::First).await);
        assert_eq!(found, (permanent, code), "{fault:?}");
    }
    e.sim.faults().set(|_, _| Some(FaultKind::TooMany(40)));
    match e.ask(&lire, Attempt::First).await {
        Err(Fault::Transient { retry_after, .. }) => {
            assert_eq!(retry_after, Some(Duration::from_secs(40)));
        }
        other => panic!("{other:?}"),
    }
    e.sim.faults().clear();

    let other = e.autre(|c| c.jeton = Secret::new("revoque"));
    let refused = other.ask(&lire, Uuid::nil(), Attempt::First).await;
    assert_eq!(classe(refused), (true, "ds-interdit"));
    let other = e.autre(|c| c.demarche = 1);
    let mut wrong = lister(100, None);
    let unknown = other.ask(&wrong, Uuid::nil(), Attempt::First).await;
    assert_eq!(classe(unknown), (true, "ds-introuvable"));
    let other = e.autre(|c| c.instructeur_id = "autre".to_owned());
    wrong = ecrire(7, Cible::EnInstruction);
    let unknown = other.ask(&wrong, Uuid::nil(), Attempt::First).await;
    assert_eq!(classe(unknown), (true, "ds-instructeur"));
}

#[tokio::test]
async fn a_fault_never_shows_the_token_or_what_was_typed() {
    let e = Essai::new().await;
    e.sim.deposer(depot(7, champs()));
    let ask = Ask::Annoter {
        numero: 7,
        valeurs: BTreeMap::from([("inconnue".to_owned(), "texte".to_owned())]),
    };
    let fault = e.ask(&ask, Attempt::First).await.expect_err("refused");
    assert_eq!(fault.code(), "ds-mutation-refusee");
    let text = format!("{fault:?} {}", fault.chain());
    for secret in ["jeton-fictif", "EXEMPLE", "99790000014", "example.org"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test]
async fn a_page_with_root_errors_is_not_used_and_a_smaller_one_is_asked() {
    let e = Essai::new().await;
    for numero in 1..=4 {
        e.sim.deposer(depot(numero, champs()));
    }
    e.sim.limiter_pages(Some(2));
    // Partial data come with the timeout, and a whole pageInfo: nothing of it counts.
    let heavy = e.ask(&lister(4, None), Attempt::First).await.expect("answer");
    assert_eq!(heavy, Answer::PageTropLourde);
    assert_eq!(e.page(2, None).await.dossiers.len(), 2);
    e.sim.limiter_pages(Some(0));
    assert_eq!(classe(e.ask(&lister(1, None), Attempt::First).await), (false, "ds-timeout"));
    e.sim.limiter_pages(None);
    // The client's own limit is a timeout too.
    e.sim.faults().set(|_, _| Some(FaultKind::Slow(Duration::from_millis(800))));
    let heavy = e.ask(&lister(4, None), Attempt::First).await.expect("answer");
    assert_eq!(heavy, Answer::PageTropLourde);
    assert_eq!(classe(e.ask(&lister(1, None), Attempt::First).await), (false, "http-injoignable"));
}

#[tokio::test]
async fn a_dossier_that_ds_cannot_show_is_passed_over_alone() {
    let e = Essai::new().await;
    for numero in 1..=3 {
        e.sim.deposer(depot(numero, champs()));
    }
    e.sim.empoisonner(2);
    let heavy = e.ask(&lister(3, None), Attempt::First).await.expect("answer");
    assert_eq!(heavy, Answer::PageTropLourde);
    let first = e.page(1, None).await;
    let second = e.page(1, first.curseur).await;
    assert_eq!((second.illisibles, second.suite), (1, true));
    let named: Vec<_> = second.dossiers.iter().map(|d| d.numero).collect();
    assert_eq!(named, [2], "its cursor names it: its own reading will fail, and be kept");
    let third = e.page(1, second.curseur).await;
    assert_eq!(third.dossiers[0].numero, 3);
    let read = e.ask(&Ask::Lire { numero: 2 }, Attempt::First).await;
    assert_eq!(classe(read), (true, "ds-donnee-invalide"));
}

#[tokio::test]
async fn a_state_is_read_before_it_is_written_again() {
    let e = Essai::new().await;
    e.sim.deposer(depot(7, champs()));
    // Done, but the answer is lost.
    e.sim.faults().set(|call, n| {
        (call.starts_with("dossierPasserEnInstruction") && n == 0)
            .then_some(FaultKind::Slow(Duration::from_millis(800)))
    });
    let ask = ecrire(7, Cible::EnInstruction);
    assert!(e.ask(&ask, Attempt::First).await.is_err());
    assert_eq!(e.sim.etat(7), Some(Etat::EnInstruction));
    let again = e.ask(&ask, Attempt::AfterAmbiguous).await.expect("read back");
    assert_eq!(again, Answer::Ecrit { etat: EtatDs::EnInstruction });
    // Without knowing of the first attempt either: « déjà en instruction » is a success.
    let again = e.ask(&ask, Attempt::First).await.expect("read after the refusal");
    assert_eq!(again, Answer::Ecrit { etat: EtatDs::EnInstruction });
    let done = e.ask(&ecrire(7, Cible::Accepte), Attempt::First).await.expect("accepted");
    assert_eq!(done, Answer::Ecrit { etat: EtatDs::Accepte });
    let done = e.ask(&ecrire(7, Cible::Refuse), Attempt::First).await.expect("contrary");
    assert_eq!(done, Answer::Empeche { etat: EtatDs::Accepte });
}

#[tokio::test]
async fn a_decision_takes_the_dossier_through_the_verification_first() {
    let e = Essai::new().await;
    for (numero, cible, attempt) in [
        (1, Cible::Accepte, Attempt::First),
        (2, Cible::Refuse, Attempt::First),
        (3, Cible::Accepte, Attempt::AfterAmbiguous),
    ] {
        e.sim.deposer(depot(numero, champs()));
        let done = e.ask(&ecrire(numero, cible), attempt).await.expect("done");
        assert!(matches!(done, Answer::Ecrit { etat } if cible.atteinte(etat)));
    }
    // A pending correction blocks it, and says so by the state, not by its text.
    e.sim.deposer(depot(4, champs()));
    e.ask(&message(4), Attempt::First).await.expect("sent");
    for cible in [Cible::EnInstruction, Cible::Accepte, Cible::Refuse] {
        let blocked = e.ask(&ecrire(4, cible), Attempt::First).await.expect("blocked");
        assert_eq!(blocked, Answer::Empeche { etat: EtatDs::EnConstruction });
    }
}

#[tokio::test]
async fn a_message_is_sent_once_whatever_the_attempts() {
    let e = Essai::new().await;
    e.sim.deposer(depot(7, champs()));
    e.sim.faults().set(|call, n| {
        (call.starts_with("dossierEnvoyerMessage") && n == 0)
            .then_some(FaultKind::Slow(Duration::from_millis(800)))
    });
    assert!(e.ask(&message(7), Attempt::First).await.is_err());
    for attempt in [Attempt::AfterAmbiguous, Attempt::AfterClean, Attempt::First] {
        assert_eq!(e.ask(&message(7), attempt).await.expect("sent"), Answer::MessageEnvoye);
    }
    assert_eq!(e.sim.nombre_messages(7), 1);
    // Another one while the correction is pending goes without a second request.
    let other = e.client.ask(&message(7), Uuid::from_u128(43), Attempt::First).await;
    assert_eq!(other.expect("sent"), Answer::MessageEnvoye);
    let messages = e.sim.messages(7);
    let corrections: Vec<_> = messages.iter().map(|m| m.correction.is_some()).collect();
    assert_eq!(corrections, [true, false]);
}

#[tokio::test]
async fn annotations_are_texts_by_id() {
    let e = Essai::new().await;
    e.sim.deposer(depot(7, champs()));
    let valeurs = BTreeMap::from([("a1".to_owned(), "Dossier reçu".to_owned())]);
    let done = e.ask(&Ask::Annoter { numero: 7, valeurs }, Attempt::First).await;
    assert_eq!(done.expect("done"), Answer::Annote);
    assert_eq!(e.sim.annotation(7, "a1").as_deref(), Some("Dossier reçu"));
}

#[tokio::test]
async fn the_world_hears_what_happens_and_may_act_at_once() {
    let e = Essai::new().await;
    e.sim.deposer(depot(7, champs()));
    let world = e.sim.clone();
    let (tx, rx) = std::sync::mpsc::channel();
    e.sim.set_hook(move |event| {
        if let simulator::Evenement::MessageAuDossier { numero, .. } = &event {
            assert!(world.redeposer(*numero, None), "the lock is free");
        }
        tx.send(event).expect("the test listens");
    });
    e.ask(&ecrire(7, Cible::EnInstruction), Attempt::First).await.expect("done");
    let changed = simulator::Evenement::EtatChange { numero: 7, etat: Etat::EnInstruction };
    assert_eq!(rx.try_recv(), Ok(changed));
    e.sim.decider(7, Etat::EnConstruction);
    rx.try_recv().expect("told");
    e.ask(&message(7), Attempt::First).await.expect("sent");
    let event = rx.try_recv().expect("told");
    assert!(matches!(event, simulator::Evenement::MessageAuDossier { correction: Some(_), .. }));
}
