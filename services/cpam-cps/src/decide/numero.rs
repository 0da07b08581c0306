//! The number: what the CPAM answers, what an operator was told, and that no number is given to
//! two engagements.

use contracts::{
    Agence, Departement, NumeroAm, Rib,
    messages::{ModeFacturation, NumeroAmCree, NumeroAmRefuse},
};
use service::{Decision, Refusal};
use uuid::Uuid;

use super::{
    Cx, Decided, Effet, Engagement, Event, Verdict,
    engagement::cpam_connue,
    travail::{Travail, reveil, tache},
};
use crate::{
    agency::NUMERO,
    config::NumeroDouteux,
    state::{DemandeFaite, Etape, Facturation, FermerTache, Proposition, Suivi, cle_numero},
};

/// The CPAM created the number.
pub(super) fn cree(
    engagement: Option<&Engagement>,
    m: &NumeroAmCree,
    agence: &Agence,
    cx: &Cx<'_>,
) -> Verdict {
    let (suivi, current) = vise(engagement, m.demande.id, agence)?;
    let mut travail = Travail::new(suivi.clone(), cx);
    match &suivi.etape {
        Etape::Ouverte(f) if f.numero_am == m.numero_am => {
            if !travail.rib_su(m.rib) {
                return Ok(Decision::Ignore("numero-connu"));
            }
        }
        Etape::Demandee { .. } | Etape::Ouverte(_) if !current => {
            return Err(Refusal::new("demande-depassee", "a later request took this one's place"));
        }
        Etape::Demandee { .. }
            if suivi.propose.as_ref().is_none_or(|p| p.numero_am == m.numero_am) =>
        {
            proposer(&mut travail, &m.numero_am, m.rib)?;
        }
        Etape::Demandee { .. } | Etape::Ouverte(_) => {
            return Err(Refusal::new(
                "numero-am-contradictoire",
                "another number was created for this engagement before",
            ));
        }
        Etape::Constat | Etape::CpamManquante => return Err(inconnue()),
    }
    Ok(travail.fin())
}

/// The CPAM will not create a number. One that it created all the same prevails.
pub(super) fn refuse(
    engagement: Option<&Engagement>,
    m: &NumeroAmRefuse,
    agence: &Agence,
    cx: &Cx<'_>,
) -> Verdict {
    let (suivi, current) = vise(engagement, m.demande.id, agence)?;
    match &suivi.etape {
        Etape::Ouverte(_) => Ok(Decision::Ignore("refus-depasse")),
        Etape::Demandee { .. } if !current || suivi.propose.is_some() => {
            Ok(Decision::Ignore("refus-depasse"))
        }
        Etape::Demandee { refus: Some(_), .. } => Ok(Decision::Ignore("refus-connu")),
        Etape::Demandee { demande, refus: None } => {
            let mut travail = Travail::new(suivi.clone(), cx);
            let demande = demande.clone();
            travail.annuler(&[reveil::RELANCE]);
            travail.effet(Effet::CancelAsks(NUMERO));
            travail.fermer_taches(&[tache::ESCALADE, tache::A_DEMANDER]);
            travail.ouvrir_tache(tache::REFUS, &[("code", m.code.clone())]);
            travail.suivi.etape = Etape::Demandee { demande, refus: Some(m.code.clone()) };
            Ok(travail.fin())
        }
        Etape::Constat | Etape::CpamManquante => Err(inconnue()),
    }
}

/// The request that an answer echoes, and whether it is the one that waits.
fn vise<'a>(
    engagement: Option<&'a Engagement>,
    id: Uuid,
    agence: &Agence,
) -> Result<(&'a Suivi, bool), Refusal> {
    let Some(Engagement::Connu(suivi)) = engagement else { return Err(inconnue()) };
    let last = match &suivi.etape {
        Etape::Demandee { demande, .. } => Some(demande),
        Etape::Ouverte(facturation) => Some(&facturation.demande),
        Etape::Constat | Etape::CpamManquante => None,
    };
    let current = last.filter(|d| d.id == id);
    let demande = current.or_else(|| suivi.remplacees.iter().find(|d| d.id == id));
    asked(demande.ok_or_else(inconnue)?, agence)?;
    Ok((suivi, current.is_some()))
}

/// Refuses an answer of another agency than the one that was asked.
pub(super) fn asked(demande: &DemandeFaite, agence: &Agence) -> Result<(), Refusal> {
    if Agence::cpam(&demande.cpam) == *agence {
        Ok(())
    } else {
        let reason = format!("{agence} answered a request made to cpam.{}", demande.cpam);
        Err(Refusal::new("mauvaise-agence", reason))
    }
}

/// Refuses an answer to a request that was never made.
pub(super) fn inconnue() -> Refusal {
    Refusal::new("demande-inconnue", "no request with this id was made for this engagement")
}

/// A number was given: it is the engagement's once no other one is known to have it.
fn proposer(travail: &mut Travail<'_, '_>, numero_am: &NumeroAm, rib: Rib) -> Result<(), Refusal> {
    let doubt = doute(numero_am, &travail.suivi.activite.lieu.departement);
    if let (NumeroDouteux::Refuser, Some(doubt)) = (travail.cx.config.numero_douteux, doubt) {
        return Err(Refusal::new("numero-am-douteux", doubt));
    }
    let known = travail.suivi.propose.as_ref().filter(|p| p.numero_am == *numero_am);
    travail.suivi.propose = Some(Proposition {
        numero_am: numero_am.clone(),
        rib: known.map_or(rib, |p| super::suites::plus_su(p.rib, rib)),
        donne_le: known.map_or(travail.cx.today(), |p| p.donne_le),
    });
    let engagement = travail.suivi.activite.engagement.clone();
    travail
        .effet(Effet::Tell { key: cle_numero(numero_am), event: Event::Reserver { engagement } });
    Ok(())
}

/// What makes a number doubtful: its key (Luhn, inferred from public numbers) or its département,
/// the first two digits (SNDS, « Numéro du professionnel de santé »; Corsica and overseas inferred).
fn doute(numero_am: &NumeroAm, departement: &Departement) -> Option<&'static str> {
    let expected = match departement.as_str() {
        "2A" | "2B" => "20",
        code => &code[..2],
    };
    if !numero_am.key_is_valid() {
        Some("la clé du numéro AM est inattendue")
    } else if numero_am.as_str().starts_with(expected) {
        None
    } else {
        Some("le numéro AM n'est pas celui d'un lieu de ce département")
    }
}

/// The number's state says whether another engagement has it.
pub(super) fn reservation(
    engagement: Option<&Engagement>,
    numero_am: &NumeroAm,
    accordee: bool,
    cx: &Cx<'_>,
) -> Decided {
    let Some(Engagement::Connu(suivi)) = engagement else {
        return Decision::Ignore("engagement-inconnu");
    };
    let mut travail = Travail::new((**suivi).clone(), cx);
    let Some(propose) = travail.suivi.propose.take_if(|p| p.numero_am == *numero_am) else {
        return Decision::Ignore("proposition-depassee");
    };
    if accordee {
        installer(&mut travail, propose);
    } else {
        let numero = ("numero_am", numero_am.to_string());
        travail.ouvrir_tache(tache::EN_DOUBLE, &[numero]);
    }
    travail.fin()
}

/// The number is the engagement's: paper from now on, whatever the situation.
fn installer(travail: &mut Travail<'_, '_>, propose: Proposition) {
    let (demande, demande_rib) = match travail.suivi.etape.clone() {
        Etape::Demandee { demande, .. } => (demande, None),
        // An operator corrects the number.
        Etape::Ouverte(f) => (f.demande, f.demande_rib),
        Etape::Constat | Etape::CpamManquante => return,
    };
    travail.annuler(&[reveil::RELANCE]);
    travail.effet(Effet::CancelAsks(NUMERO));
    travail.fermer_taches(&[
        tache::A_DEMANDER,
        tache::ESCALADE,
        tache::REFUS,
        tache::EN_DOUBLE,
        tache::A_VERIFIER,
    ]);
    let Proposition { numero_am, rib, donne_le } = propose;
    let doubt = doute(&numero_am, &travail.suivi.activite.lieu.departement);
    if let Some(doubt) = doubt {
        let champs = [("numero_am", numero_am.to_string()), ("doute", doubt.to_owned())];
        travail.ouvrir_tache(tache::A_VERIFIER, &champs);
    }
    let mode = match travail.suivi.carte {
        Some(debut) if debut >= donne_le => ModeFacturation::Teletransmission,
        Some(_) | None => ModeFacturation::Papier,
    };
    let facturation = Facturation { demande, numero_am, cree_le: donne_le, rib, mode, demande_rib };
    travail.annoncer_papier(&facturation);
    travail.ouvrir(facturation);
    travail.suivre_rib();
    travail.suivre_carte();
    if !travail.suivi.actif() {
        travail.rib_a_obtenir();
    }
}

/// An operator closes a task, with what a CPAM said outside the bus.
pub(super) fn tache_fermee(
    engagement: Option<&Engagement>,
    action: FermerTache,
    cx: &Cx<'_>,
) -> Verdict {
    let Some(Engagement::Connu(suivi)) = engagement else {
        return Ok(Decision::Ignore("tache-inconnue"));
    };
    let mut travail = Travail::new((**suivi).clone(), cx);
    let Some(gabarit) = travail.fermer_tache(action.tache, &action.par) else {
        return Ok(Decision::Ignore("tache-inconnue"));
    };
    travail.suivi.cpam = action.cpam.or(travail.suivi.cpam);
    match (&suivi.etape, action.numero_am) {
        (Etape::CpamManquante, _) if gabarit == tache::CPAM_MANQUANTE => cpam_connue(&mut travail),
        (Etape::Demandee { .. }, Some(numero_am)) => {
            proposer(&mut travail, &numero_am, action.rib.unwrap_or(Rib::Inconnu))?;
        }
        (Etape::Demandee { demande, refus: None }, None) if spent(demande, &travail) => {
            let due = travail.matin_ouvre_dans(travail.delais().nouvelle_escalade_jours);
            travail.reveiller(due, reveil::RELANCE);
        }
        (Etape::Ouverte(f), Some(numero_am)) if f.numero_am != numero_am => {
            proposer(&mut travail, &numero_am, action.rib.unwrap_or(f.rib))?;
        }
        (Etape::Ouverte(_), Some(_) | None) => {
            travail.rib_su(action.rib.unwrap_or(Rib::Inconnu));
        }
        (Etape::Constat | Etape::CpamManquante | Etape::Demandee { .. }, Some(_) | None) => {}
    }
    Ok(travail.fin())
}

/// An operator was told the number, before any task asked for it.
pub(super) fn recu(
    engagement: Option<&Engagement>,
    numero_am: &NumeroAm,
    rib: Rib,
    cx: &Cx<'_>,
) -> Verdict {
    let Some(Engagement::Connu(suivi)) = engagement else {
        return Ok(Decision::Ignore("engagement-inconnu"));
    };
    let mut travail = Travail::new((**suivi).clone(), cx);
    match &suivi.etape {
        Etape::Demandee { .. } => proposer(&mut travail, numero_am, rib)?,
        Etape::Ouverte(f) if f.numero_am == *numero_am => {
            travail.rib_su(rib);
        }
        Etape::Ouverte(_) => {
            return Err(Refusal::new(
                "numero-am-contradictoire",
                "another number was created for this engagement before",
            ));
        }
        Etape::Constat | Etape::CpamManquante => return Err(inconnue()),
    }
    Ok(travail.fin())
}

/// The number is needed and no reminder is left: what comes next is an escalation.
fn spent(demande: &DemandeFaite, travail: &Travail<'_, '_>) -> bool {
    let reminders = travail.delais().relances_jours.len();
    travail.suivi.a_pu_exercer() && usize::try_from(demande.rang).unwrap_or(usize::MAX) > reminders
}
