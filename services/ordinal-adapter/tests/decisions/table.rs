//! Every state of a dossier × every input: one line each in `table.txt`.

use contracts::messages::{
    CandidatureDeposee, CandidatureModifiee, CandidatureRetiree, Issue, MedecinRppsDivergent,
};
use ordinal_adapter::{
    Event, OrdinalAdapter, State,
    state::{Dossier, Engagement, Motif},
};
use service::Input;

use crate::{
    banc::Banc,
    monde::{
        CLE, DS, N, RPPS, autre_rpps, banc, candidature, de, decision_ds, demande, depart, du_cdom,
        identite, rendue, rpps,
    },
};

pub(crate) fn nom(state: &State) -> String {
    let name = match state {
        State::Dossier(dossier) => match &**dossier {
            Dossier::Attendu { .. } => "attendu",
            Dossier::Identification { attente, .. } => match attente.motif {
                Motif::Identite => "identification",
                Motif::Correction => "correction",
                Motif::Anterieure => "anterieure",
            },
            Dossier::Verification { .. } => "verification",
            Dossier::Complement { .. } => "complement",
            Dossier::Autorise { .. } => "autorise",
            Dossier::Refuse { .. } => "refuse",
            Dossier::Retire { .. } => "retire",
        },
        State::Engagement(engagement) => match &**engagement {
            Engagement::Attendu { .. } => "attendu",
            Engagement::Connu(_) => "connu",
        },
        State::Medecin(_) => "medecin",
    };
    name.to_owned()
}

fn etats() -> Vec<(&'static str, Banc<OrdinalAdapter>)> {
    let deposee = |banc: &mut Banc<OrdinalAdapter>| {
        banc.fait(DS, 1, &CandidatureDeposee(candidature("63", &["ambert"])));
    };
    let asked = || {
        let mut banc = banc();
        deposee(&mut banc);
        banc.fait(RPPS, 1, &identite(rpps(), true));
        banc
    };
    let answered = |issue| {
        let mut banc = asked();
        banc.reponse(&crate::monde::cdom("63"), &rendue(1, issue));
        banc
    };
    let mut kept = banc();
    kept.fait(RPPS, 1, &identite(rpps(), true));
    let mut identification = banc();
    deposee(&mut identification);
    let mut correction = banc();
    deposee(&mut correction);
    correction.fait(RPPS, 1, &identite(rpps(), false));
    let mut retire = asked();
    retire.fait(DS, 2, &retiree());
    vec![
        ("(rien)", banc()),
        ("attendu", kept),
        ("identification", identification),
        ("correction", correction),
        ("verification", asked()),
        ("complement", answered(Issue::Complement)),
        ("autorise", answered(Issue::Favorable)),
        ("refuse", answered(Issue::Defavorable)),
        ("retire", retire),
    ]
}

fn retiree() -> CandidatureRetiree {
    CandidatureRetiree { dossier: N, rpps: Some(rpps()), cause: "expire".to_owned() }
}

fn entrees() -> Vec<(&'static str, Input<OrdinalAdapter>)> {
    let base = || candidature("63", &["ambert"]);
    let mut contact = base();
    contact.medecin.telephone = String::from("0611111111");
    let mut corrigee = base();
    corrigee.medecin.rpps = autre_rpps();
    let divergent = MedecinRppsDivergent {
        identite: identite(rpps(), false),
        divergences: vec!["disparu".into()],
    };
    let lien = |issue| Input::Event(Event::ReponseLien { demande: demande(1), issue });
    let fermer = Event::FermerTache { tache: demande(9), par: "x".to_owned(), issue: None };
    let wake = |reason: &str| Input::Wake { reason: reason.to_owned() };
    vec![
        ("deposee", de(DS, &CandidatureDeposee(base()))),
        ("modifiee: contact", de(DS, &CandidatureModifiee(contact))),
        ("modifiee: rpps", de(DS, &CandidatureModifiee(corrigee))),
        (
            "modifiee: lieu inconnu",
            de(DS, &CandidatureModifiee(candidature("63", &["nulle-part"]))),
        ),
        ("retiree", de(DS, &retiree())),
        ("identifie: trouve", de(RPPS, &identite(rpps(), true))),
        ("identifie: inconnu", de(RPPS, &identite(rpps(), false))),
        ("divergent", de(RPPS, &divergent)),
        ("ds: favorable", de(DS, &decision_ds(Issue::Favorable))),
        ("ds: defavorable", de(DS, &decision_ds(Issue::Defavorable))),
        ("ds: complement", de(DS, &decision_ds(Issue::Complement))),
        ("rendue: favorable", du_cdom("63", &rendue(1, Issue::Favorable))),
        ("rendue: defavorable", du_cdom("63", &rendue(1, Issue::Defavorable))),
        ("rendue: complement", du_cdom("63", &rendue(1, Issue::Complement))),
        ("rendue: autre cdom", du_cdom("03", &rendue(1, Issue::Favorable))),
        ("rendue: autre demande", du_cdom("63", &rendue(7, Issue::Favorable))),
        ("lien: favorable", lien(Issue::Favorable)),
        ("lien: defavorable", lien(Issue::Defavorable)),
        ("tache inconnue", Input::Event(fermer)),
        ("reveil identite", wake("identite")),
        ("reveil relance", wake("relance")),
    ]
}

#[test]
fn every_state_takes_every_input() {
    let mut table = String::new();
    for (etat, banc) in etats() {
        assert_eq!(banc.now, depart());
        for (entree, input) in entrees() {
            let outcome = banc.essai(CLE, input, nom);
            table.extend([etat, " + ", entree, " = ", &outcome, "\n"]);
        }
        table.push('\n');
    }
    let expected = include_str!("table.txt");
    assert!(table == expected, "the table is now:\n{table}");
}
