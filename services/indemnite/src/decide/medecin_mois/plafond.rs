//! The cap on the days of a month, when there is one: a warning, never a refusal.

use contracts::Mois;

use crate::{
    decide::{Cx, Effects, open_task},
    state::{MedecinMois, Origine, Tache, Tenue},
};

/// Tells a person, once a month, that more half-days are owed than the cap allows.
pub(super) fn suivre(month: &mut MedecinMois, tenue: &Tenue, cx: &Cx<'_>, effects: &mut Effects) {
    let Some(plafond) = cx.config.plafond_jours_par_mois.filter(|_| !month.plafond_dit) else {
        return;
    };
    let retained = month.lignes.values().filter(|due| due.origine == Origine::Retenue);
    let halves = u32::try_from(retained.count()).unwrap_or(u32::MAX);
    if halves <= plafond.saturating_mul(2) {
        return;
    }
    month.plafond_dit = true;
    let mois = Mois::of(tenue.date);
    let champs = [
        ("medecin", tenue.nom.clone()),
        ("rpps", tenue.rpps.to_string()),
        ("mois", mois.to_string()),
        ("demi_journees", halves.to_string()),
        ("plafond_jours", plafond.to_string()),
    ];
    let objet = format!("medecin-mois/{mois}/{}", tenue.engagement);
    let tache = open_task(cx, "plafond-depasse", objet, &champs, effects);
    month.taches.insert(tache, Tache::PlafondDepasse);
}
