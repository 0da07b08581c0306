//! Answers and forms that make no sense: each ends as a failure or a message to its doctor, and
//! nothing else is disturbed.
#![cfg(feature = "simulator")]

mod commun;

use std::collections::BTreeSet;

use chrono::TimeDelta;
use commun::{Banc, champs, depot};
use contracts::{DossierId, messages::CandidatureIncomplete};
use ds_intake::{
    Event, State,
    simulator::{Champs, Options},
    state::Phase,
};

const MINUTE: TimeDelta = TimeDelta::minutes(1);

/// The body of a call, whatever it is, and whether it may be right the next time.
const MALFORMES: &[(&[u8], bool)] = &[
    (b"", true),
    (b"<html><body>502 Bad Gateway</body></html>", true),
    (br#"{"data":{"dossier":{"number":2,"state":"en_constr"#, true),
    (b"\xff\xfe\x00\x01", true),
    (b"null", true),
    (b"[]", true),
    (b"{}", false),
    (br#"{"data":null}"#, false),
    (br#"{"data":{"dossier":null}}"#, false),
    (br#"{"data":{"dossier":{"number":"deux"}}}"#, false),
    (br#"{"data":{"dossier":{"champs":{}}},"errors":[]}"#, false),
    (br#"{"errors":[{"message":"inconnu","extensions":{"code":"nouveau_code"}}],"data":{}}"#, false),
    (br#"{"errors":[{"message":"x","extensions":{"code":"internal_server_error"}}],"data":null}"#, true),
    (br#"{"errors":"?","data":{}}"#, true),
];

#[tokio::test]
async fn a_malformed_dossier_harms_only_itself() {
    for (corps, passager) in MALFORMES {
        let mut b = Banc::new().await;
        b.sim.repondre("getDossier 2", Some(corps));
        for numero in 1..=3 {
            b.sim.deposer(depot(numero, champs()));
        }
        b.attendre(MINUTE * 3).await;
        let text = String::from_utf8_lossy(corps);
        assert_eq!(b.types(), ["candidature.deposee", "candidature.deposee"], "{text}");
        let failed: BTreeSet<_> =
            b.pannes.iter().map(|(key, code)| (key.as_str(), *code)).collect();
        assert!(failed.iter().all(|(key, _)| *key == "dossier/2") && !failed.is_empty(), "{text}");
        let retried = failed.iter().all(|(_, code)| *code == "trop-d-essais");
        assert_eq!(retried, *passager, "{text}: {failed:?}");
        // Repaired, and read again.
        b.sim.repondre("getDossier 2", None);
        b.evenement("dossier/2", Event::Relire).await;
        assert_eq!(b.types().len(), 3, "{text}");
    }
}

#[tokio::test]
async fn a_malformed_list_is_not_taken_for_an_empty_one() {
    let list = "getDemarche 123456";
    let page = r#"{"data":{"demarche":{"activeRevision":{"id":"UHJvY2VkdXJlUmV2aXNpb24tMQ=="},"dossiers":
        {"pageInfo":{"endCursor":"x","hasNextPage":false},"nodes":[null,{"number":"un"},{"number":7},
        {"number":1,"state":"etat_nouveau","dateDerniereModification":"2026-03-02T09:00:00+01:00"}]},
        "pendingDeletedDossiers":{"pageInfo":{"endCursor":null,"hasNextPage":false},"nodes":[]},
        "deletedDossiers":{"pageInfo":{"endCursor":null,"hasNextPage":false},"nodes":[{"reason":1}]}}}}"#;
    let mut b = Banc::new().await;
    b.sim.deposer(depot(1, champs()));
    b.sim.repondre(list, Some(page.as_bytes()));
    b.attendre(MINUTE * 2).await;
    assert_eq!(b.types(), ["candidature.deposee"], "the line that can be read is read");
    assert!(b.pannes.is_empty(), "{:?}", b.pannes);

    for corps in [&br#"{"data":{"demarche":{}}}"#[..], br#"{"data":{"demarche":null}}"#] {
        let mut b = Banc::new().await;
        b.sim.deposer(depot(1, champs()));
        b.sim.repondre(list, Some(corps));
        b.attendre(MINUTE * 2).await;
        assert_eq!(b.pannes, [(b.config.cle_demarche(), "ds-forme")]);
        // The pass is begun again an hour later, without anybody.
        b.sim.repondre(list, None);
        b.attendre(MINUTE * 70).await;
        assert_eq!(b.types(), ["candidature.deposee"]);
    }
}

#[tokio::test]
async fn a_poisoned_dossier_is_set_aside_under_its_own_number_and_the_others_are_read() {
    let mut b = Banc::avec(Options::default(), |c| {
        (c.page_size, c.poll_interval_s) = (20, 90);
    })
    .await;
    // Not within the second of a poll: it would be read twice.
    b.attendre(MINUTE).await;
    for numero in 1..=40 {
        b.sim.deposer(depot(numero, champs()));
    }
    b.sim.empoisonner(17);
    b.attendre(MINUTE * 10).await;
    assert_eq!(b.types().len(), 39, "all but one");
    assert_eq!(b.pannes, [("dossier/17".to_owned(), "ds-donnee-invalide")], "once");
    b.sim.guerir(17);
    b.evenement("dossier/17", Event::Relire).await;
    assert_eq!(b.types().len(), 40);
}

#[tokio::test]
async fn pages_that_take_too_long_shrink_until_they_pass() {
    let mut b = Banc::new().await;
    for numero in 1..=40 {
        b.sim.deposer(depot(numero, champs()));
    }
    b.sim.limiter_pages(Some(7));
    b.attendre(MINUTE * 3).await;
    assert_eq!(b.types().len(), 40);
    assert!(b.pannes.is_empty(), "{:?}", b.pannes);
}

#[tokio::test]
async fn what_people_may_type_is_told_to_them_or_cleaned() {
    let mut b = Banc::new().await;
    let long = "é".repeat(50_000);
    let strange = Champs {
        telephone: "06\u{0}00\u{7}00\u{1b}00\u{202e}00".to_owned(),
        cdom: format!("63{long}"),
        lieux: vec![long.clone()],
        mode_exercice: "\u{feff}\n\t".to_owned(),
        creneaux: vec![(chrono::NaiveDate::MAX, long.clone())],
        ..champs()
    };
    b.sim.deposer(depot(1, strange));
    let mut named = depot(2, champs());
    named.nom = format!("EX\u{0}EMPLE\u{8}\u{85}{long}");
    b.sim.deposer(named);
    b.sim.deposer(depot(3, champs()));
    b.attendre(MINUTE * 5).await;
    assert!(b.pannes.is_empty(), "{:?}", b.pannes);
    let incomplete: Vec<CandidatureIncomplete> = b.tous();
    let of = |numero| {
        let one = incomplete.iter().find(|i| i.dossier == DossierId(numero));
        let manques = one.map(|i| &i.manques).into_iter().flatten();
        manques.map(|m| format!("{} {}", m.champ, m.code)).collect::<Vec<_>>()
    };
    assert!(of(1).contains(&"cdom_inscription trop-long".to_owned()), "{:?}", of(1));
    assert!(!of(1).iter().any(|m| m.starts_with("telephone")), "cleaned: {:?}", of(1));
    assert!(of(1).contains(&"mode_exercice manquant".to_owned()), "{:?}", of(1));
    assert_eq!(of(2), ["nom trop-long"]);
    for numero in [1, 2] {
        let messages = b.sim.messages(numero);
        assert_eq!(messages.len(), 1);
        assert!(messages[0].corps.len() < 2_000 && !messages[0].corps.contains('\u{7}'));
    }
    let deposited = b.etats.get("dossier/3").expect("read");
    let State::Dossier(third) = deposited else { panic!("a dossier") };
    assert!(matches!(third.phase, Phase::Instruction { .. }));
}
