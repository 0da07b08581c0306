//! Closings and statements.

use super::*;

const EMIS: &str = "etat-emis/00000000-0000-0000-0000-00000000004d";

fn closing() -> Key {
    Key::new("etat/631", "2026-02-20T10:00:00Z")
}

fn given(n: u128, date: &str) -> Event {
    Event::Ligne { cpam: id("631"), ligne: Box::new(ligne(n, date)) }
}

/// The months, ranks and lines of the statements that an input emits.
fn emitted(key: &mut Key, input: Input<Indemnite>) -> Vec<(String, u32, Vec<u128>)> {
    let Ok(Decision::Next { effects, .. }) = key.try_give(input) else { return Vec::new() };
    let statements = effects.into_iter().filter_map(|effect| match effect {
        Effect::Tell { event: Event::Emettre { mois, rang, lignes, .. }, .. } => {
            Some((mois.to_string(), rang, lignes.iter().map(|l| l.ligne.as_u128()).collect()))
        }
        Effect::Tell { .. }
        | Effect::Publish(_)
        | Effect::Ask(_)
        | Effect::CancelAsks(_)
        | Effect::WakeAt { .. }
        | Effect::CancelWake(_) => None,
    });
    statements.collect()
}

fn close(key: &mut Key, now: &str) -> Vec<(String, u32, Vec<u128>)> {
    key.now = at(now);
    emitted(key, Input::Wake { reason: "cloture".to_owned() })
}

#[test]
fn a_closing_states_the_months_before_its_own_and_keeps_the_rest() {
    let mut key = closing();
    assert_eq!(key.event(given(3, "2026-02-28")), ["wake cloture 2026-03-05T08:00:00+00:00"]);
    assert!(key.event(given(1, "2026-01-31")).is_empty(), "one closing is armed");
    key.now = at("2026-03-02T10:00:00Z");
    key.event(given(2, "2026-03-01"));
    assert_eq!(key.wake("2026-03-05T07:59:59Z", "cloture"), ["ignore reveil-sans-objet"]);
    assert_eq!(close(&mut key, "2026-03-05T08:00:00Z"), [("2026-02".to_owned(), 1, vec![1, 3])]);
    assert_eq!(close(&mut key, "2026-04-05T07:00:00Z"), [("2026-03".to_owned(), 1, vec![2])]);
    assert_eq!(key.wake("2026-05-05T07:00:00Z", "cloture"), ["ignore reveil-sans-objet"]);
}

#[test]
fn a_closing_that_comes_late_is_the_one_that_was_due() {
    let mut key = closing();
    key.event(given(1, "2026-02-28"));
    key.now = at("2026-04-10T10:00:00Z");
    key.event(given(2, "2026-03-31"));
    assert_eq!(close(&mut key, "2026-04-10T10:01:00Z"), [("2026-02".to_owned(), 1, vec![1])]);
    assert_eq!(close(&mut key, "2026-04-10T10:02:00Z"), [("2026-03".to_owned(), 1, vec![2])]);
}

#[test]
fn an_operator_closes_early_and_ranks_increase() {
    let mut key = closing();
    let early = || Input::Event(Event::Cloturer { par: "agent".to_owned() });
    assert_eq!(key.give(early()), ["ignore rien-a-cloturer"]);
    key.event(given(1, "2026-02-03"));
    assert_eq!(key.give(early()), ["ignore rien-a-cloturer"], "the month is not over");
    key.now = at("2026-03-01T10:00:00Z");
    assert_eq!(emitted(&mut key, early()), [("2026-02".to_owned(), 1, vec![1])]);
    key.event(given(2, "2026-02-04"));
    assert_eq!(close(&mut key, "2026-03-05T08:00:00Z"), [("2026-02".to_owned(), 2, vec![2])]);
}

fn emis(now: &str) -> Key {
    let mut key = Key::new(EMIS, now);
    let lignes = vec![ligne(1, "2026-02-03"), ligne(2, "2026-02-04")];
    let event =
        Event::Emettre { cpam: id("631"), mois: id("2026-02"), rang: 1, lignes: lignes.clone() };
    assert_eq!(
        key.event(event.clone()),
        [
            "publish etat-mensuel.emis.v1",
            "publish tache.ouverte.v1",
            "wake paiement 2026-04-04T08:00:00+00:00"
        ],
        "this CPAM has no queue: a person hands the statement over"
    );
    assert_eq!(key.event(event), ["ignore deja-emis"]);
    key
}

fn paid(lines: &[u128], agence: &str) -> Input<Indemnite> {
    let lignes = lines.iter().map(|n| Uuid::from_u128(*n)).collect();
    let demande = Demande { id: DEMANDE, rang: 1 };
    let answer = PaiementEffectue { demande, lignes, date: id("2026-03-12") };
    message(Incoming::PaiementEffectue(answer), Origin::Agence(id::<Agence>(agence)))
}

fn rejected(line: u128) -> Input<Indemnite> {
    let demande = Demande { id: DEMANDE, rang: 1 };
    let ligne = Uuid::from_u128(line);
    let answer = PaiementRejete { demande, ligne, code: "rib-invalide".to_owned() };
    message(Incoming::PaiementRejete(answer), Origin::Agence(id::<Agence>("cpam.631")))
}

const PAID: &str = "tell medecin-mois/99790000014/2026-02 Payee";
const REJECTED: &str = "tell medecin-mois/99790000014/2026-02 Rejetee";

#[test]
fn answers_are_checked_told_once_and_close_what_waited() {
    let mut key = emis("2026-03-05T08:00:00Z");
    assert_eq!(key.give(paid(&[1], "cpam.632")), ["refuse mauvaise-agence"]);
    assert_eq!(key.give(paid(&[1, 9], "cpam.631")), ["refuse ligne-inconnue"]);
    assert_eq!(key.give(paid(&[1, 1], "cpam.631")), [PAID]);
    assert_eq!(key.give(paid(&[1], "cpam.631")), ["ignore deja-regle"]);
    assert_eq!(key.give(rejected(1)), ["refuse ligne-deja-payee"]);
    assert_eq!(key.give(rejected(2)), [REJECTED, "cancel paiement", "publish tache.faite.v1"]);
    assert_eq!(key.give(rejected(2)), ["ignore deja-regle"]);
    assert_eq!(key.give(paid(&[1, 2], "cpam.631")), ["refuse ligne-deja-rejetee"]);
    assert_eq!(key.wake("2026-04-04T08:00:00Z", "paiement"), ["ignore reveil-sans-objet"]);
    assert_eq!(
        Key::new(EMIS, "2026-03-05T08:00:00Z").give(paid(&[1], "cpam.631")),
        ["refuse demande-inconnue"]
    );
}

#[test]
fn a_late_payment_is_a_task_and_operators_report_for_a_cpam_without_a_queue() {
    let mut key = emis("2026-03-05T08:00:00Z");
    let handed = key.task("etat-mensuel-a-transmettre", "etat/631-2026-02-1", 1);
    assert_eq!(key.event(closed(handed, &[])), ["publish tache.faite.v1"]);
    assert_eq!(key.wake("2026-04-04T08:00:00Z", "paiement"), ["publish tache.ouverte.v1"]);
    let late = key.task("paiement-en-retard", "etat/631-2026-02-1", 4);
    assert_eq!(
        key.event(closed(late, &[])),
        ["wake paiement 2026-05-04T08:00:00+00:00", "publish tache.faite.v1"]
    );
    let reject = Event::RejetConstate { ligne: Uuid::from_u128(2), code: "rib".to_owned() };
    assert_eq!(key.event(reject), [REJECTED]);
    let rest = Event::PaiementConstate { lignes: Vec::new(), date: id("2026-04-20") };
    assert_eq!(key.event(rest), [PAID, "cancel paiement"]);

    let mut at_once = emis("2026-03-05T08:00:00Z");
    assert_eq!(at_once.event(closed(handed, &[("paye_le", "hier")])), ["refuse champ-illisible"]);
    assert_eq!(
        at_once.event(closed(handed, &[("paye_le", "2026-03-20")])),
        ["publish tache.faite.v1", PAID, PAID, "cancel paiement"]
    );
}
