//! An application until its CDOM is asked: complete versions, identity, withdrawal, reminders.

use chrono::Days;
use contracts::{
    Agence, DossierId,
    messages::{Candidature, Issue, MedecinIdentifie},
};
use kernel::derive_id;
use service::{Decision, Service};

use super::{
    Cx, Decided, Dossier, Effet, Event, Verdict, Voie,
    effets::{champs_cdom, echeance, escalade, fermer_toutes, lieux, ouvrir, transmettre},
    next, verification,
};
use crate::{
    OrdinalAdapter,
    agency::VERIFICATION,
    state::{
        Attente, Cloture, DemandeFaite, Engager, Instruction, Motif, Reponse, cle_engagement,
        cle_medecin, engagement_id,
    },
};

/// Reason of the wake-up that ends the wait for an identity.
pub(super) const IDENTITE: &str = "identite";
/// Reason of the wake-up that reminds, then escalates.
pub(super) const RELANCE: &str = "relance";

/// A complete version of the application, the first one or a later one.
pub(super) fn candidature(
    dossier: Option<&Dossier>,
    candidature: Candidature,
    cx: &Cx<'_>,
) -> Verdict {
    if let Some(Dossier::Refuse { .. } | Dossier::Retire { .. }) = dossier {
        return Ok(Decision::Ignore("dossier-clos"));
    }
    lieux(&candidature, cx)?;
    match dossier.cloned().unwrap_or(Dossier::Attendu { identite: None, decision: None }) {
        Dossier::Attendu { identite, decision } => {
            let inscrire = inscrire(&candidature, false);
            let instruction = Instruction::new(candidature, identite);
            let verdict = match decision {
                Some(d) if d.issue != Issue::Complement => verification::trancher(
                    instruction,
                    None,
                    Reponse { issue: d.issue, voie: Voie::Ds, rendue_le: d.rendue_le },
                    Vec::new(),
                    cx,
                )?,
                Some(_) | None => identifier(instruction, None, cx)?,
            };
            Ok(verdict.with(inscrire))
        }
        Dossier::Identification { instruction, attente } => {
            let (instruction, effets) = revise(instruction, candidature);
            Ok(identifier(instruction, Some(&attente), cx)?.with_all(effets))
        }
        Dossier::Verification { instruction, demande } => {
            let asked_again = !modifications(&instruction.candidature, &candidature).is_empty();
            let (mut instruction, mut effets) = revise(instruction, candidature);
            if !asked_again {
                return Ok(next(Dossier::Verification { instruction, demande }).with_all(effets));
            }
            effets.extend(fermer_toutes(&mut instruction.taches));
            instruction.demandes.push(demande);
            Ok(identifier(instruction, None, cx)?.with_all(effets))
        }
        Dossier::Complement { instruction, demande, .. } => {
            let (mut instruction, effets) = revise(instruction, candidature);
            instruction.demandes.extend(demande);
            Ok(identifier(instruction, None, cx)?.with_all(effets))
        }
        Dossier::Autorise { instruction, demande, reponse } => {
            modifiee_apres(instruction, demande, reponse, &candidature, cx)
        }
        Dossier::Refuse { .. } | Dossier::Retire { .. } => Ok(Decision::Ignore("dossier-clos")),
    }
}

/// The next version takes the place of the last one; the doctor's state hears of another CDOM.
fn revise(mut instruction: Instruction, candidature: Candidature) -> (Instruction, Vec<Effet>) {
    let (before, after) = (&instruction.candidature.medecin, &candidature.medecin);
    let moved = before.rpps != after.rpps || before.cdom_inscription != after.cdom_inscription;
    let effets = if moved { vec![inscrire(&candidature, false)] } else { Vec::new() };
    instruction.candidature = candidature;
    instruction.revision += 1;
    (instruction, effets)
}

/// What differs between two versions in what a CDOM verifies: everything but the contact and the
/// half-days wished.
fn modifications(before: &Candidature, after: &Candidature) -> Vec<&'static str> {
    let (b, a) = (&before.medecin, &after.medecin);
    let fields = [
        ("rpps", b.rpps != a.rpps),
        ("identite", (b.civilite, &b.nom, &b.prenom) != (a.civilite, &a.nom, &a.prenom)),
        ("mode_exercice", b.mode_exercice != a.mode_exercice),
        ("departement", b.departement_exercice_principal != a.departement_exercice_principal),
        ("cdom_inscription", b.cdom_inscription != a.cdom_inscription),
        ("lieux_souhaites", before.lieux_souhaites != after.lieux_souhaites),
        ("remplacement", before.remplacement_souhaite != after.remplacement_souhaite),
    ];
    fields.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

/// After the authorisation only the contact and the half-days follow; the rest is for a person.
fn modifiee_apres(
    mut instruction: Instruction,
    demande: Option<DemandeFaite>,
    reponse: Reponse,
    after: &Candidature,
    cx: &Cx<'_>,
) -> Verdict {
    let before = &mut instruction.candidature;
    let others = modifications(before, after);
    let contact = |c: &Candidature| {
        let m = &c.medecin;
        (m.courriel.clone(), m.telephone.clone(), c.creneaux_souhaites.clone())
    };
    let moved = contact(before) != contact(after);
    if !moved && others.is_empty() {
        return Ok(next(Dossier::Autorise { instruction, demande, reponse }));
    }
    (before.medecin.courriel, before.medecin.telephone, before.creneaux_souhaites) = contact(after);
    instruction.revision += 1;
    let mut effets = Vec::new();
    if moved {
        effets.extend(engager(&instruction, cx)?);
    }
    if !others.is_empty() {
        let revision = instruction.revision.to_string();
        let champs = [("dossier", after.dossier.to_string()), ("modifications", others.join(", "))];
        effets.extend(ouvrir(
            &mut instruction.taches,
            cx,
            "candidature-modifiee",
            &revision,
            &champs,
        ));
    }
    Ok(next(Dossier::Autorise { instruction, demande, reponse }).with_all(effets))
}

/// Tells the engagement of each site that the dossier is authorised for it.
pub(super) fn engager(
    instruction: &Instruction,
    cx: &Cx<'_>,
) -> Result<Vec<Effet>, service::Refusal> {
    let candidature = &instruction.candidature;
    let tell = |lieu: contracts::Lieu| Effet::Tell {
        key: cle_engagement(&engagement_id(&candidature.medecin.rpps, &lieu.id)),
        event: Event::Engager(Box::new(Engager {
            dossier: candidature.dossier,
            revision: instruction.revision,
            medecin: candidature.medecin.clone(),
            lieu,
            creneaux: candidature.creneaux_souhaites.clone(),
            remplacement: candidature.remplacement_souhaite,
        })),
    };
    Ok(lieux(candidature, cx)?.into_iter().map(tell).collect())
}

/// Tells the doctor's state which CDOM the application names, and the engagements once authorised.
pub(super) fn inscrire(candidature: &Candidature, favorable: bool) -> Effet {
    let medecin = &candidature.medecin;
    let lieux = if favorable { candidature.lieux_souhaites.as_slice() } else { &[] };
    Effet::Tell {
        key: cle_medecin(&medecin.rpps),
        event: Event::Inscrire {
            dossier: candidature.dossier,
            cdom: medecin.cdom_inscription.clone(),
            engagements: lieux.iter().map(|l| engagement_id(&medecin.rpps, l)).collect(),
        },
    }
}

/// What the RPPS says of the applicant, now or again.
pub(super) fn identite(
    dossier: Option<&Dossier>,
    identite: MedecinIdentifie,
    cx: &Cx<'_>,
) -> Verdict {
    let identite = Some(identite);
    match dossier.cloned() {
        None => Ok(next(Dossier::Attendu { identite, decision: None })),
        Some(Dossier::Attendu { decision, .. }) => {
            Ok(next(Dossier::Attendu { identite, decision }))
        }
        Some(Dossier::Identification { mut instruction, attente }) => {
            instruction.identite = identite;
            identifier(instruction, Some(&attente), cx)
        }
        Some(Dossier::Verification { mut instruction, demande }) => {
            instruction.identite = identite;
            Ok(next(Dossier::Verification { instruction, demande }))
        }
        Some(Dossier::Complement { mut instruction, demande, reponse }) => {
            instruction.identite = identite;
            Ok(next(Dossier::Complement { instruction, demande, reponse }))
        }
        Some(Dossier::Autorise { .. } | Dossier::Refuse { .. } | Dossier::Retire { .. }) => {
            Ok(Decision::Ignore("dossier-tranche"))
        }
    }
}

/// Asks the CDOM as soon as the RPPS knows the doctor; waits a bounded time otherwise.
fn identifier(instruction: Instruction, avant: Option<&Attente>, cx: &Cx<'_>) -> Verdict {
    let motif = match instruction.identite_connue() {
        Some(i) if i.trouve && i.actif => return reprendre_ou_demander(instruction, cx),
        Some(_) => Motif::Correction,
        None => Motif::Identite,
    };
    let attente = Attente { rpps: instruction.candidature.medecin.rpps.clone(), motif };
    let known = avant == Some(&attente);
    let decision = next(Dossier::Identification { instruction, attente });
    if known {
        return Ok(decision);
    }
    let days = match motif {
        Motif::Identite | Motif::Anterieure => cx.config.attente_identite_jours,
        Motif::Correction => cx.config.attente_correction_jours,
    };
    Ok(decision.wake_at(cx.now + Days::new(days.into()), IDENTITE))
}

/// Looks for an earlier authorisation first, where the settings allow that: only for an
/// application that no CDOM was asked about, and that wishes nothing an earlier one may not have.
fn reprendre_ou_demander(instruction: Instruction, cx: &Cx<'_>) -> Verdict {
    let first = instruction.demandes.is_empty() && instruction.complements == 0;
    let candidature = &instruction.candidature;
    if !cx.config.reutilise_autorisation || !first || candidature.remplacement_souhaite {
        return demander(instruction, cx);
    }
    let (dossier, cdom) = (candidature.dossier, instruction.cdom().clone());
    let medecin = cle_medecin(&candidature.medecin.rpps);
    let rpps = candidature.medecin.rpps.clone();
    let attente = Attente { rpps, motif: Motif::Anterieure };
    // The answer comes at once; the CDOM is asked in any case.
    let at = cx.now + Days::new(1);
    Ok(next(Dossier::Identification { instruction, attente })
        .tell(medecin, Event::Consulter { dossier, cdom })
        .wake_at(at, IDENTITE))
}

/// What the doctor's own state says of an earlier authorisation.
pub(super) fn anterieure(dossier: Option<&Dossier>, accordee: bool, cx: &Cx<'_>) -> Verdict {
    match dossier.cloned() {
        Some(Dossier::Identification { instruction, attente })
            if attente.motif == Motif::Anterieure =>
        {
            if !accordee {
                return demander(instruction, cx);
            }
            let (issue, voie) = (Issue::Favorable, Voie::Anterieure);
            let reponse = Reponse { issue, voie, rendue_le: cx.now };
            verification::trancher(instruction, None, reponse, Vec::new(), cx)
        }
        Some(
            Dossier::Attendu { .. }
            | Dossier::Identification { .. }
            | Dossier::Verification { .. }
            | Dossier::Complement { .. }
            | Dossier::Autorise { .. }
            | Dossier::Refuse { .. }
            | Dossier::Retire { .. },
        )
        | None => Ok(Decision::Ignore("consultation-perimee")),
    }
}

/// Makes a new request to the CDOM of registration.
fn demander(mut instruction: Instruction, cx: &Cx<'_>) -> Verdict {
    let demande = DemandeFaite {
        id: demande_id(instruction.candidature.dossier, instruction.demandes.len() + 1),
        cdom: instruction.cdom().clone(),
        rang: 1,
        faite_le: cx.now,
        escalades: 0,
        issue: None,
    };
    let effets = transmettre(&mut instruction, &demande, cx)?;
    let due = echeance(demande.faite_le, demande.rang - 1, cx);
    Ok(next(Dossier::Verification { instruction, demande })
        .with(Effet::CancelWake(IDENTITE.to_owned()))
        .with_all(effets)
        .wake_at(due, RELANCE))
}

/// The n-th request of a dossier has the same id however it came to be made.
fn demande_id(dossier: DossierId, rank: usize) -> uuid::Uuid {
    let (dossier, rank) = (dossier.to_string(), rank.to_string());
    derive_id(&[OrdinalAdapter::NAME, "verification", &dossier, &rank])
}

/// A wake-up: the wait for the identity is over, or a reminder is due.
pub(super) fn reveil(dossier: &Dossier, reason: &str, cx: &Cx<'_>) -> Verdict {
    match dossier.clone() {
        Dossier::Identification { instruction, .. } if reason == IDENTITE => {
            demander(instruction, cx)
        }
        Dossier::Verification { instruction, demande } if reason == RELANCE => {
            relancer(instruction, demande, cx)
        }
        Dossier::Attendu { .. }
        | Dossier::Identification { .. }
        | Dossier::Verification { .. }
        | Dossier::Complement { .. }
        | Dossier::Autorise { .. }
        | Dossier::Refuse { .. }
        | Dossier::Retire { .. } => Ok(Decision::Ignore("reveil-perime")),
    }
}

fn relancer(mut instruction: Instruction, mut demande: DemandeFaite, cx: &Cx<'_>) -> Verdict {
    let sent = usize::try_from(demande.rang - 1).unwrap_or(usize::MAX);
    if sent < cx.config.relances_jours.len() {
        demande.rang += 1;
        let effets = transmettre(&mut instruction, &demande, cx)?;
        let due = echeance(demande.faite_le, demande.rang - 1, cx);
        return Ok(next(Dossier::Verification { instruction, demande })
            .with_all(effets)
            .wake_at(due, RELANCE));
    }
    // A task that is open already asks the DNS for the same thing.
    let mut effets = Vec::new();
    if instruction.taches.0.is_empty() {
        demande.escalades += 1;
        let distinct = format!("{} {}", demande.id, demande.escalades);
        let champs = champs_cdom(&instruction, &demande, cx);
        effets = ouvrir(&mut instruction.taches, cx, "cdom-escalade", &distinct, &champs);
    }
    let reference = format!("dossier {}", instruction.candidature.dossier);
    effets.extend(escalade(cx, "cdom-escalade", reference));
    Ok(next(Dossier::Verification { instruction, demande }).with_all(effets))
}

/// The doctor withdrew before any authorisation. When both crossed, a person asks the doctor: only
/// the doctor ends an engagement.
pub(super) fn retiree(dossier: Option<&Dossier>, cx: &Cx<'_>) -> Decided {
    let cloture = |mut instruction: Instruction, demande: Option<DemandeFaite>| {
        let mut effets = fermer_toutes(&mut instruction.taches);
        effets.push(Effet::CancelWake(IDENTITE.to_owned()));
        effets.push(Effet::CancelWake(RELANCE.to_owned()));
        effets.push(Effet::CancelAsks(VERIFICATION));
        instruction.demandes.extend(demande);
        let cloture = Cloture { demandes: instruction.demandes, taches: instruction.taches };
        next(Dossier::Retire { cloture }).with_all(effets)
    };
    match dossier.cloned() {
        None | Some(Dossier::Attendu { .. }) => {
            next(Dossier::Retire { cloture: Cloture::default() })
        }
        Some(Dossier::Identification { instruction, .. }) => cloture(instruction, None),
        Some(Dossier::Verification { instruction, demande }) => cloture(instruction, Some(demande)),
        Some(Dossier::Complement { instruction, demande, .. }) => cloture(instruction, demande),
        Some(Dossier::Autorise { mut instruction, demande, reponse }) => {
            let champs = [
                ("dossier", instruction.candidature.dossier.to_string()),
                ("cdom", Agence::cdom(instruction.cdom()).to_string()),
            ];
            let effets = ouvrir(&mut instruction.taches, cx, "retrait-croise", "", &champs);
            next(Dossier::Autorise { instruction, demande, reponse }).with_all(effets)
        }
        Some(Dossier::Refuse { .. } | Dossier::Retire { .. }) => Decision::Ignore("dossier-clos"),
    }
}
