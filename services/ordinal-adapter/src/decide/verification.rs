//! What a CDOM answers, whatever the way it comes: its queue, an answer link, Démarches
//! simplifiées, an operator who was told.

use chrono::Days;
use contracts::{
    Agence,
    messages::{CandidatureRefusee, ComplementDemande, DecisionLueDs, Issue, VerificationRendue},
};
use service::{Decision, Refusal};
use uuid::Uuid;

use super::{
    Cx, Dossier, Effet, Verdict, Voie,
    dossier::{IDENTITE, RELANCE, engager, inscrire},
    effets::{fermer, fermer_toutes, matin, ouvrir},
    next,
};
use crate::{
    agency::VERIFICATION,
    state::{Cloture, DemandeFaite, Instruction, Reponse, Taches},
};

/// An answer on the agency's queue: from the CDOM that was asked, to the request that waits.
pub(super) fn rendue(
    dossier: Option<&Dossier>,
    m: &VerificationRendue,
    agence: &Agence,
    cx: &Cx<'_>,
) -> Verdict {
    let unknown = || Refusal::new("demande-inconnue", "no verification with this id was asked");
    let dossier = dossier.ok_or_else(unknown)?;
    let (demande, current) = find(dossier, m.demande.id).ok_or_else(unknown)?;
    if Agence::cdom(&demande.cdom) != *agence {
        return Err(Refusal::new(
            "mauvaise-agence",
            format!("{agence} answered a request made to cdom.{}", demande.cdom),
        ));
    }
    if matches!(dossier, Dossier::Retire { .. }) {
        return Ok(Decision::Ignore("candidature-retiree"));
    }
    if !current {
        return if demande.issue == Some(m.issue) {
            Ok(Decision::Ignore("reponse-repetee"))
        } else {
            Err(Refusal::new("demande-depassee", "a later verification took this one's place"))
        };
    }
    let reponse = Reponse { issue: m.issue, voie: Voie::File, rendue_le: m.rendue_le };
    repondre(dossier, reponse, m.champs.clone(), cx)
}

/// An answer link: only the request that waits may be answered by it.
pub(super) fn lien(dossier: Option<&Dossier>, demande: Uuid, issue: Issue, cx: &Cx<'_>) -> Verdict {
    let Some(dossier) = dossier else { return Ok(Decision::Ignore("question-inconnue")) };
    let current = find(dossier, demande).is_some_and(|(_, current)| current);
    let answered = match dossier {
        Dossier::Complement { reponse, .. }
        | Dossier::Autorise { reponse, .. }
        | Dossier::Refuse { reponse, .. } => reponse.voie == Voie::Lien,
        Dossier::Attendu { .. } | Dossier::Identification { .. } | Dossier::Verification { .. } => {
            false
        }
        Dossier::Retire { .. } => true,
    };
    if !current || answered {
        return Ok(Decision::Ignore("question-close"));
    }
    repondre(dossier, Reponse { issue, voie: Voie::Lien, rendue_le: cx.now }, Vec::new(), cx)
}

/// A decision taken on Démarches simplifiées itself.
pub(super) fn lue_ds(dossier: Option<&Dossier>, m: DecisionLueDs, cx: &Cx<'_>) -> Verdict {
    let reponse = Reponse { issue: m.issue, voie: Voie::Ds, rendue_le: m.rendue_le };
    match dossier {
        None => Ok(next(Dossier::Attendu { identite: None, decision: Some(m) })),
        Some(Dossier::Attendu { identite, .. }) => {
            Ok(next(Dossier::Attendu { identite: identite.clone(), decision: Some(m) }))
        }
        Some(dossier) => repondre(dossier, reponse, Vec::new(), cx),
    }
}

/// An operator closes a task, with the CDOM's answer when it was given by phone.
pub(super) fn tache_fermee(
    dossier: &Dossier,
    tache: Uuid,
    par: &str,
    issue: Option<Issue>,
    cx: &Cx<'_>,
) -> Verdict {
    let mut dossier = dossier.clone();
    let Some((_, faite)) = taches(&mut dossier).and_then(|t| fermer(t, tache, par)) else {
        return Ok(Decision::Ignore("tache-inconnue"));
    };
    let reponse = issue.map(|issue| Reponse { issue, voie: Voie::Operateur, rendue_le: cx.now });
    match (&dossier, reponse) {
        (
            Dossier::Identification { .. }
            | Dossier::Verification { .. }
            | Dossier::Complement { .. },
            Some(reponse),
        ) => {
            let decision = repondre(&dossier, reponse, Vec::new(), cx)?;
            Ok(match decision {
                Decision::Next { .. } => decision.with(faite),
                Decision::Ignore(_) => next(dossier).with(faite),
            })
        }
        (Dossier::Verification { demande, .. }, None) if spent(demande, cx) => {
            let again = cx.today() + Days::new(cx.config.nouvelle_escalade_jours.into());
            Ok(next(dossier).with(faite).wake_at(matin(again), RELANCE))
        }
        (_, Some(_) | None) => Ok(next(dossier).with(faite)),
    }
}

/// No reminder is left: what comes next is an escalation.
fn spent(demande: &DemandeFaite, cx: &Cx<'_>) -> bool {
    usize::try_from(demande.rang).unwrap_or(usize::MAX) > cx.config.relances_jours.len()
}

/// The open tasks of a dossier, in whatever state.
fn taches(dossier: &mut Dossier) -> Option<&mut Taches> {
    match dossier {
        Dossier::Attendu { .. } => None,
        Dossier::Identification { instruction, .. }
        | Dossier::Verification { instruction, .. }
        | Dossier::Complement { instruction, .. }
        | Dossier::Autorise { instruction, .. } => Some(&mut instruction.taches),
        Dossier::Refuse { cloture, .. } | Dossier::Retire { cloture } => Some(&mut cloture.taches),
    }
}

/// The request of that id, and whether it is the last one made.
fn find(dossier: &Dossier, id: Uuid) -> Option<(&DemandeFaite, bool)> {
    let (earlier, last) = match dossier {
        Dossier::Attendu { .. } => return None,
        Dossier::Identification { instruction, .. } => (&instruction.demandes, None),
        Dossier::Verification { instruction, demande } => (&instruction.demandes, Some(demande)),
        Dossier::Complement { instruction, demande, .. }
        | Dossier::Autorise { instruction, demande, .. } => {
            (&instruction.demandes, demande.as_ref())
        }
        Dossier::Refuse { cloture, .. } | Dossier::Retire { cloture } => {
            (&cloture.demandes, cloture.demandes.last())
        }
    };
    match last {
        Some(demande) if demande.id == id => Some((demande, true)),
        Some(_) | None => earlier.iter().find(|d| d.id == id).map(|d| (d, false)),
    }
}

/// Applies an answer where one is awaited; compares it with the one that was given otherwise.
fn repondre(dossier: &Dossier, reponse: Reponse, champs: Vec<String>, cx: &Cx<'_>) -> Verdict {
    match dossier.clone() {
        Dossier::Identification { instruction, .. } => {
            trancher(instruction, None, reponse, champs, cx)
        }
        Dossier::Verification { instruction, demande } => {
            trancher(instruction, Some(demande), reponse, champs, cx)
        }
        Dossier::Complement { reponse: given, .. } if given.issue == reponse.issue => {
            Ok(Decision::Ignore("reponse-repetee"))
        }
        // The CDOM got what it wanted without Relais, or thought again.
        Dossier::Complement { instruction, demande, .. } => {
            trancher(instruction, demande, reponse, champs, cx)
        }
        Dossier::Autorise { mut instruction, demande, reponse: given } => {
            let effets = match comparer(given, reponse) {
                Comparaison::Vue(reason) => return Ok(Decision::Ignore(reason)),
                Comparaison::Contraire => {
                    contradiction(&mut instruction.taches, given, reponse, cx)
                }
            };
            if effets.is_empty() {
                return Ok(Decision::Ignore("contradiction-connue"));
            }
            Ok(next(Dossier::Autorise { instruction, demande, reponse: given }).with_all(effets))
        }
        Dossier::Refuse { mut cloture, reponse: given } => {
            let effets = match comparer(given, reponse) {
                Comparaison::Vue(reason) => return Ok(Decision::Ignore(reason)),
                Comparaison::Contraire => contradiction(&mut cloture.taches, given, reponse, cx),
            };
            if effets.is_empty() {
                return Ok(Decision::Ignore("contradiction-connue"));
            }
            Ok(next(Dossier::Refuse { cloture, reponse: given }).with_all(effets))
        }
        Dossier::Retire { .. } => Ok(Decision::Ignore("candidature-retiree")),
        Dossier::Attendu { .. } => {
            Err(Refusal::new("demande-inconnue", "no verification was asked for this dossier"))
        }
    }
}

enum Comparaison {
    /// Known, or overtaken by the decision that followed it.
    Vue(&'static str),
    /// The opposite of what was decided.
    Contraire,
}

fn comparer(given: Reponse, other: Reponse) -> Comparaison {
    if given.issue == other.issue {
        Comparaison::Vue("reponse-repetee")
    } else if other.issue == Issue::Complement && other.rendue_le <= given.rendue_le {
        Comparaison::Vue("reponse-depassee")
    } else {
        Comparaison::Contraire
    }
}

/// Two answers that exclude each other: nothing changes until a person spoke to the CDOM.
fn contradiction(taches: &mut Taches, given: Reponse, other: Reponse, cx: &Cx<'_>) -> Vec<Effet> {
    let distinct = format!("{} {:?}", other.voie.as_str(), other.issue);
    let text = |r: Reponse| format!("{} ({})", libelle(r.issue), r.voie.as_str());
    let champs = [("retenue", text(given)), ("contraire", text(other))];
    ouvrir(taches, cx, "reponses-contradictoires", &distinct, &champs)
}

fn libelle(issue: Issue) -> &'static str {
    match issue {
        Issue::Favorable => "favorable",
        Issue::Defavorable => "défavorable",
        Issue::Complement => "complément demandé",
    }
}

/// Takes the CDOM's decision: the request is settled, its reminders and tasks end.
pub(super) fn trancher(
    mut instruction: Instruction,
    demande: Option<DemandeFaite>,
    reponse: Reponse,
    champs: Vec<String>,
    cx: &Cx<'_>,
) -> Verdict {
    let demande = demande.map(|d| DemandeFaite { issue: Some(reponse.issue), ..d });
    let mut effets = fermer_toutes(&mut instruction.taches);
    effets.push(Effet::CancelWake(IDENTITE.to_owned()));
    effets.push(Effet::CancelWake(RELANCE.to_owned()));
    effets.push(Effet::CancelAsks(VERIFICATION));
    let dossier = instruction.candidature.dossier;
    let state = match reponse.issue {
        Issue::Favorable => {
            effets.push(inscrire(&instruction.candidature, true));
            effets.extend(engager(&instruction, cx)?);
            Dossier::Autorise { instruction, demande, reponse }
        }
        Issue::Defavorable => {
            let cdom = instruction.cdom().clone();
            effets.push(Effet::publish(&CandidatureRefusee { dossier, cdom }));
            instruction.demandes.extend(demande);
            let cloture = Cloture { demandes: instruction.demandes, taches: instruction.taches };
            Dossier::Refuse { cloture, reponse }
        }
        Issue::Complement => {
            instruction.complements += 1;
            let rang = instruction.complements;
            effets.push(Effet::publish(&ComplementDemande { dossier, rang, champs }));
            Dossier::Complement { instruction, demande, reponse }
        }
    };
    Ok(next(state).with_all(effets))
}
