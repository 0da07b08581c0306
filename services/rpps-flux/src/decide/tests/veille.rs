//! What becomes a task.

use super::*;

fn reveil() -> Input {
    FrameInput::Wake { reason: "veille/0a1b2c3d4e".to_owned() }
}

#[test]
fn an_activity_that_is_not_shown_in_time_is_a_task_with_its_owner_until_it_is() {
    let mut banc = Banc::new();
    let mut state = None;
    banc.vivre(CLE, &mut state, autorisee("639990019"));
    // A modified activity does not begin the delay again.
    let mut modified = activite_a("639990019", Situation::Ouverte);
    modified.lieu.id = "autre-msp".parse().expect("an id");
    let modified = message(Message::ActiviteAutorisee(ActiviteAutorisee(modified)));
    let reveils = banc.vivre(CLE, &mut state, modified).reveils;
    assert!(!reveils.iter().any(|r| r.starts_with("veille")), "{reveils:?}");
    banc.now = "2026-01-15T08:00:00Z".parse().expect("an instant");
    let late = banc.vivre(CLE, &mut state, reveil());
    assert_eq!(types(&late), ["tache.ouverte.v1"]);
    for expected in [
        "\"gabarit\":\"rpps-activite-absente\"",
        "\"dossier\":\"1042\"",
        "\"responsable\":\"cdom.63\"",
        "\"jours\":\"10\"",
        "\"cause\":\"absente\"",
        "\"structure\":\"639990019\"",
    ] {
        assert!(late.publies[0].contains(expected), "{expected} in {}", late.publies[0]);
    }
    // The open task is not doubled, and nobody is told again and again.
    assert_eq!(late.reveils, [""; 0]);
    assert_eq!(banc.vivre(CLE, &mut state, reveil()).publies, [""; 0]);
    let seen = vue(observation("2026-01-20", Some(fiche_a(&["639990019"]))));
    let suite = banc.vivre(CLE, &mut state, seen);
    assert_eq!(types(&suite), ["activite.enregistree-rpps.v1", "tache.faite.v1"]);
    assert_eq!(banc.vivre(CLE, &mut state, reveil()), Suite::default());
}

#[test]
fn a_task_is_closed_by_an_operator_or_ends_with_the_engagement() {
    let banc = Banc::new();
    let mut state = None;
    banc.vivre(CLE, &mut state, autorisee("sans numéro"));
    let first = banc.vivre(CLE, &mut state, reveil());
    assert!(first.publies[0].contains("\"cause\":\"lieu-sans-identifiant\""), "{first:?}");
    let id = |suite: &Suite| {
        let json = suite.publies[0].split_once(' ').expect("type and body").1;
        let body: serde_json::Value = serde_json::from_str(json).expect("decodes");
        body["tache"].as_str().expect("an id").to_owned()
    };
    let fermer = |id: &str, cle: &str| {
        operator(&OperatorAction {
            action: "fermer-tache".to_owned(),
            cle: cle.to_owned(),
            champs: [("tache".to_owned(), id.to_owned())].into(),
            par: "dns".to_owned(),
        })
    };
    assert!(fermer(&id(&first), "dossier/1042").is_err());
    let (key, event) = fermer(&id(&first), CLE).expect("an action");
    assert_eq!(key, CLE);
    let closed = banc.vivre(CLE, &mut state, FrameInput::Event(event.clone()));
    assert!(closed.publies[0].contains("\"faite_par\":\"dns\""), "{closed:?}");
    assert_eq!(banc.vivre(CLE, &mut state, FrameInput::Event(event)), Suite::default());
    let second = banc.vivre(CLE, &mut state, reveil());
    assert_ne!(id(&first), id(&second));
    let ended = activite_a("sans numéro", Situation::Terminee);
    let ended = message(Message::ActiviteTerminee(ActiviteTerminee(ended)));
    assert_eq!(types(&banc.vivre(CLE, &mut state, ended)), ["tache.faite.v1"]);
}

#[test]
fn an_application_is_told_of_an_activity_that_went() {
    let banc = Banc::new();
    let (key, mut state) = ("dossier/1042", None);
    let gone = || FrameInput::Event(Event::ActiviteDisparue);
    banc.vivre(key, &mut state, deposee("Exemple", "99790000014"));
    assert_eq!(banc.vivre(key, &mut state, gone()), Suite::default());
    banc.vivre(key, &mut state, trouvee(observation("2026-01-05", Some(fiche_a(&[])))));
    let told = banc.vivre(key, &mut state, gone());
    assert_eq!(types(&told), ["medecin.rpps-divergent.v1"]);
    assert!(told.publies[0].contains("[\"activite-disparue\"]"), "{told:?}");
}
