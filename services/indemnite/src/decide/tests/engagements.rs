//! The engagement: what counts, whatever the order.

use contracts::messages::Interruption;

use super::*;

fn key() -> Key {
    Key::new("engagement/0aaaaaaaaa", "2026-02-04T05:00:00Z")
}

fn open() -> Input<Indemnite> {
    let fact = ActiviteAutorisee(activite(Situation::Ouverte, "2026-01-10"));
    message(Incoming::ActiviteAutorisee(fact), Origin::Relais)
}

fn realised(date: &str, halves: &[DemiJournee], rdv: u32) -> Input<Indemnite> {
    let fact = VacationRealisee(vacation(date, halves, rdv));
    message(Incoming::VacationRealisee(fact), Origin::Relais)
}

fn cancelled(date: &str) -> Input<Indemnite> {
    let fact = VacationAnnulee(vacation(date, &[M], 0));
    message(Incoming::VacationAnnulee(fact), Origin::Relais)
}

fn billed(rib: Rib) -> Input<Indemnite> {
    message(Incoming::FacturationOuverte(facturation(rib)), Origin::Relais)
}

#[test]
fn what_comes_before_the_activity_is_kept_and_told_once_it_is_known() {
    let mut key = key();
    assert!(key.give(billed(Rib::Present)).is_empty());
    assert!(key.give(realised("2026-01-31", &[AM, M, M], 2)).is_empty());
    assert!(key.give(realised("2026-02-03", &[M], 1)).is_empty());
    assert_eq!(
        key.give(open()),
        [
            "tell medecin-mois/99790000014/2026-01 Tenue",
            "tell attestation/ambert/2026-01-31 AAttester",
            "tell medecin-mois/99790000014/2026-02 Tenue",
            "tell attestation/ambert/2026-02-03 AAttester",
            "tell medecin-mois/99790000014/2026-01 Facturation",
            "tell medecin-mois/99790000014/2026-02 Facturation",
        ]
    );
    assert!(key.give(open()).is_empty(), "the same snapshot again tells nothing");
    assert!(key.give(realised("2026-02-03", &[M], 1)).is_empty());
    assert!(key.give(billed(Rib::Present)).is_empty());
}

#[test]
fn a_planned_or_cancelled_day_counts_nothing() {
    let mut key = key();
    key.give(open());
    let planned = VacationPlanifiee(vacation("2026-02-03", &[M], 0));
    assert!(key.give(message(Incoming::VacationPlanifiee(planned), Origin::Relais)).is_empty());
    assert!(key.give(cancelled("2026-02-03")).is_empty());
    assert_eq!(key.give(realised("2026-02-03", &[M], 1)).len(), 2);
    assert_eq!(key.give(cancelled("2026-02-03")).len(), 2, "told that nothing counts any more");
}

#[test]
fn a_suspension_or_an_end_acts_from_its_day_on_and_the_past_stays() {
    let snapshot = |situation, du, interruptions: &[Interruption]| {
        let mut activite = activite(situation, du);
        activite.interruptions = interruptions.to_vec();
        let message = match situation {
            Situation::Ouverte => Incoming::ActiviteRetablie(ActiviteRetablie(activite)),
            Situation::Suspendue => Incoming::ActiviteSuspendue(ActiviteSuspendue(activite)),
            Situation::Terminee => Incoming::ActiviteTerminee(ActiviteTerminee(activite)),
        };
        super::message(message, Origin::Relais)
    };
    let lasts = [interruption("2026-02-03", None)];
    let over = [interruption("2026-02-03", Some("2026-02-09"))];
    let both = [over.as_slice(), &[interruption("2026-02-10", None)]].concat();
    let mut key = key();
    key.give(open());
    for day in ["2026-02-02", "2026-02-03", "2026-02-10"] {
        assert_eq!(key.give(realised(day, &[M], 1)).len(), 2);
    }
    let told = key.give(snapshot(Situation::Suspendue, "2026-02-03", &lasts));
    assert_eq!(told.len(), 4, "two days lose their half-days: {told:?}");
    let told = key.give(snapshot(Situation::Ouverte, "2026-02-09", &over));
    assert_eq!(told.len(), 2, "the day after the suspension counts again: {told:?}");
    // The date of the end is corrected: only the last one holds.
    assert_eq!(key.give(snapshot(Situation::Terminee, "2026-02-01", &over)).len(), 4);
    assert_eq!(key.give(snapshot(Situation::Terminee, "2026-02-20", &over)).len(), 4);
    // A withdrawal after a suspension does not bring the suspended days back.
    assert_eq!(key.give(snapshot(Situation::Suspendue, "2026-02-10", &both)).len(), 2);
    assert_eq!(key.give(snapshot(Situation::Terminee, "2026-02-10", &both)).len(), 0);
}

#[test]
fn a_snapshot_alone_says_which_days_were_worked() {
    let mut key = key();
    key.give(open());
    for day in ["2026-02-02", "2026-02-03", "2026-02-10", "2026-02-20"] {
        assert_eq!(key.give(realised(day, &[M], 1)).len(), 2);
    }
    // Ended while suspended; the lift is told last, and what came between was overtaken.
    let mut ended = activite(Situation::Terminee, "2026-02-03");
    ended.interruptions = vec![interruption("2026-02-03", None)];
    let end = Incoming::ActiviteTerminee(ActiviteTerminee(ended.clone()));
    assert_eq!(key.give(message(end, Origin::Relais)).len(), 6);
    ended.a_compter_du = id("2026-02-15");
    ended.interruptions = vec![interruption("2026-02-03", Some("2026-02-09"))];
    let lifted = Incoming::ActiviteModifiee(ActiviteModifiee(ended.clone()));
    let told = key.give(message(lifted, Origin::Relais));
    assert_eq!(told.len(), 2, "the 10th counts again, the 3rd and the 20th do not: {told:?}");
    // The suspension never was.
    ended.interruptions.clear();
    let never = Incoming::ActiviteModifiee(ActiviteModifiee(ended));
    assert_eq!(key.give(message(never, Origin::Relais)).len(), 2, "the 3rd as well");
}

fn interruption(du: &str, au: Option<&str>) -> Interruption {
    Interruption { du: id(du), au: au.map(id) }
}

#[test]
fn a_change_of_the_activity_alone_tells_nothing() {
    let mut key = key();
    key.give(open());
    key.give(realised("2026-02-03", &[M], 1));
    let modified = ActiviteModifiee(activite(Situation::Ouverte, "2026-02-04"));
    assert!(key.give(message(Incoming::ActiviteModifiee(modified), Origin::Relais)).is_empty());
}
