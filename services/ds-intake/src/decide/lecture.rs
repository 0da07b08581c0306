//! What a reading of a dossier means, phase by phase. Our own writing changes its date, never its
//! content nor its deposits: only these are compared.

use contracts::messages::{Candidature, CandidatureDeposee, CandidatureModifiee, Issue};
use service::Decision;

use super::suite::{A_REPORTER, RESTAURE, SANS_CANDIDATURE, Suite};
use crate::{
    DsIntake,
    agency::Cible,
    state::{Attente, Phase, Version},
    wire::{EtatDs, Lecture},
};

pub(super) fn lu(mut s: Suite<'_, '_>, lecture: &Lecture, stable: bool) -> Decision<DsIntake> {
    let version = Version {
        modifie_le: lecture.modifie_le,
        soumis_le: lecture.soumis_le,
        depots: lecture.depots,
        empreinte: lecture.empreinte(),
        etat: lecture.etat,
        stable,
    };
    let before = s.dossier.version;
    if before.is_some_and(|b| version.modifie_le < b.modifie_le) {
        return Decision::Ignore("lecture-depassee");
    }
    let nouvelle = before.is_none_or(|b| b.cle() != version.cle());
    s.dossier.version = Some(version);
    if s.dossier.attendu.is_some_and(|attendu| attendu <= version.modifie_le) {
        s.dossier.attendu = None;
    }
    s.trouver();
    s.dossier.disparu = false;
    constater_ecriture(&mut s, lecture, nouvelle);
    match s.dossier.phase.clone() {
        Phase::Reception => reception(&mut s, lecture, version),
        Phase::Instruction { candidature, attente } => {
            instruction(&mut s, lecture, version, nouvelle, candidature, attente);
        }
        // The decision is known: what DS shows matters only when it says the opposite.
        Phase::Autorisee if lecture.etat == EtatDs::Refuse => {
            s.decision_lue(Issue::Defavorable, lecture);
        }
        Phase::Refusee if lecture.etat == EtatDs::Accepte => {
            s.decision_lue(Issue::Favorable, lecture);
        }
        Phase::Retiree { le } if !lecture.etat.est_termine() && lecture.modifie_le > le => {
            s.ouvrir_tache(RESTAURE);
        }
        Phase::Autorisee | Phase::Refusee | Phase::Retiree { .. } => {}
    }
    s.veiller();
    s.fin()
}

/// Where Relais wanted the dossier: reached, or possible again.
fn constater_ecriture(s: &mut Suite<'_, '_>, lecture: &Lecture, nouvelle: bool) {
    let Some(cible) = s.dossier.voulu else { return };
    if cible.atteinte(lecture.etat) {
        s.dossier.voulu = None;
        s.fermer_tache(A_REPORTER);
    } else if cible != Cible::EnInstruction
        && nouvelle
        && !lecture.correction_en_attente
        && !lecture.etat.est_termine()
    {
        s.revouloir(cible);
    }
}

fn reception(s: &mut Suite<'_, '_>, lecture: &Lecture, version: Version) {
    if lecture.etat == EtatDs::SansSuite {
        s.retirer("classe-sans-suite");
        return;
    }
    match (s.controler(lecture), issue(lecture.etat)) {
        (Ok(candidature), decision) => {
            s.publier(&CandidatureDeposee(candidature.clone()));
            s.candidater(&candidature);
            let candidature = Box::new(candidature);
            s.dossier.phase = Phase::Instruction { candidature, attente: None };
            match decision {
                Some(issue) => s.decision_lue(issue, lecture),
                None => examiner(s, lecture),
            }
        }
        (Err(_), Some(issue)) if s.sans_instructeur => s.decision_lue(issue, lecture),
        (Err(_), Some(Issue::Defavorable | Issue::Complement)) => {
            s.decision_lue(Issue::Defavorable, lecture);
            s.dossier.phase = Phase::Refusee;
        }
        (Err(_), Some(Issue::Favorable)) => {
            s.decision_lue(Issue::Favorable, lecture);
            s.ouvrir_tache(SANS_CANDIDATURE);
        }
        (Err(manques), None) => {
            if s.dossier.averti != Some(version.cle()) {
                s.dossier.averti = Some(version.cle());
                s.avertir(manques);
            }
        }
    }
}

fn instruction(
    s: &mut Suite<'_, '_>,
    lecture: &Lecture,
    version: Version,
    nouvelle: bool,
    candidature: Box<Candidature>,
    attente: Option<Attente>,
) {
    if lecture.etat == EtatDs::SansSuite {
        s.retirer("classe-sans-suite");
        return;
    }
    if let Some(issue) = issue(lecture.etat) {
        s.decision_lue(issue, lecture);
        return;
    }
    if !nouvelle && attente != Some(Attente::Correction) {
        return;
    }
    match s.controler(lecture) {
        Ok(corrected) => {
            if corrected.medecin.rpps != candidature.medecin.rpps {
                s.dossier.identite = None;
            }
            // Even when nothing of it changed: a document may have been added.
            s.publier(&CandidatureModifiee(corrected.clone()));
            s.candidater(&corrected);
            s.dossier.phase =
                Phase::Instruction { candidature: Box::new(corrected), attente: None };
            examiner(s, lecture);
        }
        Err(manques) => {
            let attente = Some(Attente::Correction);
            s.dossier.phase = Phase::Instruction { candidature, attente };
            if s.dossier.averti != Some(version.cle()) {
                s.dossier.averti = Some(version.cle());
                s.avertir(manques);
            }
        }
    }
}

/// The verification begins: on DS the doctor may not change the dossier meanwhile. While a
/// correction is pending DS refuses; the next deposit brings the dossier here again.
fn examiner(s: &mut Suite<'_, '_>, lecture: &Lecture) {
    if lecture.etat == EtatDs::EnConstruction && !lecture.correction_en_attente {
        s.revouloir(Cible::EnInstruction);
    }
}

/// The decision that a state on DS is.
fn issue(etat: EtatDs) -> Option<Issue> {
    match etat {
        EtatDs::Accepte => Some(Issue::Favorable),
        EtatDs::Refuse => Some(Issue::Defavorable),
        EtatDs::EnConstruction | EtatDs::EnInstruction | EtatDs::SansSuite => None,
    }
}
