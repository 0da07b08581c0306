//! The site's day: one mail, two reminders, one answer.

use super::*;

fn key() -> Key {
    Key::new(DAY, "2026-02-04T05:00:00Z")
}

fn answer(question: u32, choix: Choix) -> Event {
    Event::Attestee { question, choix }
}

const TELL: &str = "tell medecin-mois/99790000014/2026-02 Presence";

#[test]
fn the_site_is_asked_the_next_morning_reminded_on_working_days_and_answers_once() {
    let mut key = key();
    assert_eq!(
        key.event(asked(1, "0aaaaaaaaa", &[M])),
        ["wake demander 2026-02-04T07:00:00+00:00"]
    );
    assert_eq!(
        key.wake("2026-02-04T07:00:00Z", "demander"),
        ["mail 0", "wake relance/1 2026-02-09T07:00:00+00:00"],
        "J+3 is a Saturday"
    );
    assert_eq!(key.wake("2026-02-04T08:00:00Z", "demander"), ["ignore rien-a-attester"]);
    assert_eq!(
        key.wake("2026-02-09T07:00:00Z", "relance/1"),
        ["mail 1", "wake relance/1 2026-02-11T07:00:00+00:00"]
    );
    assert_eq!(key.wake("2026-02-11T07:00:00Z", "relance/1"), ["mail 2"]);
    let done = ["cancel relance/1", "cancel-asks courriel", TELL];
    assert_eq!(key.event(answer(1, Choix::Presents)), done);
    assert_eq!(key.event(answer(1, Choix::Absents)), ["ignore question-close"]);
    assert_eq!(key.event(answer(2, Choix::Absents)), ["ignore question-inconnue"]);
    assert_eq!(key.wake("2026-02-20T07:00:00Z", "relance/1"), ["ignore question-close"]);
}

#[test]
fn a_day_known_late_is_asked_at_once() {
    let mut key = Key::new(DAY, "2026-03-04T15:10:00Z");
    assert_eq!(
        key.event(asked(1, "0aaaaaaaaa", &[M])),
        ["wake demander 2026-03-04T15:10:00+00:00"]
    );
}

#[test]
fn several_doctors_are_one_question_and_a_late_one_is_another() {
    let mut key = key();
    key.event(asked(1, "0aaaaaaaaa", &[M]));
    key.event(asked(1, "0bbbbbbbbb", &[AM]));
    assert_eq!(key.wake("2026-02-04T07:00:00Z", "demander").len(), 2);
    let Some(State::Attestation(day)) = key.state.clone() else { panic!("a day") };
    let page = crate::decide::question(&day, 1).expect("a page");
    let codes: Vec<_> = page.choix.iter().map(|(code, _)| code.as_str()).collect();
    assert_eq!(codes, ["presents", "absent:0aaaaaaaaa", "absent:0bbbbbbbbb", "absents"]);

    key.now = at("2026-02-04T10:00:00Z");
    assert_eq!(key.event(asked(1, "0cccccccccc", &[M])).len(), 1);
    key.wake("2026-02-04T10:00:00Z", "demander");
    assert_eq!(key.event(answer(1, Choix::Absent(id("0bbbbbbbbb")))), [TELL]);
    let Some(State::Attestation(day)) = key.state.clone() else { panic!("a day") };
    let page = crate::decide::question(&day, 1).expect("a page");
    let codes: Vec<_> = page.choix.iter().map(|(code, _)| code.as_str()).collect();
    assert_eq!(codes, ["presents", "absents"], "the other one is still asked about");
    assert_eq!(key.event(answer(1, Choix::Presents)), ["cancel relance/1", TELL]);
    let Some(State::Attestation(day)) = &key.state else { panic!("a day") };
    let answers: Vec<_> = day.presences.values().map(|p| p.reponse).collect();
    assert_eq!(answers, [Some(true), Some(false), None]);
    let closed = crate::decide::question(day, 1).expect("a page");
    assert!(closed.choix.is_empty());
    assert!(crate::decide::question(day, 3).is_none());
}

#[test]
fn what_is_no_longer_held_is_no_longer_asked_and_may_come_back() {
    let mut key = key();
    key.event(asked(1, "0aaaaaaaaa", &[M]));
    key.wake("2026-02-04T07:00:00Z", "demander");
    assert_eq!(
        key.event(asked(2, "0aaaaaaaaa", &[])),
        ["cancel relance/1", "cancel-asks courriel"]
    );
    assert_eq!(key.event(asked(1, "0aaaaaaaaa", &[M])), ["ignore depasse"]);
    assert_eq!(key.event(answer(1, Choix::Presents)), ["ignore question-close"]);
    assert!(key.event(asked(3, "0aaaaaaaaa", &[M]))[0].starts_with("wake demander"));
    assert_eq!(key.wake("2026-02-05T07:00:00Z", "demander")[0], "mail 0");
    assert_eq!(key.event(answer(2, Choix::Presents)).last().map(String::as_str), Some(TELL));
}

#[test]
fn a_site_without_address_is_a_task_that_the_dns_closes() {
    let mut key = key();
    let mut silent = tenue(1, "0aaaaaaaaa", &[M, AM], 1);
    silent.contact_courriel = None;
    key.event(Event::AAttester(Box::new(silent)));
    assert_eq!(key.wake("2026-02-04T07:00:00Z", "demander"), ["publish tache.ouverte.v1"]);
    let task = key.task("attestation-manuelle", "lieu/ambert", 2);
    assert_eq!(key.event(closed(task, &[("choix", "oui")])), ["refuse choix-inconnu"]);
    let told = key.event(closed(task, &[("choix", "presents")]));
    assert_eq!(told, ["cancel relance/1", "publish tache.faite.v1", "cancel-asks courriel", TELL]);
    assert_eq!(key.event(closed(task, &[])), ["ignore tache-close"]);
}

#[test]
fn only_reminders_are_announced() {
    let mut key = key();
    key.event(asked(1, "0aaaaaaaaa", &[M]));
    for (relance, expected) in [(0, "ignore courriel-parti"), (1, "publish relance.envoyee.v1")] {
        assert_eq!(key.give(sent(relance)), [expected]);
    }
}

/// The mail server took a mail.
pub(super) fn sent(relance: u32) -> Input<Indemnite> {
    let lien = Lien {
        sujet: "attestation".to_owned(),
        cle: DAY.to_owned(),
        question: "1".to_owned(),
        expire_le: at("2026-04-01T00:00:00Z"),
    };
    let courriel = Courriel {
        a: "ambert@lieu.example".to_owned(),
        modele: Modele::AttestationDemandee { date: id("2026-02-03") },
        reference: String::new(),
        lien: Some(lien),
    };
    Input::Answer { ask: Ask { courriel, relance }, answer: Answer::Envoye, id: Uuid::nil() }
}
