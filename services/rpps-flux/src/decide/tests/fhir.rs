//! The API: its reading, what it says of who is followed, and what both sources say.

use contracts::messages::SourceRpps;

use super::*;
use crate::{Ressource, state::Resume};

const PRATICIENS: Ressource = Ressource::Praticiens;

fn banc() -> Banc {
    let fhir = "[fhir]\nbase_url = \"https://api.example/fhir/v2\"\ncle = \"x\"";
    let text = format!("repertoire = \"/x\"\ncle_pseudonymes = \"x\"\n{fhir}");
    Banc { config: toml::from_str(&text).expect("valid settings"), ..Banc::new() }
}

fn at(banc: &mut Banc, text: &str) {
    banc.now = text.parse().expect("an instant");
}

fn question(suite: &Suite) -> (Ressource, Option<DateTime<Utc>>, Option<String>, Ask) {
    let [ask @ Ask::Changements { ressource, depuis, page, .. }] = suite.demandes.as_slice() else {
        panic!("{suite:?}")
    };
    (*ressource, *depuis, page.clone(), ask.clone())
}

fn page(ask: &Ask, numeros: &[&str], suite: Option<&str>) -> Input {
    let numeros = numeros.iter().map(|n| rpps(n)).collect();
    let answer = Answer::Changements { numeros, suite: suite.map(str::to_owned) };
    FrameInput::Answer { ask: ask.clone(), answer, id: Uuid::nil() }
}

fn reveil() -> Input {
    FrameInput::Wake { reason: "delta".to_owned() }
}

#[test]
fn the_changes_are_read_at_a_pace_page_after_page_from_where_the_last_reading_began() {
    let mut banc = banc();
    let mut state = None;
    let start = || FrameInput::Event(Event::Demarrer);
    // Nothing was ever read: every doctor.
    let first = banc.vivre(FHIR, &mut state, start());
    assert_eq!(first.reveils, ["delta 2026-01-05 09:00:00 UTC"]);
    let (ressource, depuis, suite, ask) = question(&first);
    assert_eq!((ressource, depuis, suite), (PRATICIENS, None, None));
    let told = banc.vivre(FHIR, &mut state, page(&ask, &["99790000014"], Some("p2")));
    assert_eq!(told.dits, [(CLE.to_owned(), Event::ChangementFhir)]);
    let (_, _, next, second) = question(&told);
    assert_eq!(next.as_deref(), Some("p2"));
    // It goes on when the pace says to begin: it is not begun twice.
    at(&mut banc, "2026-01-05T09:00:00Z");
    let again = banc.vivre(FHIR, &mut state, reveil());
    assert_eq!((again.demandes.len(), again.reveils.len()), (0, 1));
    assert_eq!(banc.vivre(FHIR, &mut state, page(&second, &[], None)).demandes, []);
    // From its beginning, less what clocks may differ by; people, then their activities.
    at(&mut banc, "2026-01-05T10:00:00Z");
    let next = banc.vivre(FHIR, &mut state, reveil());
    let (ressource, depuis, _, ask) = question(&next);
    let since = Some("2026-01-05T07:50:00Z".parse().expect("an instant"));
    assert_eq!((ressource, depuis), (PRATICIENS, since));
    let activities = banc.vivre(FHIR, &mut state, page(&ask, &[], None));
    let (ressource, depuis, _, ask) = question(&activities);
    assert_eq!((ressource, depuis), (Ressource::Situations, since));
    assert_eq!(banc.vivre(FHIR, &mut state, page(&ask, &["99790000022"], None)).dits.len(), 1);
    // An answer of a reading that is over.
    assert_eq!(
        banc.vivre(FHIR, &mut state, page(&second, &["99790000014"], None)),
        Suite::default()
    );
}

#[test]
fn after_thirty_days_all_of_it_is_read_again() {
    let mut banc = banc();
    let mut state = None;
    let first = banc.vivre(FHIR, &mut state, FrameInput::Event(Event::Demarrer));
    banc.vivre(FHIR, &mut state, page(&question(&first).3, &[], None));
    for (now, full) in [("2026-02-02T08:00:00Z", false), ("2026-03-15T08:00:00Z", true)] {
        at(&mut banc, now);
        let suite = banc.vivre(FHIR, &mut state, FrameInput::Event(Event::Demarrer));
        let (_, depuis, _, ask) = question(&suite);
        assert_eq!(depuis.is_none(), full, "{now}");
        let suite = banc.vivre(FHIR, &mut state, page(&ask, &[], None));
        if !full {
            banc.vivre(FHIR, &mut state, page(&question(&suite).3, &[], None));
        }
    }
}

#[test]
fn a_page_that_is_not_kept_any_more_or_never_came_begins_the_reading_again() {
    let mut banc = banc();
    let mut state = None;
    let first = banc.vivre(FHIR, &mut state, FrameInput::Event(Event::Demarrer));
    let (.., ask) = question(&first);
    let expired = FrameInput::Answer { ask, answer: Answer::PagePerimee, id: Uuid::nil() };
    assert_eq!(banc.vivre(FHIR, &mut state, expired), Suite::default());
    at(&mut banc, "2026-01-05T09:00:00Z");
    assert_eq!(question(&banc.vivre(FHIR, &mut state, reveil())).1, None);
    at(&mut banc, "2026-01-05T15:00:00Z");
    assert_eq!(question(&banc.vivre(FHIR, &mut state, reveil())).0, PRATICIENS);
    // Taken out of the configuration, it stops.
    banc.config.fhir = None;
    assert_eq!(banc.vivre(FHIR, &mut state, reveil()).reveils, ["-delta"]);
    assert_eq!(banc.vivre(FHIR, &mut None, FrameInput::Event(Event::Demarrer)), Suite::default());
}

fn praticien(fiche: Option<Fiche>) -> Input {
    let ask = Ask::Interroger { rpps: rpps("99790000014") };
    let ids = fiche.iter().map(|_| "003".to_owned()).collect();
    FrameInput::Answer { ask, answer: Answer::Praticien { ids, fiche }, id: Uuid::nil() }
}

/// The API is asked who, then where, page after page; gives what followed the last answer.
fn dit_fhir(banc: &Banc, state: &mut Option<State>, fiche: Fiche) -> Suite {
    let who = Fiche { structures: BTreeSet::new(), ..fiche.clone() };
    let mut suite = banc.vivre(CLE, state, praticien(Some(who)));
    let mut left: Vec<String> = fiche.structures.into_iter().collect();
    loop {
        let [ask @ Ask::Situations { .. }] = suite.demandes.as_slice() else { panic!("{suite:?}") };
        let structures = left.pop().into_iter().collect();
        let next = (!left.is_empty()).then(|| "p2".to_owned());
        let last = next.is_none();
        let answer = Answer::Situations { structures, suite: next };
        suite = banc.vivre(
            CLE,
            state,
            FrameInput::Answer { ask: ask.clone(), answer, id: Uuid::nil() },
        );
        if last {
            return suite;
        }
    }
}

#[test]
fn an_applicant_is_identified_by_whichever_answers_first() {
    let banc = banc();
    let (key, mut state) = ("dossier/1042", None);
    let first = banc.vivre(key, &mut state, deposee("Exemple", "99790000014"));
    let numero = || rpps("99790000014");
    assert_eq!(
        first.demandes,
        [Ask::Chercher { rpps: numero() }, Ask::Interroger { rpps: numero() }]
    );
    let seen = banc.vivre(key, &mut state, praticien(Some(fiche_a(&[]))));
    assert_eq!(types(&seen), ["medecin.identifie.v1"]);
    // The extract of the day is not fresher than the API's answer of the day.
    let older = trouvee(observation("2026-01-05", None));
    assert_eq!(banc.vivre(key, &mut state, older), Suite::default());
    // The one of the next day is.
    let newer = trouvee(observation("2026-01-06", None));
    assert_eq!(types(&banc.vivre(key, &mut state, newer)), ["medecin.rpps-divergent.v1"]);
    // A tombstone says the same.
    let gone = banc.vivre(key, &mut state, praticien(None));
    assert_eq!(gone, Suite::default(), "an answer of the day before");
}

#[test]
fn the_api_shows_an_activity_and_a_card_before_the_extract_does() {
    let banc = banc();
    let mut state = None;
    let asked = banc.vivre(CLE, &mut state, autorisee("639990019")).demandes;
    assert_eq!(asked.len(), 2);
    let changed = banc.vivre(CLE, &mut state, FrameInput::Event(Event::ChangementFhir));
    assert_eq!(changed.demandes, [Ask::Interroger { rpps: rpps("99790000014") }]);
    let mut fiche = fiche_a(&["039990015", "639990019"]);
    fiche.cartes.push(CARTE.clone());
    let suite = dit_fhir(&banc, &mut state, fiche.clone());
    assert_eq!(types(&suite), ["activite.enregistree-rpps.v1", "carte-cps.constatee.v1"]);
    assert!(suite.publies[0].contains("\"source\":\"fhir\""));
    // The extract of that morning does not show it yet: nothing has gone.
    let late = vue(observation("2026-01-05", Some(fiche_a(&[]))));
    assert_eq!(banc.vivre(CLE, &mut state, late), Suite::default());
    let same = vue(observation("2026-01-06", Some(fiche)));
    assert_eq!(banc.vivre(CLE, &mut state, same), Suite::default());
}

#[test]
fn sources_that_stand_by_different_things_are_shown_until_they_agree() {
    let mut banc = banc();
    let mut state = None;
    banc.vivre(CLE, &mut state, autorisee("639990019"));
    let there = fiche_a(&["639990019"]);
    dit_fhir(&banc, &mut state, there.clone());
    let without = |day: &str| vue(observation(day, Some(fiche_a(&[]))));
    banc.vivre(CLE, &mut state, without("2026-01-05"));
    // An extract of a later day says something else: the API is asked once more.
    at(&mut banc, "2026-01-06T08:00:00Z");
    let doubt = banc.vivre(CLE, &mut state, without("2026-01-06"));
    assert_eq!(doubt.demandes, [Ask::Interroger { rpps: rpps("99790000014") }]);
    assert_eq!(types(&doubt), [""; 0]);
    let stands = dit_fhir(&banc, &mut state, there.clone());
    assert_eq!(types(&stands), ["tache.ouverte.v1"]);
    assert!(stands.publies[0].contains("rpps-sources-divergentes"), "{stands:?}");
    assert!(stands.publies[0].contains("lieux suivis : 639990019"), "{stands:?}");
    // Once is enough.
    assert_eq!(types(&dit_fhir(&banc, &mut state, there.clone())), [""; 0]);
    let agreed = banc.vivre(CLE, &mut state, vue(observation("2026-01-07", Some(there))));
    assert_eq!(types(&agreed), ["tache.faite.v1"]);
}

#[test]
fn the_api_that_changes_its_mind_is_no_divergence() {
    let mut banc = banc();
    let mut state = None;
    banc.vivre(CLE, &mut state, autorisee("639990019"));
    dit_fhir(&banc, &mut state, fiche_a(&[]));
    at(&mut banc, "2026-01-06T08:00:00Z");
    let new = observation("2026-01-06", Some(fiche_a(&["639990019"])));
    let seen = banc.vivre(CLE, &mut state, vue(new));
    assert_eq!(types(&seen), ["activite.enregistree-rpps.v1"]);
    assert!(seen.publies[0].contains("\"source\":\"extraction\""));
    assert_eq!(types(&dit_fhir(&banc, &mut state, fiche_a(&["639990019"]))), [""; 0]);
    let Some(State::Medecin(medecin)) = state else { panic!("followed") };
    let dit = |r: &Option<Resume>| r.as_ref().map(|r| r.dit.clone());
    assert_eq!(dit(&medecin.extrait), dit(&medecin.fhir));
    assert_eq!(medecin.taches.len(), 0);
}

#[test]
fn persistent_disagreement_does_not_tell_the_applications_every_day() {
    let mut banc = banc();
    let mut state = None;
    let suivre = Event::Suivre { rpps: rpps("99790000014"), dossier: DOSSIER };
    banc.vivre(CLE, &mut state, FrameInput::Event(suivre));
    let renamed =
        Fiche { noms: BTreeSet::from([("AUTRE".to_owned(), "ANNE".to_owned())]), ..fiche_a(&[]) };
    let mut told = 0;
    for day in 6..16 {
        at(&mut banc, &format!("2026-01-{day:02}T08:00:00Z"));
        let extract = observation(&format!("2026-01-{day:02}"), Some(fiche_a(&[])));
        told += banc.vivre(CLE, &mut state, vue(extract)).dits.len();
        told += dit_fhir(&banc, &mut state, renamed.clone()).dits.len();
    }
    assert_eq!(told, 2, "each source once");
}

#[test]
fn states_of_an_earlier_version_are_read() {
    let dossier = r#"{"etat":"dossier","candidat":{"rpps":"99790000014","nom":"X","prenom":"Y"},"attendue":true,"identite":null,"jour":null}"#;
    let medecin = r#"{"etat":"medecin","rpps":"99790000014","engagements":{"0a1b2c3d4e":{"structures":["639990019"],"enregistree":null,"close":false}}}"#;
    let extraction =
        r#"{"etat":"extraction","extraits":{"activites":{"fichier":"f5","refuse":null}}}"#;
    for text in [dossier, medecin, extraction] {
        let state: State = serde_json::from_str(text).expect("still read");
        let again = serde_json::to_string(&state).expect("encodes");
        assert_eq!(serde_json::from_str::<State>(&again).expect("decodes"), state);
    }
    let observation = r#"{"rpps":"99790000014","jour":"2026-01-05","fiche":null}"#;
    let read: Observation = serde_json::from_str(observation).expect("still read");
    assert_eq!(read.source, SourceRpps::Extraction);
    // An engagement of that time is watched from the next look on.
    let (banc, mut state) = (banc(), Some(serde_json::from_str(medecin).expect("still read")));
    let look = banc.vivre(CLE, &mut state, FrameInput::Wake { reason: "relecture".to_owned() });
    assert!(look.reveils[0].starts_with("veille/0a1b2c3d4e 2026-01-15"), "{look:?}");
}
