//! What a reading shows of an engagement's agent: it adds and corrects, and never removes.

use super::{
    super::{Cx, Effets},
    acces::role,
    noter_rdv,
};
use crate::{
    state::{Acces, EtatEngagement, Releve},
    webhook::Fait,
};

/// Takes a reading into the state; `None` when it says nothing new. What is known already keeps its
/// instant, so that a night without news writes nothing.
pub(super) fn lire(etat: &mut EtatEngagement, releve: Releve, cx: &Cx<'_>) -> Option<Effets> {
    let (mut change, mut effets) = (false, Effets::new());
    for vue in releve.rdvs {
        let Fait::Rdv(rdv) = vue.fait else { continue };
        if etat.rdvs.get(&vue.id).is_none_or(|connu| connu.rdv != rdv) {
            change |= noter_rdv(etat, vue.id, vue.horodatage, rdv);
        }
    }
    for vue in releve.absences {
        let Fait::Absence(absence) = vue.fait else { continue };
        let histoire = etat.ouvertures.absences.entry(vue.id).or_default();
        if histoire.dernier() != absence.as_ref() {
            change |= histoire.noter(vue.horodatage, absence);
        }
    }
    let listed = !releve.agents.is_empty();
    if listed
        && matches!(etat.acces, Acces::Retire { .. })
        && etat.role_vu.is_none_or(|vu| vu < releve.lu_le)
    {
        etat.role_vu = Some(releve.lu_le);
        effets = role(etat, true, cx);
        change = true;
    }
    change.then_some(effets)
}
