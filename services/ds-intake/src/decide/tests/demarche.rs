//! The poll, and the way from an engagement to its dossier.

use super::*;
use crate::{
    agency::Lister,
    decide::suite::ABSENT,
    state::{Demarche, Genre},
    wire::{DossierDisparu, DossierListe, Page},
};

const KEY: &str = "demarche/1";

fn page(dossiers: &[(u64, i64)], suite: bool) -> Page {
    let line = |(numero, minute): &(u64, i64)| DossierListe {
        numero: *numero,
        etat: EtatDs::EnConstruction,
        modifie_le: at(*minute),
    };
    Page {
        lu_a: Some(at(1000)),
        revision: "r1".to_owned(),
        dossiers: dossiers.iter().map(line).collect(),
        curseur: suite.then(|| "curseur".to_owned()),
        suite,
        illisibles: 0,
        disparus: None,
    }
}

struct Poll {
    state: Option<State>,
    now: i64,
}

impl Poll {
    fn new() -> Self {
        Self { state: None, now: 60 }
    }

    fn demarche(&self) -> &Demarche {
        match self.state.as_ref().expect("a state") {
            State::Demarche(d) => d,
            State::Dossier(_) | State::Engagement(_) | State::Medecin(_) => {
                panic!("not a démarche")
            }
        }
    }

    fn give(&mut self, input: Input<DsIntake>) -> Vec<Effect<DsIntake>> {
        self.now += 1;
        match run_as(KEY, self.state.as_ref(), input, self.now, &self.now.to_string()) {
            Decision::Next { state, effects } => {
                self.state = Some(state);
                effects
            }
            Decision::Ignore(reason) => panic!("ignored: {reason}"),
        }
    }

    fn wake(&mut self) -> Lister {
        asked(&self.give(Input::Wake { reason: "releve".to_owned() })).expect("a poll")
    }

    fn answer(&mut self, ask: &Lister, answer: Answer) -> Vec<Effect<DsIntake>> {
        let ask = Ask::Lister(ask.clone());
        self.give(Input::Answer { ask, answer, id: Uuid::nil() })
    }

    /// A whole pass of one page.
    fn pass(&mut self, page: Page) -> Vec<(String, Event)> {
        let ask = self.wake();
        told(self.answer(&ask, Answer::Page(page)))
    }
}

fn asked(effects: &[Effect<DsIntake>]) -> Option<Lister> {
    effects.iter().find_map(|e| match e {
        Effect::Ask(Ask::Lister(lister)) => Some(lister.clone()),
        Effect::Ask(_)
        | Effect::Publish(_)
        | Effect::CancelAsks(_)
        | Effect::Tell { .. }
        | Effect::WakeAt { .. }
        | Effect::CancelWake(_) => None,
    })
}

fn told(effects: Vec<Effect<DsIntake>>) -> Vec<(String, Event)> {
    let tells = effects.into_iter().filter_map(|e| match e {
        Effect::Tell { key, event } => Some((key, event)),
        Effect::Ask(_)
        | Effect::Publish(_)
        | Effect::CancelAsks(_)
        | Effect::WakeAt { .. }
        | Effect::CancelWake(_) => None,
    });
    tells.collect()
}

fn vu(numero: u64, minute: i64, relire: bool) -> (String, Event) {
    (format!("dossier/{numero}"), Event::Vu { modifie_le: at(minute), relire })
}

#[test]
fn a_pass_follows_its_cursor_and_the_next_begins_a_little_before_the_last_date() {
    let mut poll = Poll::new();
    let first = asked(&poll.give(Input::Event(Event::Demarrer))).expect("a poll");
    assert_eq!(first.depuis, config().since);
    assert!(first.disparus_depuis.is_some(), "asked with the first page");
    let effects = poll.answer(&first, Answer::Page(page(&[(1, 3), (2, 5)], true)));
    let second = asked(&effects).expect("the next page");
    assert_eq!((second.apres.as_deref(), second.depuis), (Some("curseur"), first.depuis));
    assert_eq!(second.disparus_depuis, None);
    assert_eq!(told(effects), [vu(1, 3, false), vu(2, 5, false)]);
    // The same answer again is not the second page's.
    let again = Input::Answer {
        ask: Ask::Lister(first),
        answer: Answer::Page(page(&[(1, 3)], true)),
        id: Uuid::nil(),
    };
    let ignored = run(KEY, poll.state.as_ref(), again);
    assert_eq!(summary(&ignored), "ignore (passe-depassee)");
    let effects = poll.answer(&second, Answer::Page(page(&[(3, 5)], false)));
    assert!(effects.iter().any(|e| matches!(e, Effect::WakeAt { .. })));
    assert_eq!(poll.demarche().repere, Some(at(5)));
    assert_eq!(poll.wake().depuis, at(5) - TimeDelta::minutes(10));
}

#[test]
fn a_modification_is_told_once_although_the_window_shows_it_again() {
    let mut poll = Poll::new();
    assert_eq!(poll.pass(page(&[(1, 3)], false)), [vu(1, 3, false)]);
    assert_eq!(poll.pass(page(&[(1, 3)], false)), []);
    assert_eq!(poll.pass(page(&[(1, 4)], false)), [vu(1, 4, false)]);
    // Older than the window: forgotten, and not shown by the list either.
    assert_eq!(poll.pass(page(&[(2, 40)], false)), [vu(2, 40, false)]);
    assert_eq!(poll.demarche().recents.len(), 1);
}

#[test]
fn a_second_that_was_not_over_when_it_was_read_is_read_again_once() {
    let mut poll = Poll::new();
    let within = |lu_a| Page { lu_a, ..page(&[(1, 3)], false) };
    assert_eq!(poll.pass(within(Some(at(3)))), [vu(1, 3, false)]);
    assert_eq!(poll.pass(within(Some(at(4)))), [vu(1, 3, true)]);
    assert_eq!(poll.pass(within(Some(at(5)))), []);
    let mut blind = Poll::new();
    assert_eq!(blind.pass(within(None)).len(), 1);
    assert_eq!(blind.pass(within(None)), [vu(1, 3, true)]);
    assert_eq!(blind.pass(within(None)), []);
}

#[test]
fn a_version_read_within_its_second_is_read_again_when_it_is_seen() {
    let within = Answer::LuTropTot(Box::new(lecture(EtatDs::EnConstruction, 1, 3)));
    let ask = Ask::Lire { numero: 7 };
    let state = after(vec![Input::Answer { ask, answer: within, id: Uuid::nil() }]);
    let vu = || Input::Event(Event::Vu { modifie_le: at(3), relire: false });
    let seen = run("dossier/7", state.as_ref(), vu());
    assert_eq!(summary(&seen), "instruction, ask lire-dossier");
    let state = after(vec![lu(lecture(EtatDs::EnConstruction, 1, 3))]);
    assert_eq!(summary(&run("dossier/7", state.as_ref(), vu())), "instruction, wake absent");
}

#[test]
fn an_open_dossier_is_read_again_when_the_complete_lists_leave_it_out() {
    let state = after(vec![lu(lecture(EtatDs::EnConstruction, 1, 3))]);
    let minutes = 24 * 60;
    let vu = Input::Event(Event::Vu { modifie_le: at(3), relire: false });
    let listed = run_as("dossier/7", state.as_ref(), vu, minutes, "liste");
    let Decision::Next { state, effects } = listed else { panic!("its wake-up moves") };
    let [Effect::WakeAt { at: wake, reason }] = effects.as_slice() else { panic!("nothing else") };
    assert_eq!(
        (*wake, reason.as_str()),
        (at(minutes + 36 * 60 + 7), ABSENT),
        "after the next list"
    );
    let wake = Input::Wake { reason: ABSENT.to_owned() };
    let read = run("dossier/7", Some(&state), wake);
    assert_eq!(summary(&read), "instruction, ask lire-dossier");
}

#[test]
fn a_page_that_is_too_heavy_is_halved_and_grows_again() {
    let mut poll = Poll::new();
    let mut ask = poll.wake();
    for expected in [50, 25, 12] {
        ask = asked(&poll.answer(&ask, Answer::PageTropLourde)).expect("again");
        assert_eq!((ask.taille, ask.apres.as_deref()), (expected, None));
        assert!(ask.disparus_depuis.is_some());
    }
    ask = asked(&poll.answer(&ask, Answer::Page(page(&[(1, 3)], true)))).expect("next");
    assert_eq!(ask.taille, 24);
}

#[test]
fn a_new_form_has_every_open_dossier_read_again() {
    let mut poll = Poll::new();
    poll.pass(page(&[(1, 3)], false));
    let ask = poll.wake();
    let changed = Page { revision: "r2".to_owned(), ..page(&[], false) };
    let again = asked(&poll.answer(&ask, Answer::Page(changed.clone()))).expect("a full pass");
    assert_eq!(again.depuis, config().since);
    assert_eq!(poll.demarche().passe.as_ref().map(|p| p.genre), Some(Genre::Relecture));
    let mut all = Page { dossiers: page(&[(1, 3), (2, 1)], false).dossiers, ..changed };
    all.dossiers[1].etat = EtatDs::Accepte;
    assert_eq!(told(poll.answer(&again, Answer::Page(all))).first(), Some(&vu(1, 3, true)));
    assert!(poll.demarche().passe.is_none());
}

#[test]
fn every_open_dossier_is_listed_once_a_day() {
    let mut poll = Poll::new();
    poll.pass(page(&[(1, 3), (2, 500)], false));
    poll.now += 24 * 60;
    let ask = poll.wake();
    assert_eq!(ask.depuis, config().since);
    let mut all = page(&[(1, 3), (3, 4), (2, 500)], false);
    all.dossiers[1].etat = EtatDs::Accepte;
    let told = told(poll.answer(&ask, Answer::Page(all)));
    assert_eq!(told, [vu(1, 3, false)], "decided ones are left alone, known ones are not retold");
    assert_ne!(poll.wake().depuis, config().since);
}

#[test]
fn those_that_disappear_are_told_once_each_time() {
    let mut poll = Poll::new();
    let gone = |numeros: &[u64]| {
        let of =
            |n: &u64| DossierDisparu { numero: *n, raison: RaisonDisparition::Expire, le: at(1) };
        Page { disparus: Some(numeros.iter().map(of).collect()), ..page(&[], false) }
    };
    assert_eq!(poll.pass(gone(&[1, 2])).len(), 2);
    assert_eq!(poll.pass(gone(&[1, 2, 3])).len(), 1);
    assert_eq!(poll.pass(gone(&[2, 3])).len(), 0);
    assert_eq!(poll.pass(gone(&[1, 2, 3])).len(), 1, "restored, then deleted again");
}

#[test]
fn a_pass_that_never_ends_is_begun_again() {
    let mut poll = Poll::new();
    poll.wake();
    let effects = poll.give(Input::Wake { reason: "releve".to_owned() });
    assert_eq!(asked(&effects), None, "still in progress");
    poll.now += 61;
    assert!(asked(&poll.give(Input::Wake { reason: "releve".to_owned() })).is_some());
}

#[test]
fn facts_wait_in_the_engagement_until_its_dossier_is_known() {
    let engagement = "eng0000001".parse().expect("engagement");
    let agenda = messages::Agenda { engagement, url: "https://rdv.example".to_owned() };
    let open = message(Message::AgendaOuvert(messages::AgendaOuvert(agenda.clone())));
    let first = run("engagement/eng0000001", None, open.clone());
    assert_eq!(summary(&first), "engagement");
    let Decision::Next { state, .. } = first else { panic!("kept") };
    let body = serde_json::json!({
        "engagement": "eng0000001", "dossier": 7,
        "medecin": { "rpps": "99790000014", "civilite": "M", "nom": "EXEMPLE", "prenom": "Jean",
            "courriel": "jean@medecins.example", "telephone": "0600000000",
            "mode_exercice": "salarie", "departement_exercice_principal": "63",
            "cdom_inscription": "63" },
        "lieu": { "id": "ambert", "nom": "Centre", "adresse": "", "commune": "Ambert",
            "departement": "63" },
        "creneaux_souhaites": [], "remplacement_autorise": false, "situation": "ouverte",
        "a_compter_du": "2026-03-10", "cause": null,
    });
    let activite = messages::ActiviteAutorisee(serde_json::from_value(body).expect("activity"));
    let known = message(Message::ActiviteAutorisee(activite));
    let second = run("engagement/eng0000001", Some(&state), known.clone());
    assert_eq!(
        summary(&second),
        "engagement, tell dossier/7, tell medecin/99790000014, tell dossier/7"
    );
    let Decision::Next { state, .. } = second else { panic!("known") };
    let third = run("engagement/eng0000001", Some(&state), known);
    assert_eq!(summary(&third), "engagement, tell dossier/7, tell medecin/99790000014");
    let later = run("engagement/eng0000001", Some(&state), open);
    assert_eq!(summary(&later), "engagement, tell dossier/7");
}

#[test]
fn a_key_of_no_state_is_refused() {
    let (config, referentiel) = (config(), register());
    for key in ["dossier/x", "autre/1", "rien"] {
        let cx =
            Context { now: at(0), config: &config, referentiel: &referentiel, key, cause: "c" };
        let refusal = decide(None, Input::Event(Event::Relire), &cx).expect_err("refused");
        assert_eq!(refusal.code, "cle-inconnue");
    }
}
