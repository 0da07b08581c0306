//! The extracts.

use super::*;

#[test]
fn extracts_are_read_at_start_and_every_morning_in_paris() {
    let mut banc = Banc::new();
    let mut state = None;
    let start = || FrameInput::Event(Event::Demarrer);
    let first = banc.vivre(EXTRACTION, &mut state, start());
    assert_eq!(first.demandes.len(), 2);
    assert_eq!(first.reveils, ["quotidien 2026-01-06 05:30:00 UTC"]);
    banc.now = "2026-07-06T04:29:00Z".parse().expect("an instant");
    assert_eq!(
        banc.vivre(EXTRACTION, &mut state, start()).reveils,
        ["quotidien 2026-07-06 04:30:00 UTC"]
    );
    banc.now = "2026-07-06T04:30:00Z".parse().expect("an instant");
    let wake = FrameInput::Wake { reason: "quotidien".to_owned() };
    let daily = banc.vivre(EXTRACTION, &mut state, wake);
    assert_eq!(daily.reveils, ["quotidien 2026-07-07 04:30:00 UTC"]);
    assert_eq!(daily.demandes.len(), 2);
}

#[test]
fn an_extract_is_announced_once_and_tells_its_doctors() {
    let banc = Banc::new();
    let mut state = Some(State::Extraction(Extraction::default()));
    let seen = observation("2026-01-05", Some(fiche_a(&[])));
    let lot = Lot { observations: vec![seen.clone()], suite: Some(200) };
    let first = banc.vivre(EXTRACTION, &mut state, lue(integration("f5", lot.clone())));
    assert_eq!(types(&first), ["rpps.extraction-integree.v1"]);
    assert_eq!(first.dits, [(CLE.to_owned(), Event::Vue(seen))]);
    let next = Ask::Suite { extrait: Extrait::Activites, fichier: "f5".to_owned(), depuis: 200 };
    assert_eq!(first.demandes, std::slice::from_ref(&next));
    assert_eq!(
        banc.vivre(EXTRACTION, &mut state, lue(integration("f5", lot.clone()))),
        Suite::default()
    );
    let answer = Answer::Suite { lot: Lot { suite: None, ..lot } };
    let more = FrameInput::Answer { ask: next, answer, id: Uuid::nil() };
    let more = banc.vivre(EXTRACTION, &mut state, more);
    assert_eq!((more.dits.len(), more.demandes.len(), more.publies.len()), (1, 0, 0));
    let known = Suivi { fichier: Some("f5".to_owned()), refuse: None, accepte: None };
    let Some(State::Extraction(e)) = state else { panic!("the extracts") };
    assert_eq!(e.extraits[&Extrait::Activites], known);
}

#[test]
fn a_refused_extract_is_announced_once_and_read_again_when_that_may_help() {
    let banc = Banc::new();
    let mut state = Some(State::Extraction(Extraction::default()));
    let refused = |raison: &str, passager| {
        let (extrait, fichier) = (Extrait::Activites, "f6".to_owned());
        lue(Answer::Refusee { extrait, fichier, raison: raison.to_owned(), passager })
    };
    let first = banc.vivre(EXTRACTION, &mut state, refused("tronquee", true));
    assert_eq!(types(&first), ["rpps.extraction-refusee.v1"]);
    assert_eq!(first.reveils, ["reessai-activites 2026-01-05 10:00:00 UTC"]);
    let again = banc.vivre(EXTRACTION, &mut state, refused("tronquee", true));
    assert_eq!((again.publies.len(), again.reveils.len()), (0, 1));
    let other = banc.vivre(EXTRACTION, &mut state, refused("ecart-excessif", false));
    assert_eq!((other.publies.len(), other.reveils.len()), (1, 0));
    let wake = FrameInput::Wake { reason: "reessai-activites".to_owned() };
    assert_eq!(banc.vivre(EXTRACTION, &mut state, wake).demandes.len(), 1);
    let fichier = "PS_LibreAcces_Personne_activite_202601060000.txt".to_owned();
    let par = "dns".to_owned();
    let accept = FrameInput::Event(Event::Accepter { fichier: fichier.clone(), par });
    let suite = banc.vivre(EXTRACTION, &mut state, accept);
    let accepter = Some(fichier.clone());
    assert_eq!(
        suite.demandes,
        [Ask::Integrer { extrait: Extrait::Activites, deja: None, accepter }]
    );
    // Who accepted is told with the integration, once.
    let forced = banc.vivre(EXTRACTION, &mut state, lue(integration(&fichier, Lot::default())));
    assert!(forced.publies[0].contains("\"acceptee_par\":\"dns\""), "{}", forced.publies[0]);
    let next = banc.vivre(EXTRACTION, &mut state, lue(integration("f8", Lot::default())));
    assert!(next.publies[0].contains("\"acceptee_par\":null"), "{}", next.publies[0]);
}

#[test]
fn yesterday_s_file_is_read_again_later_today() {
    let banc = Banc::new();
    let mut state = Some(State::Extraction(Extraction::default()));
    let unchanged =
        |day: &str| lue(Answer::Inchangee { extrait: Extrait::Cartes, jour: jour(day) });
    let late = banc.vivre(EXTRACTION, &mut state, unchanged("2026-01-04"));
    assert_eq!(late.reveils, ["reessai-cartes 2026-01-05 10:00:00 UTC"]);
    assert_eq!(banc.vivre(EXTRACTION, &mut state, unchanged("2026-01-05")), Suite::default());
}

/// What the alerts watch: a file that does not come is awaited from the first morning on, one that
/// is refused waits for a person until a later one is integrated.
#[test]
fn a_file_that_is_late_or_refused_is_a_stage() {
    use service::Etape::Attente;
    let mut banc = Banc::new();
    let mut state = None;
    let etape = |state: &Option<State>| state.as_ref().and_then(State::etape);
    let unchanged = |extrait, day: &str| lue(Answer::Inchangee { extrait, jour: jour(day) });
    banc.vivre(EXTRACTION, &mut state, FrameInput::Event(Event::Demarrer));
    assert_eq!(etape(&state), Some(Attente("extraction-attendue")));
    banc.vivre(EXTRACTION, &mut state, lue(integration("f5", Lot::default())));
    assert_eq!(etape(&state), Some(Attente("extraction-attendue")), "the cards");
    banc.vivre(EXTRACTION, &mut state, unchanged(Extrait::Cartes, "2026-01-05"));
    assert_eq!(etape(&state), None);
    banc.now = "2026-01-06T05:30:00Z".parse().expect("an instant");
    banc.vivre(EXTRACTION, &mut state, FrameInput::Wake { reason: "quotidien".to_owned() });
    for extrait in [Extrait::Activites, Extrait::Cartes] {
        banc.vivre(EXTRACTION, &mut state, unchanged(extrait, "2026-01-05"));
    }
    assert_eq!(etape(&state), Some(Attente("extraction-attendue")), "yesterday's file");
    let (extrait, fichier) = (Extrait::Activites, "f6".to_owned());
    let raison = "ecart-excessif".to_owned();
    let refused = Answer::Refusee { extrait, fichier, raison, passager: false };
    banc.vivre(EXTRACTION, &mut state, lue(refused));
    assert_eq!(etape(&state), Some(Attente("extraction-refusee")));
    banc.vivre(EXTRACTION, &mut state, FrameInput::Wake { reason: "quotidien".to_owned() });
    assert_eq!(etape(&state), Some(Attente("extraction-refusee")), "until a later one is read");
    banc.vivre(EXTRACTION, &mut state, lue(integration("f7", Lot::default())));
    assert_eq!(etape(&state), Some(Attente("extraction-attendue")));
    // A state of an earlier version awaits nothing.
    let old = serde_json::json!({ "etat": "extraction", "extraits": {} });
    assert_eq!(etape(&serde_json::from_value(old).ok()), None);
}
