//! The table: given a state, when an input comes, then what follows.

use std::fmt::Write as _;

use super::*;
use crate::decide::suite::ABSENT;

/// Every state of a dossier, by its way there.
pub(super) fn states() -> Vec<(&'static str, Option<State>)> {
    let complete = || lu(lecture(EtatDs::EnConstruction, 1, 0));
    let wrong = || lu(incomplete(lecture(EtatDs::EnConstruction, 1, 0)));
    let ouverte = || Input::Event(Event::Activite(resume(messages::Situation::Ouverte)));
    let refused = || {
        message(Message::CandidatureRefusee(messages::CandidatureRefusee {
            dossier: contracts::DossierId(7),
            cdom: "63".parse().expect("cdom"),
        }))
    };
    let complement = || complement(1);
    let unknown = || message(Message::MedecinIdentifie(identifie(false, false)));
    let deleted =
        || Input::Event(Event::Disparu { raison: RaisonDisparition::SupprimeParUsager, le: at(3) });
    let vu = || Input::Event(Event::Vu { modifie_le: at(0), relire: false });
    vec![
        ("absent", None),
        ("vu", after(vec![vu()])),
        ("incomplet", after(vec![wrong()])),
        ("instruction", after(vec![complete()])),
        ("rpps-inconnu", after(vec![complete(), unknown()])),
        ("complement", after(vec![complete(), complement()])),
        ("autorisee", after(vec![complete(), ouverte()])),
        ("refusee", after(vec![complete(), refused()])),
        ("retiree", after(vec![complete(), deleted()])),
    ]
}

pub(super) fn complement(rang: u32) -> Input<DsIntake> {
    message(Message::ComplementDemande(messages::ComplementDemande {
        dossier: contracts::DossierId(7),
        rang,
        champs: vec!["telephone".to_owned()],
    }))
}

/// Every input of a dossier.
pub(super) fn inputs() -> Vec<(&'static str, Input<DsIntake>)> {
    let answer = |ask: Ask, answer| Input::Answer { ask, answer, id: Uuid::nil() };
    let ecrire = |cible| Ask::Ecrire { numero: 7, cible };
    let engagement = || "eng0000001".parse().expect("engagement");
    let activite = |situation| Input::Event(Event::Activite(resume(situation)));
    let mut all = vec![
        ("vu plus tard", Input::Event(Event::Vu { modifie_le: at(30), relire: false })),
        ("vu, deja lu", Input::Event(Event::Vu { modifie_le: at(0), relire: false })),
        ("a relire", Input::Event(Event::Vu { modifie_le: at(0), relire: true })),
        ("disparu", Input::Event(Event::Disparu { raison: RaisonDisparition::Expire, le: at(30) })),
        ("operateur: relire", Input::Event(Event::Relire)),
        (
            "tache inconnue",
            Input::Event(Event::TacheFermee { tache: Uuid::nil(), par: "x".to_owned() }),
        ),
        ("demarrer", Input::Event(Event::Demarrer)),
        ("reveil introuvable", Input::Wake { reason: "introuvable".to_owned() }),
        ("reveil inconnu", Input::Wake { reason: "?".to_owned() }),
        ("lu, inchange", lu(lecture(EtatDs::EnConstruction, 1, 30))),
        ("lu, incomplet", lu(incomplete(lecture(EtatDs::EnConstruction, 2, 30)))),
        ("lu, redepose", lu(lecture(EtatDs::EnConstruction, 2, 30))),
        ("lu, en instruction", lu(lecture(EtatDs::EnInstruction, 1, 30))),
        ("lu, accepte", lu(lecture(EtatDs::Accepte, 1, 30))),
        ("lu, refuse", lu(lecture(EtatDs::Refuse, 1, 30))),
        ("lu, sans suite", lu(lecture(EtatDs::SansSuite, 1, 30))),
        ("introuvable", answer(Ask::Lire { numero: 7 }, Answer::Introuvable)),
        ("ecrit accepte", answer(ecrire(Cible::Accepte), Answer::Ecrit { etat: EtatDs::Accepte })),
        (
            "empeche d'accepter",
            answer(ecrire(Cible::Accepte), Answer::Empeche { etat: EtatDs::EnConstruction }),
        ),
        (
            "empeche d'instruire",
            answer(ecrire(Cible::EnInstruction), Answer::Empeche { etat: EtatDs::EnConstruction }),
        ),
        ("annote", answer(Ask::Lire { numero: 7 }, Answer::Annote)),
        ("identifie", message(Message::MedecinIdentifie(identifie(true, true)))),
        ("inactif", message(Message::MedecinIdentifie(identifie(true, false)))),
        ("inconnu", message(Message::MedecinIdentifie(identifie(false, false)))),
        ("complement 1", complement(1)),
        ("complement 2", complement(2)),
        ("activite ouverte", activite(messages::Situation::Ouverte)),
        ("activite terminee", activite(messages::Situation::Terminee)),
        (
            "agenda",
            Input::Event(Event::Agenda { engagement: engagement(), ouvert: true, url: None }),
        ),
        ("reveil absent", Input::Wake { reason: ABSENT.to_owned() }),
        ("doublon", Input::Event(Event::Doublon { lieux: vec!["ambert".parse().expect("site")] })),
        (
            "accepte sans instructeur",
            answer(
                Ask::Lire { numero: 7 },
                Answer::LuSansInstructeur {
                    lecture: Box::new(lecture(EtatDs::Accepte, 1, 30)),
                    stable: true,
                },
            ),
        ),
    ];
    let divergent = messages::MedecinRppsDivergent {
        identite: identifie(true, false),
        divergences: vec!["plus-actif".to_owned()],
    };
    all.push(("divergent", message(Message::MedecinRppsDivergent(divergent))));
    let refused = messages::CandidatureRefusee {
        dossier: contracts::DossierId(7),
        cdom: "63".parse().expect("cdom"),
    };
    all.push(("refusee", message(Message::CandidatureRefusee(refused))));
    let mode = messages::ModeFacturation::Papier;
    let billing = Event::Facturation { engagement: engagement(), mode };
    all.push(("facturation", Input::Event(billing)));
    all
}

#[test]
fn every_state_and_every_input() {
    let mut table = String::new();
    for (given, state) in states() {
        for (when, input) in inputs() {
            let decision = run("dossier/7", state.as_ref(), input);
            writeln!(table, "{given} | {when} | {}", summary(&decision)).expect("a string");
        }
    }
    let expected = include_str!("matrice.txt");
    for (line, wanted) in table.lines().zip(expected.lines()) {
        assert_eq!(line, wanted);
    }
    assert_eq!(table.lines().count(), expected.lines().count());
}
