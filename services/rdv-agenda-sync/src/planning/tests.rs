use proptest::prelude::*;

use super::*;

fn day(text: &str) -> NaiveDate {
    text.parse().expect("date")
}

fn time(text: &str) -> NaiveTime {
    text.parse().expect("time")
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("instant")
}

fn plage(premier_jour: &str, debut: &str, fin: &str, rrule: Option<&str>) -> PlageOuverte {
    let premier_jour = day(premier_jour);
    PlageOuverte {
        premier_jour,
        debut: time(debut),
        fin: time(fin),
        regle: rrule.map(|r| Regle::parse(r, premier_jour).expect("a rule")),
    }
}

fn absence(du: (&str, &str), au: (&str, &str)) -> Absence {
    Absence {
        premier_jour: day(du.0),
        dernier_jour: day(au.0),
        debut: time(du.1),
        fin: time(au.1),
        regle: None,
    }
}

fn seen<T: PartialEq>(horodatage: &str, contenu: T) -> Historique<T> {
    let mut histoire = Historique::default();
    assert!(histoire.noter(at(horodatage), Some(contenu)));
    histoire
}

fn ouvertures(plages: Vec<PlageOuverte>, absences: Vec<Absence>) -> Ouvertures {
    const EARLY: &str = "2026-01-01T00:00:00Z";
    let number = |i: usize| i64::try_from(i).expect("small");
    let plages = plages.into_iter().enumerate().map(|(i, p)| (number(i), seen(EARLY, p)));
    let absences = absences.into_iter().enumerate().map(|(i, a)| (number(i), seen(EARLY, a)));
    Ouvertures { plages: plages.collect(), absences: absences.collect() }
}

fn days(open: &Ouvertures, du: &str, au: &str) -> Vec<String> {
    open.creneaux(day(du), day(au)).keys().map(ToString::to_string).collect()
}

/// « day HH:MM-HH:MM », in UTC.
fn slots(open: &Ouvertures, du: &str, au: &str) -> Vec<String> {
    let all = open.creneaux(day(du), day(au));
    let all = all.values().flatten();
    all.map(|p| format!("{}-{}", p.debut.format("%d %H:%M"), p.fin.format("%H:%M"))).collect()
}

#[test]
fn the_rules_of_rdv_service_public_are_read() {
    // (rule, first day, window, days), written after `ical_formatters/rrule.rb`.
    let cases = [
        ("FREQ=WEEKLY;", "2026-03-02", "2026-03-20", vec!["03-02", "03-09", "03-16"]),
        (
            "FREQ=WEEKLY;BYDAY=MO,TU;",
            "2026-03-02",
            "2026-03-11",
            vec!["03-02", "03-03", "03-09", "03-10"],
        ),
        (
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO;",
            "2026-03-02",
            "2026-03-31",
            vec!["03-02", "03-16", "03-30"],
        ),
        ("FREQ=MONTHLY;BYDAY=2WE;", "2026-03-11", "2026-05-31", vec!["03-11", "04-08", "05-13"]),
        // UNTIL is midnight of a day that still counts.
        (
            "FREQ=WEEKLY;BYDAY=MO;UNTIL=20260316T000000;",
            "2026-03-02",
            "2026-04-30",
            vec!["03-02", "03-09", "03-16"],
        ),
        (
            "FREQ=WEEKLY;BYDAY=MO;UNTIL=20260316T235959;",
            "2026-03-02",
            "2026-04-30",
            vec!["03-02", "03-09", "03-16"],
        ),
        // A series that ends before it begins has no day; it is no error.
        ("FREQ=WEEKLY;BYDAY=MO;UNTIL=20260201T000000;", "2026-03-02", "2026-04-30", vec![]),
    ];
    for (rule, first, last, expected) in cases {
        let open = ouvertures(vec![plage(first, "08:00:00", "12:00:00", Some(rule))], vec![]);
        let expected: Vec<_> = expected.iter().map(|d| format!("2026-{d}")).collect();
        assert_eq!(days(&open, "2026-01-01", last), expected, "{rule}");
    }
    for wrong in
        ["", "FREQ=;", "tous les lundis", "FREQ=WEEKLY;UNTIL=demain;", "FREQ=WEEKLY;UNTIL=é"]
    {
        assert!(Regle::parse(wrong, day("2026-03-02")).is_err(), "{wrong}");
    }
}

#[test]
fn a_weekly_series_keeps_its_hour_over_both_changes_of_2026() {
    let rule = Some("FREQ=WEEKLY;BYDAY=SU,MO;");
    let spring = ouvertures(vec![plage("2026-03-22", "08:00:00", "12:00:00", rule)], vec![]);
    assert_eq!(
        slots(&spring, "2026-03-22", "2026-03-30"),
        [
            "22 07:00-11:00",
            "23 07:00-11:00",
            // 29 March, the change to summer time.
            "29 06:00-10:00",
            "30 06:00-10:00",
        ]
    );
    let autumn = ouvertures(vec![plage("2026-10-18", "08:00:00", "12:00:00", rule)], vec![]);
    assert_eq!(
        slots(&autumn, "2026-10-18", "2026-10-26"),
        [
            "18 06:00-10:00",
            "19 06:00-10:00",
            // 25 October, back to winter time.
            "25 07:00-11:00",
            "26 07:00-11:00",
        ]
    );
}

#[test]
fn a_slot_across_the_change_lasts_what_the_clock_shows() {
    let short = ouvertures(vec![plage("2026-03-29", "01:00:00", "04:00:00", None)], vec![]);
    assert_eq!(slots(&short, "2026-03-29", "2026-03-29"), ["29 00:00-02:00"]);
    let long = ouvertures(vec![plage("2026-10-25", "01:00:00", "04:00:00", None)], vec![]);
    assert_eq!(slots(&long, "2026-10-25", "2026-10-25"), ["24 23:00-03:00"]);
    // A time that does not exist is taken one hour later.
    let none = ouvertures(vec![plage("2026-03-29", "02:30:00", "03:30:00", None)], vec![]);
    assert_eq!(slots(&none, "2026-03-29", "2026-03-29"), Vec::<String>::new());
}

#[test]
fn absences_take_away_days_parts_and_series() {
    let week =
        || plage("2026-06-01", "08:00:00", "12:00:00", Some("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH;"));
    let away = absence(("2026-06-02", "10:00:00"), ("2026-06-04", "09:00:00"));
    let open = ouvertures(vec![week()], vec![away]);
    assert_eq!(
        slots(&open, "2026-06-01", "2026-06-04"),
        ["01 06:00-10:00", "02 06:00-08:00", "04 07:00-10:00",]
    );
    let middle = absence(("2026-06-01", "09:00:00"), ("2026-06-01", "10:00:00"));
    let mondays = Absence {
        regle: Some(Regle::parse("FREQ=WEEKLY;BYDAY=MO;", day("2026-06-01")).expect("rule")),
        ..middle
    };
    let open = ouvertures(vec![week()], vec![mondays]);
    assert_eq!(
        slots(&open, "2026-06-08", "2026-06-09"),
        ["08 06:00-07:00", "08 08:00-10:00", "09 06:00-10:00",]
    );
}

#[test]
fn overlapping_slots_are_one() {
    let open = ouvertures(
        vec![
            plage("2026-06-01", "08:00:00", "10:30:00", None),
            plage("2026-06-01", "10:00:00", "12:00:00", None),
            plage("2026-06-01", "14:00:00", "17:00:00", None),
        ],
        vec![],
    );
    assert_eq!(slots(&open, "2026-06-01", "2026-06-01"), ["01 06:00-10:00", "01 12:00-15:00"]);
}

#[test]
fn half_days_are_those_that_slots_touch() {
    let cases = [
        ("08:00:00", "12:00:00", vec![DemiJournee::Matin]),
        ("08:00:00", "13:00:00", vec![DemiJournee::Matin]),
        ("12:30:00", "13:30:00", vec![DemiJournee::Matin, DemiJournee::ApresMidi]),
        ("13:00:00", "18:00:00", vec![DemiJournee::ApresMidi]),
        ("08:00:00", "18:00:00", vec![DemiJournee::Matin, DemiJournee::ApresMidi]),
    ];
    for date in ["2026-01-12", "2026-07-13"] {
        for (debut, fin, expected) in &cases {
            let open = ouvertures(vec![plage(date, debut, fin, None)], vec![]);
            let found = open.creneaux(day(date), day(date));
            let found = demi_journees(&found[&day(date)], time("13:00:00"));
            assert_eq!(found, *expected, "{date} {debut} {fin}");
        }
    }
}

#[test]
fn a_series_edited_later_does_not_rewrite_the_days_held() {
    let rule = Some("FREQ=WEEKLY;BYDAY=MO;");
    let mut histoire =
        seen("2026-03-01T09:00:00Z", plage("2026-03-02", "08:00:00", "12:00:00", rule));
    // On Wednesday 11 the doctor moves the whole series to the afternoon, from the 16th on.
    let moved = plage("2026-03-16", "14:00:00", "18:00:00", rule);
    assert!(histoire.noter(at("2026-03-11T09:00:00Z"), Some(moved)));
    // And on the 24th removes it.
    assert!(histoire.noter(at("2026-03-24T09:00:00Z"), None));
    let open = Ouvertures { plages: [(1, histoire)].into(), ..Ouvertures::default() };
    assert_eq!(
        slots(&open, "2026-03-01", "2026-04-30"),
        ["02 07:00-11:00", "09 07:00-11:00", "16 13:00-17:00", "23 13:00-17:00",]
    );
}

#[test]
fn what_is_seen_too_late_still_counts_and_a_removal_before_the_day_does_too() {
    let late = plage("2026-03-02", "08:00:00", "12:00:00", None);
    let mut histoire = seen("2026-03-06T09:00:00Z", late);
    let open = |h: &Historique<PlageOuverte>| {
        let open = Ouvertures { plages: [(1, h.clone())].into(), ..Ouvertures::default() };
        days(&open, "2026-03-01", "2026-03-31")
    };
    assert_eq!(open(&histoire), ["2026-03-02"]);
    // The removal was made before the day, its delivery took a week.
    assert!(histoire.noter(at("2026-03-01T20:00:00Z"), None));
    assert_eq!(open(&histoire), Vec::<String>::new());
}

#[test]
fn the_latest_wins_ties_are_applied_again_and_removals_stay() {
    let a = || plage("2026-03-02", "08:00:00", "12:00:00", None);
    let b = || plage("2026-03-02", "09:00:00", "12:00:00", None);
    let mut histoire = seen("2026-03-01T09:00:00Z", a());
    assert!(!histoire.noter(at("2026-03-01T08:00:00Z"), Some(b())), "older");
    assert!(histoire.noter(at("2026-03-01T09:00:00Z"), Some(b())), "same instant");
    assert!(!histoire.noter(at("2026-03-01T09:00:00Z"), Some(b())), "same");
    assert!(histoire.noter(at("2026-03-01T09:00:00Z"), None));
    assert!(!histoire.noter(at("2026-03-01T09:00:00Z"), Some(a())), "removed at this instant");
    assert_eq!(histoire.en_vigueur(day("2026-03-02")), None);
}

#[test]
fn what_no_day_can_see_is_forgotten() {
    let mut open = ouvertures(
        vec![
            plage("2026-03-02", "08:00:00", "12:00:00", None),
            plage("2026-03-02", "08:00:00", "12:00:00", Some("FREQ=WEEKLY;")),
            plage("2026-03-02", "08:00:00", "12:00:00", Some("FREQ=WEEKLY;UNTIL=20260601T000000;")),
        ],
        vec![absence(("2026-03-02", "08:00:00"), ("2026-06-02", "09:00:00"))],
    );
    let before = open.creneaux(day("2026-06-01"), day("2026-07-01"));
    open.elaguer(day("2026-06-01"), day("2000-01-01"));
    assert_eq!(open.plages.keys().copied().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(open.creneaux(day("2026-06-01"), day("2026-07-01")), before);
    open.elaguer(day("2026-06-03"), day("2000-01-01"));
    assert_eq!((open.plages.len(), open.absences.len()), (1, 0));
    assert!(open.depassent(day("2030-01-01")));
}

/// Versions of one series over ten days, each at its own instant.
fn versions() -> impl Strategy<Value = Vec<(DateTime<Utc>, Option<PlageOuverte>)>> {
    let version = (0..14_400_i64, 6..20_u32, proptest::bool::weighted(0.8), any::<bool>());
    let start = at("2026-03-01T00:00:00Z");
    proptest::collection::btree_map(0..14_400_i64, version, 1..8).prop_map(move |map| {
        let versions = map.into_iter().map(|(minute, (_, hour, kept, weekly))| {
            let (debut, fin) = (format!("{hour:02}:00:00"), format!("{:02}:30:00", hour + 2));
            let rule = weekly.then_some("FREQ=WEEKLY;INTERVAL=1;BYDAY=MO,WE,FR;");
            let content = kept.then(|| plage("2026-03-02", &debut, &fin, rule));
            (start + TimeDelta::minutes(minute), content)
        });
        versions.collect()
    })
}

proptest! {
    #[test]
    fn disorder_and_repetition_converge(
        (versions, shuffled) in versions().prop_flat_map(|v| {
            let twice: Vec<_> = v.iter().chain(&v).cloned().collect();
            (Just(v), Just(twice).prop_shuffle())
        })
    ) {
        let note = |all: &[(DateTime<Utc>, Option<PlageOuverte>)]| {
            let mut histoire = Historique::default();
            for (at, content) in all {
                histoire.noter(*at, content.clone());
            }
            histoire
        };
        prop_assert_eq!(note(&versions), note(&shuffled));
    }

    #[test]
    fn pruning_changes_no_day_that_is_left(versions in versions(), cut in 0..20_u64) {
        let mut histoire = Historique::default();
        for (at, content) in versions {
            histoire.noter(at, content);
        }
        let cut = day("2026-03-01") + chrono::Days::new(cut);
        let mut open = Ouvertures { plages: [(1, histoire)].into(), ..Ouvertures::default() };
        let before = open.creneaux(cut, day("2026-04-15"));
        open.elaguer(cut, day("2000-01-01"));
        prop_assert_eq!(open.creneaux(cut, day("2026-04-15")), before);
    }

    #[test]
    fn slots_are_sorted_disjoint_and_outside_absences(
        slots in proptest::collection::vec((0..1000_i64, 1..200_i64), 0..8),
        away in proptest::collection::vec((0..1000_i64, 1..200_i64), 0..4),
    ) {
        let start = at("2026-03-02T00:00:00Z");
        let make = |(from, lasts): (i64, i64)| Plage {
            debut: start + TimeDelta::minutes(from),
            fin: start + TimeDelta::minutes(from + lasts),
        };
        let slots: Vec<_> = slots.into_iter().map(make).collect();
        let away: Vec<_> = away.into_iter().map(make).collect();
        let left = sans(reunis(slots.clone()), &away);
        prop_assert!(left.windows(2).all(|w| w[0].fin <= w[1].debut));
        let within = |t: DateTime<Utc>, all: &[Plage]| all.iter().any(|p| p.debut <= t && t < p.fin);
        for minute in 0..1200 {
            let t = start + TimeDelta::minutes(minute);
            prop_assert_eq!(within(t, &left), within(t, &slots) && !within(t, &away));
        }
    }
}
