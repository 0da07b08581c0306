//! The doctor's month: one payment per (doctor, day, half-day), lines never edited.

use super::*;

fn key() -> Key {
    Key::new(MONTH, "2026-02-04T05:00:00Z")
}

fn line(half: DemiJournee) -> Uuid {
    ligne_id(&id(RPPS), id("2026-02-03"), half)
}

const WAKE: &str = "echeance/0aaaaaaaaa-2026-02-03";
const RETAINED: &str = "publish indemnite.retenue.v1";
const STATED: &str = "tell etat/631 Ligne";

const WAIT: &str = "wake facturation/0aaaaaaaaa 2026-03-06T07:00:00+00:00";
const NO_WAIT: &str = "cancel facturation/0aaaaaaaaa";

fn cancel() -> String {
    format!("cancel {WAKE}")
}

#[test]
fn attested_half_days_are_owed_at_once_and_stated_when_the_number_and_the_rib_exist() {
    let mut key = key();
    assert_eq!(key.event(held(1, &[M, AM], 0)), [format!("wake {WAKE} 2026-02-13T07:00:00+00:00")]);
    assert_eq!(key.event(presence(true)), [&cancel(), RETAINED, RETAINED, WAIT]);
    assert_eq!(key.event(presence(false)), ["ignore presence-connue"]);
    assert!(key.event(billing(2, Rib::Manquant)).is_empty(), "a missing RIB suspends");
    assert_eq!(key.event(billing(3, Rib::Present)), [STATED, STATED, NO_WAIT]);
    assert_eq!(key.event(billing(2, Rib::Present)), ["ignore depasse"]);
    assert!(key.event(billing(4, Rib::Present)).is_empty(), "each line once");
}

#[test]
fn honoured_appointments_without_contradiction_are_enough_after_ten_days() {
    let wait = "wake facturation/0aaaaaaaaa 2026-03-15T07:00:00+00:00".to_owned();
    let paid = vec![cancel(), RETAINED.to_owned(), wait];
    for (rdv, expected) in [(1, paid), (0, vec![cancel()])] {
        let mut key = key();
        key.event(held(1, &[M], rdv));
        assert_eq!(key.wake("2026-02-13T07:00:00Z", WAKE), expected, "{rdv} appointments");
    }
    let mut early = key();
    early.event(held(1, &[M], 1));
    assert_eq!(
        early.wake("2026-02-13T06:59:59Z", WAKE),
        [format!("wake {WAKE} 2026-02-13T07:00:00+00:00")]
    );
    assert_eq!(early.wake("2026-02-13T07:00:00Z", "autre"), ["ignore reveil-sans-objet"]);
}

#[test]
fn a_day_known_late_leaves_the_site_its_delay() {
    let mut key = Key::new(MONTH, "2026-03-20T05:00:00Z");
    assert_eq!(key.event(held(1, &[M], 3)), [format!("wake {WAKE} 2026-03-29T06:00:00+00:00")]);
}

#[test]
fn a_contradiction_is_not_paid_but_shown() {
    let mut absent = key();
    absent.event(held(1, &[M], 0));
    assert_eq!(absent.event(presence(false)), [cancel()]);

    let mut contested = key();
    contested.event(held(1, &[M], 2));
    assert_eq!(contested.event(presence(false)), [&cancel(), "publish tache.ouverte.v1"]);
    let task = contested.task("presence-contestee", "vacation/0aaaaaaaaa-2026-02-03", 2);
    assert_eq!(
        contested.event(closed(task, &[("decision", "payr")])),
        ["refuse decision-inconnue"]
    );
    assert_eq!(
        contested.event(closed(task, &[("decision", "payer")])),
        ["publish tache.faite.v1", &cancel(), RETAINED, WAIT]
    );
    assert_eq!(contested.event(closed(task, &[])), ["ignore tache-close"]);
}

#[test]
fn before_they_are_owed_half_days_follow_the_agenda_and_after_only_a_person_does() {
    let mut key = key();
    key.event(held(1, &[M, AM], 1));
    assert_eq!(key.event(held(2, &[], 0)), [cancel()]);
    assert_eq!(key.event(held(1, &[M], 9)), ["ignore depasse"]);
    assert_eq!(key.event(presence(true)), [cancel()], "nothing held, nothing owed");
    assert_eq!(key.event(held(3, &[AM], 1)), [&cancel(), RETAINED, WAIT]);
    assert!(key.event(held(4, &[AM], 7)).is_empty(), "appointments alone change nothing");
    assert_eq!(key.event(held(5, &[M, AM], 7)), ["publish tache.ouverte.v1"]);
    assert!(key.event(held(6, &[], 0)).is_empty(), "shown once");
    assert_eq!(key.event(held(7, &[AM], 7)), ["publish tache.faite.v1"]);
}

#[test]
fn an_answer_before_the_day_is_known_is_kept() {
    let mut key = key();
    assert!(key.event(presence(true)).is_empty());
    assert_eq!(key.event(held(1, &[M], 0)), [&cancel(), RETAINED, WAIT]);
}

#[test]
fn two_sites_are_paid_one_half_day_once() {
    let mut key = key();
    key.event(held(1, &[M, AM], 0));
    key.event(presence(true));
    let other = Event::Tenue(Box::new(tenue(1, "0bbbbbbbbb", &[AM], 4)));
    key.event(other);
    let attested =
        Event::Presence { engagement: id("0bbbbbbbbb"), date: id("2026-02-03"), present: true };
    assert_eq!(
        key.event(attested),
        ["cancel echeance/0bbbbbbbbb-2026-02-03", "publish tache.ouverte.v1"]
    );
}

fn stated() -> Key {
    let mut key = key();
    key.event(held(1, &[M], 1));
    key.event(presence(true));
    key.event(billing(2, Rib::Present));
    key
}

fn correct(centimes: i64) -> Event {
    let (motif, par) = ("erreur".to_owned(), "agent".to_owned());
    Event::Corriger { ligne: line(M), centimes: Centimes(centimes), motif, par }
}

#[test]
fn a_correction_is_a_new_line_within_bounds_and_once() {
    let mut key = stated();
    let corrected = ["publish indemnite.corrigee.v1", STATED];
    for refused in [0, -10_001, 10_001] {
        assert_eq!(key.event(correct(refused)), ["refuse correction-hors-bornes"], "{refused}");
    }
    assert_eq!(key.event(correct(-4_000)), corrected);
    assert_eq!(key.event(correct(-4_000)), ["ignore correction-connue"]);
    assert_eq!(key.event(correct(-6_001)), ["refuse correction-hors-bornes"]);
    assert_eq!(key.event(correct(-6_000)), corrected);
    assert_eq!(key.event(correct(20_000)), corrected);
    let unknown = Event::Corriger {
        ligne: line(AM),
        centimes: Centimes(1),
        motif: "x".to_owned(),
        par: "agent".to_owned(),
    };
    assert_eq!(key.event(unknown), ["refuse ligne-inconnue"]);
}

#[test]
fn a_paid_line_is_settled_for_good() {
    let mut key = stated();
    let paid = || Event::Payee { ligne: line(M), date: id("2026-03-12") };
    assert_eq!(key.event(paid()), ["publish indemnite.payee.v1"]);
    assert_eq!(key.event(paid()), ["ignore deja-reglee"]);
    let rejected = Event::Rejetee { ligne: line(M), code: "rib".to_owned() };
    assert_eq!(key.event(rejected), ["ignore deja-reglee"]);
    assert_eq!(key.event(held(2, &[], 0)), ["publish tache.ouverte.v1"], "cancelled too late");
}

#[test]
fn a_rejected_line_is_stated_again_under_a_new_id_or_given_up() {
    let rejected = || Event::Rejetee { ligne: line(M), code: "rib-invalide".to_owned() };
    let mut again = stated();
    let shown = ["publish indemnite.rejetee.v1", "publish tache.ouverte.v1"];
    assert_eq!(again.event(rejected()), shown);
    assert_eq!(again.event(correct(-1)), ["refuse ligne-rejetee"]);
    let task = again.task("ligne-rejetee", &format!("ligne/{}", line(M)), 4);
    assert_eq!(
        again.event(closed(task, &[])),
        ["publish tache.faite.v1", "publish indemnite.corrigee.v1", STATED]
    );
    let Some(State::MedecinMois(month)) = &again.state else { panic!("a month") };
    let alive: Vec<_> =
        month.lignes.values().filter(|l| l.sort == crate::state::Sort::Due).collect();
    assert_eq!(alive.len(), 1, "one line is owed, not two");

    let mut given_up = stated();
    given_up.event(correct(-4_000));
    given_up.event(rejected());
    let task = given_up.task("ligne-rejetee", &format!("ligne/{}", line(M)), 5);
    let give_up = || closed(task, &[("decision", "abandonner")]);
    assert_eq!(given_up.event(give_up()), ["refuse solde-negatif"]);
    let mut alone = stated();
    alone.event(rejected());
    let task = alone.task("ligne-rejetee", &format!("ligne/{}", line(M)), 4);
    let give_up = closed(task, &[("decision", "abandonner")]);
    assert_eq!(alone.event(give_up), ["publish tache.faite.v1"]);
}

#[test]
fn a_day_before_the_first_scale_is_refused() {
    let mut key = Key::new("medecin-mois/99790000014/2025-08", "2025-08-31T05:00:00Z");
    let mut early = tenue(1, "0aaaaaaaaa", &[M], 1);
    early.date = id("2025-08-29");
    key.event(Event::Tenue(Box::new(early)));
    let attested =
        Event::Presence { engagement: id("0aaaaaaaaa"), date: id("2025-08-29"), present: true };
    assert_eq!(key.event(attested), ["refuse sans-bareme"]);
}

#[test]
fn owed_half_days_that_wait_too_long_are_shown_again_and_again_until_they_are_stated() {
    let mut key = key();
    key.event(held(1, &[M, AM], 1));
    key.event(presence(true));
    let wake = "facturation/0aaaaaaaaa";
    assert_eq!(key.wake("2026-03-06T07:00:00Z", wake), ["publish tache.ouverte.v1"]);
    let task = key.task("facturation-manquante", wake, 3);
    assert!(key.wake("2026-03-06T08:00:00Z", wake).is_empty(), "shown once");
    assert_eq!(
        key.event(closed(task, &[])),
        ["publish tache.faite.v1", "wake facturation/0aaaaaaaaa 2026-04-05T06:00:00+00:00"]
    );
    key.wake("2026-04-05T06:00:00Z", wake);
    assert_eq!(
        key.event(billing(2, Rib::Present)),
        [STATED, STATED, NO_WAIT, "publish tache.faite.v1"]
    );
    assert!(key.wake("2026-05-05T06:00:00Z", wake).is_empty());
}

#[test]
fn the_cap_only_warns_once_a_month_and_is_off_by_default() {
    let opened = |plafond: Option<u32>| {
        let mut key = key();
        key.config.plafond_jours_par_mois = plafond;
        let mut tasks = Vec::new();
        for (n, date) in (1..).zip(["2026-02-03", "2026-02-04", "2026-02-05", "2026-02-06"]) {
            let mut day = tenue(n, "0aaaaaaaaa", &[M, AM], 1);
            day.date = id(date);
            key.event(Event::Tenue(Box::new(day)));
            let (engagement, date) = (id("0aaaaaaaaa"), id(date));
            let effects = key.event(Event::Presence { engagement, date, present: true });
            let count = |what: &str| effects.iter().filter(|e| *e == what).count();
            assert_eq!(count(RETAINED), 2, "nothing is refused: {effects:?}");
            tasks.push(count("publish tache.ouverte.v1"));
        }
        tasks
    };
    assert_eq!(opened(None), [0, 0, 0, 0]);
    assert_eq!(opened(Some(2)), [0, 0, 1, 0], "two days are within two days");
    assert_eq!(opened(Some(4)), [0, 0, 0, 0]);
}
