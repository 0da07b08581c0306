//! Every kind of state × every input: each pair is decided, ignored or refused, never a panic.

use super::*;

/// No state, then one of each kind.
fn states() -> [Option<State>; 6] {
    let mut month = Key::new(MONTH, "2026-02-04T05:00:00Z");
    month.event(held(1, &[M], 1));
    let mut engagement = Key::new("engagement/0aaaaaaaaa", "2026-02-04T05:00:00Z");
    let open = ActiviteAutorisee(activite(Situation::Ouverte, "2026-01-10"));
    engagement.give(message(Incoming::ActiviteAutorisee(open), Origin::Relais));
    let etat = Etat {
        cpam: id("631"),
        en_attente: BTreeMap::new(),
        rangs: BTreeMap::new(),
        cloture: None,
    };
    let line = LigneEmise { rpps: id(RPPS), date: id("2026-02-03"), reglement: Reglement::Attendu };
    let emis = EtatEmis {
        cpam: id("631"),
        mois: id("2026-02"),
        rang: 1,
        lignes: BTreeMap::from([(Uuid::from_u128(1), line)]),
        releve: None,
        a_transmettre: None,
        en_retard: None,
    };
    [
        None,
        engagement.state,
        month.state,
        Some(State::Attestation(Attestation { presences: BTreeMap::new(), questions: Vec::new() })),
        Some(State::Etat(etat)),
        Some(State::EtatEmis(emis)),
    ]
}

fn messages() -> Vec<(&'static str, Input<Indemnite>)> {
    let open = || activite(Situation::Ouverte, "2026-01-10");
    let day = || vacation("2026-02-03", &[M], 1);
    let cpam = || Origin::Agence(id::<Agence>("cpam.631"));
    let demande = Demande { id: DEMANDE, rang: 1 };
    let (ligne, date) = (Uuid::from_u128(1), id("2026-03-12"));
    let paid = PaiementEffectue { demande, lignes: vec![ligne], date };
    let rejected = PaiementRejete { demande, ligne, code: "x".to_owned() };
    let relais = |m| message(m, Origin::Relais);
    vec![
        ("?o????", relais(Incoming::ActiviteAutorisee(ActiviteAutorisee(open())))),
        ("?o????", relais(Incoming::ActiviteModifiee(ActiviteModifiee(open())))),
        ("?o????", relais(Incoming::ActiviteSuspendue(ActiviteSuspendue(open())))),
        ("?o????", relais(Incoming::ActiviteRetablie(ActiviteRetablie(open())))),
        ("?o????", relais(Incoming::ActiviteTerminee(ActiviteTerminee(open())))),
        ("?o????", relais(Incoming::FacturationOuverte(facturation(Rib::Present)))),
        ("?o????", relais(Incoming::VacationPlanifiee(VacationPlanifiee(day())))),
        ("?o????", relais(Incoming::VacationAnnulee(VacationAnnulee(day())))),
        ("?o????", relais(Incoming::VacationRealisee(VacationRealisee(day())))),
        ("xxxxxo", message(Incoming::PaiementEffectue(paid), cpam())),
        ("xxxxxo", message(Incoming::PaiementRejete(rejected), cpam())),
    ]
}

fn events() -> Vec<(&'static str, Input<Indemnite>)> {
    let (ligne, date) = (Uuid::from_u128(1), id("2026-03-12"));
    let (par, code) = ("agent".to_owned(), "x".to_owned());
    let emettre =
        Event::Emettre { cpam: id("631"), mois: id("2026-02"), rang: 1, lignes: Vec::new() };
    let given = Event::Ligne { cpam: id("631"), ligne: Box::new(super::ligne(1, "2026-02-03")) };
    let corriger =
        Event::Corriger { ligne, centimes: Centimes(1), motif: code.clone(), par: par.clone() };
    let constate = Event::PaiementConstate { lignes: Vec::new(), date };
    let all = [
        ("oxoxxx", held(2, &[M], 1)),
        ("oxoxxx", billing(1, Rib::Present)),
        ("oxoxxx", presence(true)),
        ("oxxoxx", asked(1, "0aaaaaaaaa", &[M])),
        ("xxxixx", Event::Attestee { question: 1, choix: Choix::Presents }),
        ("xxxxxx", Event::Confirmee { question: 1, confirme: true }),
        ("oxxxox", given),
        // An existing statement ignores a second emission.
        ("oxxxxi", emettre),
        ("xxxxxx", Event::Payee { ligne, date }),
        ("xxxxxx", Event::Rejetee { ligne, code: code.clone() }),
        ("xxxxxx", corriger),
        ("ixxxix", Event::Cloturer { par: par.clone() }),
        ("xxxxxo", constate),
        ("xxxxxo", Event::RejetConstate { ligne, code }),
        ("xxiixi", closed(Uuid::nil(), &[])),
    ];
    all.into_iter().map(|(expected, event)| (expected, Input::Event(event))).collect()
}

fn others() -> Vec<(&'static str, Input<Indemnite>)> {
    let wake = |reason: &str| Input::Wake { reason: reason.to_owned() };
    vec![
        ("iiiiii", wake("inconnu/9")),
        ("iioiii", wake("echeance/0aaaaaaaaa-2026-02-03")),
        ("iiiiii", wake("demander")),
        ("ixooxx", super::attestations::sent(1)),
        ("ixiixx", super::attestations::sent(0)),
    ]
}

#[test]
fn every_state_meets_every_input() {
    let rows = messages().into_iter().chain(events()).chain(others());
    for (expected, input) in rows {
        for (outcome, state) in expected.chars().zip(states()) {
            let name = match &state {
                Some(State::EtatEmis(_)) | None => "etat-emis/00000000-0000-0000-0000-00000000004d",
                Some(_) => "cle",
            };
            let mut key = Key {
                name,
                state: state.clone(),
                now: at("2026-02-04T05:00:00Z"),
                inputs: 0,
                config: Config::default(),
            };
            let decided = match key.try_give(input.clone()) {
                Ok(Decision::Next { .. }) => 'o',
                Ok(Decision::Ignore(_)) => 'i',
                Err(_) => 'x',
            };
            let expected = match (outcome, &state) {
                // Facts about an engagement open it, and belong to no other kind of state.
                ('?', None) => 'o',
                ('?', Some(_)) => 'x',
                (other, _) => other,
            };
            assert_eq!(decided, expected, "{input:?}\non {state:?}");
        }
    }
}

#[test]
fn a_decision_taken_twice_is_the_same() {
    for (_, input) in messages().into_iter().chain(events()).chain(others()) {
        for state in states() {
            let decide = || {
                let name = "etat-emis/00000000-0000-0000-0000-00000000004d";
                let now = at("2026-02-04T05:00:00Z");
                let mut key =
                    Key { name, state: state.clone(), now, inputs: 0, config: Config::default() };
                format!("{:?}", key.try_give(input.clone()))
            };
            assert_eq!(decide(), decide());
        }
    }
}
