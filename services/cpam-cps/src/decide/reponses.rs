//! What a CPAM says outside the bus: by its answer link, or by a line of a file. The same rules as
//! for an answer on the bus; what is refused of a file goes back with its reason.

use contracts::{
    Agence, CodeCpam, Demande,
    messages::{NumeroAmCree, NumeroAmRefuse, RibRecu},
};
use service::Decision;
use uuid::Uuid;

use super::{Cx, Decided, Engagement, Event, State, Verdict, numero, suites};
use crate::state::{DemandeFaite, Etape, IssueCaisse, ReponseCaisse, Suivi, cle_depot};

/// The CPAM answered by its link: whoever has the link speaks for the CPAM that was asked.
pub(super) fn par_lien(
    engagement: Option<&Engagement>,
    reponse: &ReponseCaisse,
    cx: &Cx<'_>,
) -> Verdict {
    let asked = demandee(engagement, reponse.demande).ok_or_else(numero::inconnue)?;
    let agence = Agence::cpam(&asked.cpam);
    appliquer(engagement, reponse, &agence, cx)
}

/// A line of a file of the CPAM: the folder is told what became of it.
pub(super) fn ligne(
    engagement: Option<&Engagement>,
    (cpam, fichier, rang): (&CodeCpam, String, u32),
    reponse: &ReponseCaisse,
    cx: &Cx<'_>,
) -> Decided {
    let Some(known) = engagement else { return Decision::Ignore("engagement-inconnu") };
    let same = || Decision::next(State::Engagement(Box::new(known.clone())));
    let (decision, motif) = match appliquer(engagement, reponse, &Agence::cpam(cpam), cx) {
        Ok(decision @ Decision::Next { .. }) => (decision, None),
        Ok(Decision::Ignore(_)) => (same(), None),
        Err(refusal) => (same(), Some(refusal.code.to_owned())),
    };
    decision.tell(cle_depot(cpam), Event::Verdict { fichier, rang, motif })
}

/// The request with this id, of an engagement.
fn demandee(engagement: Option<&Engagement>, id: Uuid) -> Option<&DemandeFaite> {
    let Some(Engagement::Connu(suivi)) = engagement else { return None };
    demandes(suivi).into_iter().find(|demande| demande.id == id)
}

fn demandes(suivi: &Suivi) -> Vec<&DemandeFaite> {
    let (number, rib) = match &suivi.etape {
        Etape::Constat | Etape::CpamManquante => (None, None),
        Etape::Demandee { demande, .. } => (Some(demande), None),
        Etape::Ouverte(f) => (Some(&f.demande), f.demande_rib.as_ref()),
    };
    suivi.remplacees.iter().chain(number).chain(rib).collect()
}

fn appliquer(
    engagement: Option<&Engagement>,
    reponse: &ReponseCaisse,
    agence: &Agence,
    cx: &Cx<'_>,
) -> Verdict {
    let Some(Engagement::Connu(suivi)) = engagement else { return Err(numero::inconnue()) };
    let demande = Demande { id: reponse.demande, rang: 1 };
    let id = suivi.activite.engagement.clone();
    match &reponse.issue {
        IssueCaisse::Cree { numero_am, rib } => {
            let (numero_am, rib) = (numero_am.clone(), *rib);
            let message = NumeroAmCree { demande, engagement: id, numero_am, rib };
            numero::cree(engagement, &message, agence, cx)
        }
        IssueCaisse::Refuse { code } => {
            let message = NumeroAmRefuse { demande, engagement: id, code: code.clone() };
            numero::refuse(engagement, &message, agence, cx)
        }
        IssueCaisse::RibRecu => {
            suites::rib_recu(engagement, &RibRecu { demande, engagement: id }, agence, cx)
        }
    }
}
