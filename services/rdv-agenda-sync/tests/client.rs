//! The API client and its tokens against the simulated RDV Service Public, faults included.

mod commun;
#[path = "commun/direct.rs"]
mod direct;
#[path = "commun/temps.rs"]
mod temps;

use std::time::Duration;

use agency::faults::FaultKind;
use chrono::TimeDelta;
use commun::Banc;
use contracts::LieuId;
use direct::equipment;
use kernel::{Fault, Secret};
use rdv_agenda_sync::{
    RdvAgendaSync,
    simulator::{Evenement, Options},
    state::{Question, Reponse},
};
use service::{Attempt, Service};
use temps::avancer;
use uuid::Uuid;

fn lieu() -> LieuId {
    "msp-demo".parse().expect("id")
}

fn questions(organisation: i64) -> [Question; 4] {
    [
        Question::EnregistrerWebhook { lieu: lieu(), organisation },
        Question::CreerLieu {
            organisation,
            lieu: lieu(),
            nom: "MSP de démonstration".to_owned(),
            adresse: "1 place Fictive, Démoville".to_owned(),
            latitude: 45.0,
            longitude: 3.0,
        },
        Question::CreerMotif { organisation, lieu: lieu() },
        Question::Inviter {
            organisation,
            courriel: "Medecin@exemple.example".to_owned(),
            niveau: None,
        },
    ]
}

async fn demander(
    service: &RdvAgendaSync,
    question: &Question,
    attempt: Attempt,
) -> Result<Reponse, Fault> {
    service.ask(question, Uuid::nil(), attempt).await
}

fn service(banc: &Banc) -> RdvAgendaSync {
    RdvAgendaSync::new(&banc.config("http://127.0.0.1:9"), &equipment(banc)).expect("valid")
}

async fn coffre(banc: &Banc) -> (i64, Vec<u8>) {
    banc.store.credential("rdvsp-oauth").await.expect("read").expect("stored")
}

#[tokio::test]
async fn each_creation_is_found_again_however_it_is_repeated() {
    let banc = Banc::new(Options::default()).await;
    let organisation = banc.simulateur.creer_organisation("MSP");
    let service = service(&banc);
    for question in questions(organisation) {
        let first = demander(&service, &question, Attempt::First).await.expect("made");
        for attempt in [Attempt::First, Attempt::AfterClean, Attempt::AfterAmbiguous] {
            let again = demander(&service, &question, attempt).await.expect("found");
            assert_eq!(again, first, "{question:?} {attempt:?}");
        }
    }
    assert_eq!(banc.simulateur.inventaire(), (1, 1, 1));
    let access = [("medecin@exemple.example".to_owned(), organisation)];
    assert_eq!(banc.simulateur.acces_donnes(), access);
    banc.fin().await;
}

#[tokio::test]
async fn a_passing_fault_is_transient_and_leaves_one_object() {
    let kinds = [
        FaultKind::Down,
        FaultKind::Status(503),
        FaultKind::TooMany(7),
        FaultKind::Wrong,
        FaultKind::Slow(Duration::from_millis(2200)),
    ];
    let banc = Banc::new(Options::default()).await;
    let told = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&told);
    banc.simulateur.set_hook(move |_| {
        counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    });
    let service = service(&banc);
    for (rang, kind) in kinds.into_iter().enumerate() {
        let organisation = banc.simulateur.creer_organisation(&format!("MSP {rang}"));
        let before = banc.simulateur.inventaire();
        for question in questions(organisation) {
            banc.simulateur.faults.set(move |call, n| {
                let ours =
                    call.ends_with(&organisation.to_string()) || call.starts_with("POST /agents");
                // Counts go on over the sites for an invitation: every other one fails.
                (call.starts_with("POST") && ours && n % 2 == 0).then_some(kind)
            });
            let first = demander(&service, &question, Attempt::First).await;
            if let Err(fault) = &first {
                assert!(matches!(fault, Fault::Transient { .. }), "{kind:?}: {}", fault.chain());
                if let (Fault::Transient { retry_after, .. }, FaultKind::TooMany(_)) = (fault, kind)
                {
                    assert_eq!(*retry_after, Some(Duration::from_secs(7)));
                }
                demander(&service, &question, Attempt::AfterClean).await.expect("then made");
            }
        }
        let after = banc.simulateur.inventaire();
        assert_eq!((after.0, after.1, after.2), (before.0 + 1, before.1 + 1, before.2 + 1));
    }
    // A webhook, a motif and an invitation each time: people notice once, late answers included.
    assert_eq!(told.load(std::sync::atomic::Ordering::SeqCst), 3 * 5);
    banc.simulateur.faults.clear();
    banc.fin().await;
}

#[tokio::test]
async fn rights_that_are_missing_need_a_person() {
    let banc = Banc::new(Options::default()).await;
    let service = service(&banc);
    for question in questions(404) {
        let fault = demander(&service, &question, Attempt::First).await.expect_err("refused");
        assert_eq!(fault.code(), "rdv-droits-ou-organisation");
        assert!(matches!(fault, Fault::Permanent { .. }));
        assert!(!fault.chain().contains("exemple.example"), "{}", fault.chain());
    }
    banc.fin().await;
}

#[tokio::test]
async fn an_agent_is_found_on_a_later_page_and_absences_come_along() {
    let banc = Banc::new(Options::default()).await;
    let organisation = banc.simulateur.creer_organisation("Grande MSP");
    let autre = banc.simulateur.creer_organisation("Autre MSP");
    let service = service(&banc);
    for n in 0..105 {
        let courriel = format!("medecin-{n}@exemple.example");
        let question = Question::Inviter { organisation, courriel, niveau: None };
        demander(&service, &question, Attempt::First).await.expect("invited");
    }
    let courriel = "medecin-3@exemple.example";
    let (day, noon) = ("2026-03-05".parse().expect("date"), "12:00:00".parse().expect("time"));
    let evening = "18:00:00".parse().expect("time");
    banc.simulateur.ajouter_absence(courriel, day, noon, day, evening).expect("known");
    // The list is everybody's: it is read again five minutes later.
    avancer(&banc, TimeDelta::minutes(5)).await;
    let question =
        Question::Inviter { organisation: autre, courriel: courriel.to_owned(), niveau: None };
    let answer = demander(&service, &question, Attempt::First).await.expect("invited");
    let Reponse::Agent { absences, .. } = answer else { panic!("{answer:?}") };
    assert_eq!(absences.len(), 1, "a person who exists already may be away");
    banc.fin().await;
}

/// The API gives everybody's absences only: they are not read again for each site of a night.
#[tokio::test]
async fn the_list_of_absences_is_read_once_for_the_sites_of_five_minutes() {
    let banc = Banc::new(Options::default()).await;
    let sites = ["MSP", "Autre MSP"].map(|nom| banc.simulateur.creer_organisation(nom));
    let service = service(&banc);
    let courriel = "medecin@exemple.example";
    for organisation in sites {
        let question =
            Question::Inviter { organisation, courriel: courriel.to_owned(), niveau: None };
        demander(&service, &question, Attempt::First).await.expect("invited");
    }
    let absences = async |organisation| {
        let (du, au) = ("2026-02-20".parse().expect("day"), "2026-06-01".parse().expect("day"));
        let question = Question::Relever { organisation, du, au };
        let answer = demander(&service, &question, Attempt::First).await.expect("read");
        let Reponse::Releve(releve) = answer else { panic!("{answer:?}") };
        assert_eq!(releve.agents.len(), 1);
        releve.absences.iter().map(|a| a.horodatage).collect::<Vec<_>>()
    };
    assert!(absences(sites[0]).await.is_empty());
    let day = "2026-03-05".parse().expect("date");
    let (noon, evening) = ("12:00:00".parse().expect("time"), "18:00:00".parse().expect("time"));
    banc.simulateur.ajouter_absence(courriel, day, noon, day, evening).expect("known");
    assert!(absences(sites[1]).await.is_empty(), "as for the other site");
    avancer(&banc, TimeDelta::minutes(5)).await;
    let read = absences(sites[1]).await;
    assert_eq!(read, [banc.clock.now()], "with the instant of the list");
    banc.fin().await;
}

#[tokio::test]
async fn somebody_with_an_account_gets_no_second_invitation() {
    let banc = Banc::new(Options::default()).await;
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let kept = std::sync::Arc::clone(&seen);
    banc.simulateur.set_hook(move |e| kept.lock().expect("lock").push(e));
    let service = service(&banc);
    let courriel = "medecin@exemple.example".to_owned();
    for nom in ["Une MSP", "Une autre"] {
        let organisation = banc.simulateur.creer_organisation(nom);
        let question = Question::Inviter { organisation, courriel: courriel.clone(), niveau: None };
        demander(&service, &question, Attempt::First).await.expect("invited");
    }
    let seen = seen.lock().expect("lock").clone();
    assert!(
        matches!(seen[..], [Evenement::InvitationEnvoyee { .. }, Evenement::AccesDonne { .. }]),
        "{seen:?}"
    );
    banc.fin().await;
}

#[tokio::test]
async fn tokens_rotate_and_are_stored_encrypted_before_use() {
    let banc = Banc::new(Options::default()).await;
    let organisation = banc.simulateur.creer_organisation("MSP");
    let question = &questions(organisation)[3];
    let first = service(&banc);
    demander(&first, question, Attempt::First).await.expect("invited");
    let (version, sealed) = coffre(&banc).await;
    let text = String::from_utf8_lossy(&sealed).into_owned();
    for word in ["acces", "renouvellement", "consentement"] {
        assert!(!text.contains(word), "{word} in clear");
    }
    // An access token that is still good is used again, by another process too.
    demander(&service(&banc), question, Attempt::First).await.expect("found");
    assert_eq!(coffre(&banc).await.0, version);
    // Expired on their side: one refresh, one repetition.
    banc.simulateur.perimer_acces();
    demander(&first, question, Attempt::First).await.expect("found");
    assert_eq!(coffre(&banc).await.0, version + 1);
    // Expired on ours (`expires_in`): the first consent is long dead, the stored one is not.
    let timer = banc.clock.timer(commun::debut() + chrono::TimeDelta::hours(3));
    banc.driver.advance(commun::debut() + chrono::TimeDelta::days(1)).await.expect("moved");
    drop(timer);
    demander(&service(&banc), question, Attempt::First).await.expect("found");
    assert_eq!(coffre(&banc).await.0, version + 2);
    banc.fin().await;
}

#[tokio::test]
async fn an_exchange_whose_answer_is_lost_does_not_lose_the_consent() {
    let banc = Banc::new(Options::default()).await;
    let organisation = banc.simulateur.creer_organisation("MSP");
    let slow = FaultKind::Slow(Duration::from_millis(2200));
    banc.simulateur
        .faults
        .set(move |call, n| (call == "POST /oauth/token" && n == 0).then_some(slow));
    let service = service(&banc);
    let question = &questions(organisation)[3];
    let fault = demander(&service, question, Attempt::First).await.expect_err("too slow");
    assert!(matches!(fault, Fault::Transient { .. }), "{}", fault.chain());
    demander(&service, question, Attempt::AfterClean).await.expect("the old one still lives");
    banc.fin().await;
}

#[tokio::test]
async fn replicas_that_refresh_together_all_go_on() {
    let banc = Banc::new(Options::default()).await;
    let organisation = banc.simulateur.creer_organisation("MSP");
    let question = &questions(organisation)[3];
    let (a, b, c) = (service(&banc), service(&banc), service(&banc));
    for _ in 0..5 {
        let ask = |s| demander(s, question, Attempt::First);
        let all = tokio::join!(ask(&a), ask(&b), ask(&c), ask(&a), ask(&b));
        for answer in [all.0, all.1, all.2, all.3, all.4] {
            match answer {
                Ok(_) => {}
                // Lost a race twice: tried again a moment later.
                Err(fault) => {
                    assert!(matches!(fault, Fault::Transient { .. }), "{}", fault.chain());
                }
            }
        }
        banc.simulateur.perimer_acces();
    }
    demander(&a, question, Attempt::First).await.expect("still consented");
    banc.fin().await;
}

#[tokio::test]
async fn a_revoked_consent_needs_a_person_and_a_new_one_is_taken() {
    let banc = Banc::new(Options::default()).await;
    let organisation = banc.simulateur.creer_organisation("MSP");
    let question = &questions(organisation)[3];
    demander(&service(&banc), question, Attempt::First).await.expect("invited");
    banc.simulateur.revoquer_consentement();
    let fault = demander(&service(&banc), question, Attempt::First).await.expect_err("revoked");
    assert_eq!(fault.code(), "rdv-consentement-revoque");
    // The call waits for a person; nothing is to be replayed afterwards.
    assert!(matches!(fault, Fault::Transient { retry_after: Some(_), .. }), "{}", fault.chain());
    let mut config = banc.config("http://127.0.0.1:9");
    config.refresh_token_initial = Some(Secret::new(banc.simulateur.consentir()));
    let renewed = RdvAgendaSync::new(&config, &equipment(&banc)).expect("valid");
    demander(&renewed, question, Attempt::First).await.expect("consented again");
    banc.fin().await;
}

#[tokio::test]
async fn a_wrong_application_or_key_needs_a_person() {
    let banc = Banc::new(Options::default()).await;
    let organisation = banc.simulateur.creer_organisation("MSP");
    let question = &questions(organisation)[3];
    let mut config = banc.config("http://127.0.0.1:9");
    config.client_secret = Secret::new("autre");
    let wrong = RdvAgendaSync::new(&config, &equipment(&banc)).expect("valid");
    let fault = demander(&wrong, question, Attempt::First).await.expect_err("refused");
    assert_eq!(fault.code(), "rdv-application-refusee");

    demander(&service(&banc), question, Attempt::First).await.expect("invited");
    let mut config = banc.config("http://127.0.0.1:9");
    config.credential_key = Secret::new("une autre clé, longue de plus de 32 caractères");
    config.refresh_token_initial = None;
    let blind = RdvAgendaSync::new(&config, &equipment(&banc)).expect("valid");
    let fault = demander(&blind, question, Attempt::First).await.expect_err("unreadable");
    assert_eq!(fault.code(), "rdv-jetons-illisibles");
    // One flipped bit is seen.
    let (version, mut sealed) = coffre(&banc).await;
    sealed[20] ^= 1;
    assert!(banc.store.put_credential("rdvsp-oauth", Some(version), &sealed).await.expect("put"));
    config.credential_key = Secret::new("fedcba9876543210fedcba9876543210");
    let tampered = RdvAgendaSync::new(&config, &equipment(&banc)).expect("valid");
    let fault = demander(&tampered, question, Attempt::First).await.expect_err("unreadable");
    assert_eq!(fault.code(), "rdv-jetons-illisibles");
    banc.fin().await;
}
