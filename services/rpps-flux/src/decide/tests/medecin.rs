//! Doctors who are followed.

use super::*;

#[test]
fn an_activity_is_recorded_once_when_its_row_appears() {
    let banc = Banc::new();
    let mut state = None;
    let first = banc.vivre(CLE, &mut state, autorisee("639990019"));
    assert_eq!(first.demandes, [Ask::Chercher { rpps: rpps("99790000014") }]);
    let veille = "veille/0a1b2c3d4e 2026-01-15 08:00:00 UTC";
    assert_eq!(first.reveils, [veille, "relecture 2026-01-20 08:00:00 UTC"]);
    let elsewhere = observation("2026-01-05", Some(fiche_a(&["039990015"])));
    assert_eq!(types(&banc.vivre(CLE, &mut state, trouvee(elsewhere))), [""; 0]);
    let there = observation("2026-01-09", Some(fiche_a(&["039990015", "639990019"])));
    let suite = banc.vivre(CLE, &mut state, vue(there.clone()));
    assert_eq!(types(&suite), ["activite.enregistree-rpps.v1"]);
    assert!(suite.publies[0].contains("\"constatee_le\":\"2026-01-09\""));
    assert!(suite.publies[0].contains("\"structure\":\"639990019\""));
    assert_eq!(banc.vivre(CLE, &mut state, vue(there.clone())), Suite::default());
    assert_eq!(banc.vivre(CLE, &mut state, autorisee("639990019")), Suite::default());
    // A row that goes is told to the application, and is a task until it is back.
    let gone = observation("2026-01-10", Some(fiche_a(&[])));
    let suite = banc.vivre(CLE, &mut state, vue(gone));
    assert_eq!(types(&suite), ["tache.ouverte.v1"]);
    assert!(suite.publies[0].contains("\"gabarit\":\"rpps-activite-disparue\""));
    assert_eq!(suite.dits, [("dossier/1042".to_owned(), Event::ActiviteDisparue)]);
    let back = Observation { jour: jour("2026-01-11"), ..there };
    assert_eq!(types(&banc.vivre(CLE, &mut state, vue(back))), ["tache.faite.v1"]);
}

#[test]
fn a_practice_without_finess_is_recognised_by_its_rpps_rang() {
    let banc = Banc::new();
    let mut state = None;
    banc.vivre(CLE, &mut state, autorisee("R10100000990018"));
    let seen = vue(observation("2026-01-09", Some(fiche_a(&["R10100000990018"]))));
    assert_eq!(types(&banc.vivre(CLE, &mut state, seen)), ["activite.enregistree-rpps.v1"]);
}

#[test]
fn an_ended_engagement_awaits_nothing() {
    let banc = Banc::new();
    let mut state = None;
    banc.vivre(CLE, &mut state, autorisee("639990019"));
    let ended = activite_a("639990019", Situation::Terminee);
    let ended = message(Message::ActiviteTerminee(ActiviteTerminee(ended)));
    let suite = banc.vivre(CLE, &mut state, ended);
    let stopped = ["-veille/0a1b2c3d4e".to_owned(), "-relecture".to_owned()];
    assert_eq!((suite.reveils, suite.demandes), (stopped.to_vec(), vec![]));
    let mut seen = fiche_a(&["639990019"]);
    seen.cartes.push(CARTE.clone());
    assert_eq!(
        types(&banc.vivre(CLE, &mut state, vue(observation("2026-01-09", Some(seen))))),
        [""; 0]
    );
    let wake = FrameInput::Wake { reason: "relecture".to_owned() };
    assert_eq!(banc.vivre(CLE, &mut state, wake), Suite::default());
}

#[test]
fn cards_are_the_baseline_first_then_only_later_ones_are_new() {
    let banc = Banc::new();
    let mut state = None;
    let card = |numero: &str, debut: &str| Carte {
        numero: numero.to_owned(),
        debut: jour(debut),
        fin: Some(jour("2028-12-31")),
    };
    let with = |day: &str, cartes: &[Carte]| {
        vue(observation(day, Some(Fiche { cartes: cartes.to_vec(), ..fiche_a(&[]) })))
    };
    banc.vivre(CLE, &mut state, autorisee("639990019"));
    let (old, new) = (card("9001", "2023-02-01"), card("9002", "2026-01-20"));
    let first = banc.vivre(CLE, &mut state, with("2026-01-09", std::slice::from_ref(&old)));
    assert_eq!(types(&first), ["carte-cps.constatee.v1"]);
    assert!(!first.publies[0].contains("carte/99790000014"));
    let both = [old.clone(), new.clone()];
    let second = banc.vivre(CLE, &mut state, with("2026-01-21", &both));
    assert_eq!(types(&second), ["carte-cps.constatee.v1"]);
    assert!(second.publies[0].contains("\"debut_validite\":\"2026-01-20\""));
    let third = banc.vivre(CLE, &mut state, with("2026-01-22", std::slice::from_ref(&new)));
    assert_eq!(types(&third), [""; 0]);
    let other = card("9003", "2024-05-10");
    assert_eq!(types(&banc.vivre(CLE, &mut state, with("2026-01-23", &[other]))), [""; 0]);
}

#[test]
fn the_applications_of_a_doctor_are_told_when_the_identity_changes() {
    let banc = Banc::new();
    let mut state = None;
    let suivre = || {
        let rpps = rpps("99790000014");
        FrameInput::Event(Event::Suivre { rpps, dossier: DOSSIER })
    };
    banc.vivre(CLE, &mut state, suivre());
    assert_eq!(banc.vivre(CLE, &mut state, suivre()), Suite::default());
    let seen = observation("2026-01-06", Some(fiche_a(&[])));
    let first = banc.vivre(CLE, &mut state, vue(seen.clone()));
    assert_eq!(first.dits, [("dossier/1042".to_owned(), Event::Vue(seen))]);
    let site = vue(observation("2026-01-07", Some(fiche_a(&["639990019"]))));
    assert_eq!(banc.vivre(CLE, &mut state, site).dits, []);
    assert_eq!(banc.vivre(CLE, &mut state, vue(observation("2026-01-08", None))).dits.len(), 1);
    let forget = FrameInput::Event(Event::NePlusSuivre { dossier: DOSSIER });
    banc.vivre(CLE, &mut state, forget.clone());
    assert_eq!(banc.vivre(CLE, &mut state, forget), Suite::default());
    let back = vue(observation("2026-01-09", Some(fiche_a(&[]))));
    assert_eq!(banc.vivre(CLE, &mut state, back).dits, []);
}

#[test]
fn who_is_not_followed_is_ignored() {
    let banc = Banc::new();
    let mut state = None;
    let seen = vue(observation("2026-01-06", Some(fiche_a(&[]))));
    assert_eq!(banc.vivre(CLE, &mut state, seen), Suite::default());
    assert_eq!(state, None);
}

proptest! {
    /// Whatever the order and the repetition of what happens, an engagement is recorded at most
    /// once, each card is announced at most once, and replay decides the same.
    #[test]
    fn disorder_and_repetition_record_an_engagement_once(
        steps in prop::collection::vec((0_u8..5, 0_u32..6), 1..30)
    ) {
        let banc = Banc::new();
        let run = || {
            let mut state = None;
            let mut published = Vec::new();
            for (kind, n) in &steps {
                let day = format!("2026-01-{:02}", 10 + n);
                let mut fiche = fiche_a(if *n >= 3 { &["639990019"] } else { &[] });
                fiche.cartes.push(Carte { debut: jour(&day), ..CARTE.clone() });
                let input = match kind {
                    0 => autorisee("639990019"),
                    1 => vue(observation(&day, Some(fiche))),
                    2 => trouvee(observation(&day, Some(fiche))),
                    3 => FrameInput::Wake { reason: "relecture".to_owned() },
                    _ => vue(observation(&day, None)),
                };
                if state.is_none() && *kind == 2 {
                    continue;
                }
                published.extend(banc.vivre(CLE, &mut state, input).publies);
            }
            (state, published)
        };
        let (state, published) = run();
        prop_assert_eq!(run(), (state, published.clone()));
        let of = |t: &str| published.iter().filter(|p| p.starts_with(t)).collect::<Vec<_>>();
        prop_assert!(of("activite.enregistree-rpps").len() <= 1);
        let cards = of("carte-cps.constatee");
        prop_assert_eq!(cards.iter().collect::<BTreeSet<_>>().len(), cards.len());
    }
}
