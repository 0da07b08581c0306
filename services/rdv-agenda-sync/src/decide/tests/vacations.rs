use contracts::messages::{
    Interruption, Vacation, VacationAnnulee, VacationPlanifiee, VacationRealisee,
};
use contracts::{DemiJournee, Plage};
use proptest::prelude::*;

use super::*;
use crate::{
    planning::{Absence, Regle},
    state::SituationVacation,
};

const JOUR: &str = "2026-03-05";

fn avec_plage() -> Banc {
    let mut banc = Banc::invite();
    banc.webhook(41, "2026-03-01T10:00:00Z", plage(JOUR, "08:00:00", "12:00:00"));
    banc
}

fn absence(jour: &str) -> Fait {
    Fait::Absence(Some(Absence {
        premier_jour: day(jour),
        dernier_jour: day(jour),
        debut: "00:00:00".parse().expect("time"),
        fin: "23:59:00".parse().expect("time"),
        regle: None,
    }))
}

#[test]
fn a_day_is_planned_changed_then_held_with_its_honoured_appointments() {
    let mut banc = avec_plage();
    let planned: Vacation = banc.dernier::<VacationPlanifiee>().0;
    let (debut, fin) = (at("2026-03-05T07:00:00Z"), at("2026-03-05T11:00:00Z"));
    assert_eq!(planned.creneaux, [Plage { debut, fin }]);
    assert_eq!((planned.demi_journees, planned.rdv_honores), (vec![DemiJournee::Matin], 0));
    banc.publications();
    banc.webhook(41, "2026-03-02T10:00:00Z", plage(JOUR, "08:00:00", "17:00:00"));
    let changed = banc.dernier::<VacationPlanifiee>().0;
    assert_eq!(changed.demi_journees, [DemiJournee::Matin, DemiJournee::ApresMidi]);
    for (id, statut) in [
        (10, StatutRdv::Seen),
        (11, StatutRdv::Noshow),
        (12, StatutRdv::Seen),
        (13, StatutRdv::Excused),
        (14, StatutRdv::Unknown),
    ] {
        banc.webhook(id, "2026-03-05T10:00:00Z", rdv("2026-03-05T08:00:00Z", statut));
    }
    banc.publications();
    banc.vivre("2026-03-06T04:59:00Z");
    assert!(banc.publications().iter().all(|p| p.starts_with("planning")), "not over yet");
    banc.vivre("2026-03-06T05:00:00Z");
    assert_eq!(banc.dernier::<VacationRealisee>().0.rdv_honores, 2);
    assert_eq!(banc.publications(), [format!("vacation.realisee.v1 vacation/abc123-{JOUR}")]);
    // A status that is filled in later is published again; the same one again is not.
    for (at, published) in [("2026-03-07T10:00:00Z", 1), ("2026-03-07T10:00:00Z", 0)] {
        banc.webhook(14, at, rdv("2026-03-05T08:00:00Z", StatutRdv::Seen));
        assert_eq!(banc.publications().len(), published);
    }
}

#[test]
fn a_day_that_disappears_before_it_comes_is_cancelled_and_may_come_back() {
    for gone in [Fait::Plage(None), absence(JOUR)] {
        let mut banc = avec_plage();
        banc.publications();
        let id = if gone == Fait::Plage(None) { 41 } else { 18 };
        banc.webhook(id, "2026-03-03T10:00:00Z", gone);
        let cancelled = banc.dernier::<VacationAnnulee>().0;
        assert_eq!(cancelled.demi_journees, [DemiJournee::Matin], "what was cancelled");
        assert_eq!(banc.publications(), [format!("vacation.annulee.v1 vacation/abc123-{JOUR}")]);
        banc.webhook(43, "2026-03-04T10:00:00Z", plage("2026-03-09", "14:00:00", "17:00:00"));
        banc.vivre("2026-03-08T00:00:00Z");
        assert!(banc.publications().iter().all(|p| !p.contains("realisee")), "nothing was held");
    }
    let mut banc = avec_plage();
    banc.webhook(18, "2026-03-03T10:00:00Z", absence(JOUR));
    banc.webhook(18, "2026-03-03T11:00:00Z", Fait::Absence(None));
    assert_eq!(banc.engagement().vacations[&day(JOUR)].situation, SituationVacation::Planifiee);
    assert_eq!(banc.engagement().vacations[&day(JOUR)].version, 3);
}

#[test]
fn what_is_removed_after_the_day_does_not_undo_it_but_a_late_delivery_does() {
    for (removed_at, expected) in [
        ("2026-03-08T10:00:00Z", SituationVacation::Realisee),
        ("2026-03-04T10:00:00Z", SituationVacation::Annulee),
    ] {
        let mut banc = avec_plage();
        banc.vivre("2026-03-09T00:00:00Z");
        banc.webhook(41, removed_at, Fait::Plage(None));
        let vacation = &banc.engagement().vacations[&day(JOUR)];
        assert_eq!(vacation.situation, expected, "removed at {removed_at}");
    }
}

#[test]
fn old_news_change_nothing() {
    let mut banc = avec_plage();
    banc.webhook(41, "2026-03-01T09:00:00Z", plage(JOUR, "14:00:00", "17:00:00"));
    assert_eq!(banc.engagement().vacations[&day(JOUR)].version, 1);
    assert_eq!(banc.ignores.last(), Some(&"observation-depassee"));
}

#[test]
fn an_end_cancels_from_its_day_on_and_what_was_held_stays() {
    let mut banc = Banc::invite();
    for (id, jour) in [(41, "2026-03-05"), (42, "2026-03-09"), (43, "2026-03-12")] {
        banc.webhook(id, "2026-03-01T10:00:00Z", plage(jour, "08:00:00", "12:00:00"));
    }
    banc.vivre("2026-03-07T00:00:00Z");
    banc.publications();
    banc.activite(&activite(Situation::Terminee, "2026-03-10"));
    let told = banc.publications();
    let cancelled: Vec<_> = told.iter().filter(|p| p.starts_with("vacation")).collect();
    assert_eq!(cancelled, ["vacation.annulee.v1 vacation/abc123-2026-03-12"]);
    banc.vivre("2026-03-31T00:00:00Z");
    let held = banc.engagement().vacations.values();
    let held = held.filter(|v| v.situation == SituationVacation::Realisee).count();
    assert_eq!(held, 2, "the 5th and the 9th");
    // What is opened afterwards is nothing.
    banc.webhook(44, "2026-03-31T10:00:00Z", plage("2026-04-02", "08:00:00", "12:00:00"));
    assert!(!banc.engagement().vacations.contains_key(&day("2026-04-02")));
}

#[test]
fn days_of_a_suspension_stay_cancelled_once_it_is_lifted() {
    let mut banc = Banc::invite();
    for (id, jour) in [(41, "2026-03-09"), (42, "2026-03-16"), (43, "2026-03-23")] {
        banc.webhook(id, "2026-03-01T10:00:00Z", plage(jour, "08:00:00", "12:00:00"));
    }
    banc.activite(&activite(Situation::Suspendue, "2026-03-12"));
    let mut lifted = activite(Situation::Ouverte, "2026-03-20");
    lifted.interruptions =
        vec![Interruption { du: day("2026-03-12"), au: Some(day("2026-03-20")) }];
    banc.activite(&lifted);
    banc.vivre("2026-03-30T00:00:00Z");
    let seen = banc.engagement().vacations.values().map(|v| v.situation);
    let (held, gone) = (SituationVacation::Realisee, SituationVacation::Annulee);
    assert_eq!(seen.collect::<Vec<_>>(), [held, gone, held]);
}

#[test]
fn a_snapshot_alone_says_which_days_take_place() {
    let mut banc = Banc::invite();
    for (id, jour) in [(41, "2026-03-09"), (42, "2026-03-16"), (43, "2026-03-23")] {
        banc.webhook(id, "2026-03-01T10:00:00Z", plage(jour, "08:00:00", "12:00:00"));
    }
    let interruption = |au: Option<&str>| Interruption { du: day("2026-03-12"), au: au.map(day) };
    let mut ended = activite(Situation::Terminee, "2026-03-12");
    ended.interruptions = vec![interruption(None)];
    banc.activite(&ended);
    // The suspension that brought the end forward is lifted.
    ended.a_compter_du = day("2026-03-24");
    ended.interruptions = vec![interruption(Some("2026-03-20"))];
    banc.activite(&ended);
    banc.vivre("2026-03-30T00:00:00Z");
    let seen = banc.engagement().vacations.values().map(|v| v.situation);
    let (held, gone) = (SituationVacation::Realisee, SituationVacation::Annulee);
    assert_eq!(seen.collect::<Vec<_>>(), [held, gone, held]);
}

#[test]
fn an_appointment_given_to_another_doctor_counts_there_only() {
    let mut banc = avec_plage();
    banc.activite(&activite_b());
    banc.repondre("inviter", &agent(8, banc.now));
    banc.webhook_de(8, 42, "2026-03-01T10:00:00Z", plage(JOUR, "08:00:00", "12:00:00"));
    let seen = || rdv("2026-03-05T08:00:00Z", StatutRdv::Seen);
    banc.webhook(10, "2026-03-05T09:00:00Z", seen());
    banc.webhook_de(8, 10, "2026-03-05T10:00:00Z", seen());
    // The first state of it, late.
    banc.webhook(10, "2026-03-05T08:00:00Z", seen());
    banc.vivre("2026-03-06T05:00:00Z");
    let counts: Vec<_> = banc
        .publies
        .iter()
        .filter(|m| m.message_type == "vacation.realisee.v1")
        .map(|m| serde_json::from_str::<Vacation>(&m.body).expect("vacation"))
        .map(|v| (v.engagement.to_string(), v.rdv_honores))
        .collect();
    assert_eq!(counts, [("abc123".to_owned(), 0), ("def456".to_owned(), 1)]);
    // Removed altogether: published again without it; and it stays removed.
    banc.webhook_de(8, 10, "2026-03-06T10:00:00Z", Fait::Rdv(None));
    assert_eq!(banc.dernier::<VacationRealisee>().0.rdv_honores, 0);
    banc.webhook_de(8, 10, "2026-03-06T10:00:00Z", seen());
    assert_eq!(banc.dernier::<VacationRealisee>().0.rdv_honores, 0);
}

#[test]
fn a_series_without_an_end_is_followed_beyond_the_horizon() {
    let mut banc = Banc::invite();
    let premier_jour = day("2026-03-02");
    let weekly = Fait::Plage(Some(PlageOuverte {
        premier_jour,
        debut: "08:00:00".parse().expect("time"),
        fin: "12:00:00".parse().expect("time"),
        regle: Some(Regle::parse("FREQ=WEEKLY;BYDAY=MO;", premier_jour).expect("rule")),
    }));
    banc.webhook(41, "2026-03-01T10:00:00Z", weekly);
    assert_eq!(banc.engagement().vacations.len(), 13, "90 days ahead");
    banc.vivre("2026-12-31T00:00:00Z");
    let held = banc.publies.iter().filter(|m| m.message_type == "vacation.realisee.v1").count();
    assert_eq!(held, 44, "every Monday from 2 March to 28 December");
    assert!(banc.engagement().vacations.len() < 40, "what is old is forgotten");
}

/// Webhooks of a week about a few records, before the first day they open.
fn webhooks() -> impl Strategy<Value = Vec<(i64, i64, Fait)>> {
    let jour = prop::sample::select(vec!["2026-03-16", "2026-03-17", "2026-03-18"]);
    let hours = prop::sample::select(vec![("08:00:00", "12:00:00"), ("14:00:00", "18:00:00")]);
    let opened = (41..44_i64, jour.clone(), hours).prop_map(|(id, j, (d, f))| (id, plage(j, d, f)));
    let removed = (41..44_i64).prop_map(|id| (id, Fait::Plage(None)));
    let away = (18..20_i64, jour).prop_map(|(id, j)| (id, absence(j)));
    let back = (18..20_i64).prop_map(|id| (id, Fait::Absence(None)));
    let statut = prop::sample::select(vec![StatutRdv::Seen, StatutRdv::Noshow, StatutRdv::Unknown]);
    let booked = (10..13_i64, statut).prop_map(|(id, s)| (id, rdv("2026-03-16T08:00:00Z", s)));
    let unbooked = (10..13_i64).prop_map(|id| (id, Fait::Rdv(None)));
    let any =
        prop_oneof![4 => opened, 1 => removed, 1 => away, 1 => back, 3 => booked, 1 => unbooked];
    let all = prop::collection::btree_map(0..10_000_i64, any, 1..12);
    all.prop_map(|m| m.into_iter().map(|(minute, (id, fait))| (minute, id, fait)).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn webhooks_in_any_order_and_twice_give_the_same_days(
        (sorted, shuffled) in webhooks().prop_flat_map(|v| {
            let twice: Vec<_> = v.iter().chain(&v).cloned().collect();
            (Just(v), Just(twice).prop_shuffle())
        })
    ) {
        let live = |all: &[(i64, i64, Fait)]| {
            let mut banc = Banc::invite();
            banc.now = at("2026-03-10T00:00:00Z");
            for (minute, id, fait) in all {
                let seen = at("2026-03-02T00:00:00Z") + TimeDelta::minutes(*minute);
                banc.webhook(*id, &seen.to_rfc3339(), fait.clone());
            }
            banc.vivre("2026-03-25T00:00:00Z");
            let days = banc.engagement().vacations.iter();
            // A day that was never announced and one that was cancelled are the same in the end.
            let days = days.filter(|(_, v)| v.situation != SituationVacation::Annulee);
            days.map(|(d, v)| (*d, v.creneaux.clone(), v.rdv_honores)).collect::<Vec<_>>()
        };
        prop_assert_eq!(live(&sorted), live(&shuffled));
    }
}
