//! The doctor's confirmation: half-days count at once and are stated once confirmed.

use super::*;

const STATED: &str = "tell etat/631 Ligne";
const ASK: &str = "wake confirmer 2026-03-01T07:00:00+00:00";
const REMIND: &str = "confirmer/1";

/// A day held, attested, with a number and bank details; nothing is stated yet.
fn waiting() -> Key {
    let mut key = Key::new(MONTH, "2026-02-04T05:00:00Z");
    key.config.confirmation_medecin = true;
    key.event(held(1, &[M, AM], 1));
    let effects = key.event(presence(true));
    assert!(effects.contains(&ASK.to_owned()), "{effects:?}");
    assert_eq!(effects.iter().filter(|e| e.starts_with("publish indemnite.retenue")).count(), 2);
    assert!(key.event(billing(2, Rib::Present)).is_empty(), "the RIB is not enough");
    key
}

fn asked() -> Key {
    let mut key = waiting();
    let effects = key.wake("2026-03-01T07:00:00Z", "confirmer");
    assert_eq!(effects, ["mail 0".to_owned(), format!("wake {REMIND} 2026-03-04T07:00:00+00:00")]);
    key
}

fn answer(confirme: bool) -> Event {
    Event::Confirmee { question: 1, confirme }
}

fn month(key: &Key) -> &crate::state::MedecinMois {
    match &key.state {
        Some(State::MedecinMois(month)) => month,
        other => panic!("{other:?}"),
    }
}

#[test]
fn confirmed_half_days_are_stated_once() {
    let mut key = asked();
    assert_eq!(key.wake("2026-03-01T07:00:01Z", "confirmer"), [""; 0], "asked about once");
    let page = crate::decide::question_au_medecin(month(&key), 1).expect("a page");
    assert!(page.texte.contains(&"mardi 3 février 2026, matin, MSP d'Ambert".to_owned()));
    assert_eq!(page.choix.len(), 2);
    let effects = key.event(answer(true));
    assert_eq!(effects.iter().filter(|e| *e == STATED).count(), 2, "{effects:?}");
    assert!(effects.contains(&format!("cancel {REMIND}")));
    assert_eq!(key.event(answer(false)), ["ignore question-close"]);
    assert!(crate::decide::question_au_medecin(month(&key), 1).expect("a page").choix.is_empty());
}

#[test]
fn the_doctor_is_reminded_then_silence_becomes_a_task() {
    let mut key = asked();
    let reminded = key.wake("2026-03-04T07:00:00Z", REMIND);
    assert_eq!(reminded, ["mail 1".to_owned(), format!("wake {REMIND} 2026-03-09T07:00:00+00:00")]);
    assert_eq!(key.wake("2026-03-09T07:00:00Z", REMIND), ["mail 2"], "the last one");
    let told = key.wake("2026-03-10T07:00:00Z", "facturation/0aaaaaaaaa");
    assert_eq!(told, ["publish tache.ouverte.v1"], "the lines waited for too long");
}

#[test]
fn contested_half_days_wait_for_a_person() {
    let contest = || {
        let mut key = asked();
        let effects = key.event(answer(false));
        assert!(!effects.contains(&STATED.to_owned()), "{effects:?}");
        let (tache, _) = month(&key).taches.first_key_value().expect("a task");
        let tache = *tache;
        (key, tache)
    };
    let (mut key, tache) = contest();
    assert_eq!(key.event(closed(tache, &[("decision", "oui")])), ["refuse decision-inconnue"]);
    let effects = key.event(closed(tache, &[("decision", "payer")]));
    assert_eq!(effects.iter().filter(|e| *e == STATED).count(), 2, "{effects:?}");

    let (mut key, tache) = contest();
    let effects = key.event(closed(tache, &[("decision", "abandonner")]));
    assert!(!effects.contains(&STATED.to_owned()), "{effects:?}");
    assert!(key.event(billing(9, Rib::Present)).is_empty(), "no longer owed");
    assert!(month(&key).attentes.is_empty());
}

#[test]
fn a_doctor_without_an_address_is_asked_by_a_person() {
    let mut key = Key::new(MONTH, "2026-02-04T05:00:00Z");
    key.config.confirmation_medecin = true;
    let mut day = tenue(1, "0aaaaaaaaa", &[M], 1);
    day.medecin_courriel = String::new();
    key.event(Event::Tenue(Box::new(day)));
    key.event(presence(true));
    key.event(billing(2, Rib::Present));
    assert_eq!(key.wake("2026-03-01T07:00:00Z", "confirmer"), ["publish tache.ouverte.v1"]);
    let (tache, _) = month(&key).taches.first_key_value().expect("a task");
    let tache = *tache;
    assert_eq!(key.event(closed(tache, &[])), ["refuse choix-inconnu"]);
    let effects = key.event(closed(tache, &[("choix", "confirme")]));
    assert!(effects.contains(&STATED.to_owned()), "{effects:?}");
}
