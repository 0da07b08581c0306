//! What becomes a task for the DNS: an authorised activity that the RPPS does not show in time, one
//! that it does not show any more, two sources that disagree.

use chrono::{Days, NaiveDate, NaiveTime};
use contact::jour_ouvre_suivant;
use contracts::{
    EngagementId,
    messages::{TacheFaite, TacheOuverte},
};
use kernel::{derive_id, paris_at};
use service::{Effect, Service};
use uuid::Uuid;

use super::{Cx, Decision};
use crate::{
    RppsFlux,
    state::{Dit, Medecin, State, Veille},
};

type Effet = Effect<RppsFlux>;

/// An authorised activity is not shown.
pub(super) const ABSENTE: &str = "rpps-activite-absente";
/// An activity that was shown is not any more.
pub(super) const DISPARUE: &str = "rpps-activite-disparue";
/// The extract and the API disagree.
pub(super) const DIVERGENTES: &str = "rpps-sources-divergentes";

/// Who closes a task when Relais itself saw the result.
const OBSERVE: &str = "observe";

const NEUF_HEURES: NaiveTime = match NaiveTime::from_hms_opt(9, 0, 0) {
    Some(time) => time,
    None => NaiveTime::MIN,
};

/// The wake-up of an engagement that is watched.
pub(super) fn raison(engagement: &EngagementId) -> String {
    format!("veille/{engagement}")
}

/// Looks, the configured delay after `jour`, at 09:00 in Paris on a working day, whether the row of
/// an engagement has come.
pub(super) fn surveiller(engagement: &EngagementId, jour: NaiveDate, cx: &Cx<'_>) -> Effet {
    let day = jour_ouvre_suivant(jour + Days::new(cx.config.constat_attendu_jours.into()));
    Effect::WakeAt { at: paris_at(day, NEUF_HEURES), reason: raison(engagement) }
}

/// The delay is over: a task, unless the row came. One for each engagement: the CPAM is asked all
/// the same, and who closes it knows.
pub(super) fn reveil(medecin: &Medecin, reason: &str, cx: &Cx<'_>) -> Decision {
    let awaited = medecin.engagements.iter().find(|(id, _)| raison(id) == reason);
    let Some((engagement, veille)) = awaited else {
        return Decision::Ignore("réveil inconnu");
    };
    if veille.close || veille.enregistree.is_some() {
        return Decision::Ignore("activité enregistrée ou close");
    }
    let mut next = medecin.clone();
    let cause = if veille.structures.is_empty() { "lieu-sans-identifiant" } else { "absente" };
    let depuis = veille.attendue.unwrap_or(cx.today());
    let mut champs = champs(veille);
    champs.extend([
        ("attendue_depuis", depuis.to_string()),
        ("jours", (cx.today() - depuis).num_days().to_string()),
        ("cause", cause.to_owned()),
    ]);
    let opened = ouvrir(&mut next, ABSENTE, Some(engagement), champs, cx);
    Decision::next(State::Medecin(next)).with_all(opened)
}

/// What the DNS needs to ask the owner of the step.
pub(super) fn champs(veille: &Veille) -> Vec<(&'static str, String)> {
    let structures: Vec<&str> = veille.structures.iter().map(String::as_str).collect();
    vec![
        ("dossier", veille.dossier.map(|d| d.to_string()).unwrap_or_default()),
        ("lieu", veille.lieu.clone()),
        ("structure", structures.join(" ")),
        ("responsable", veille.cdom.clone()),
    ]
}

/// Both statements, side by side.
pub(super) fn cote_a_cote(extrait: &Dit, fhir: &Dit) -> Vec<(&'static str, String)> {
    let texte = |dit: &Dit| {
        let structures: Vec<&str> = dit.structures.iter().map(String::as_str).collect();
        let carte = dit.carte.map(|jour| jour.to_string()).unwrap_or_default();
        let actif = if dit.actif { "médecin" } else { "pas médecin" };
        format!("{actif} ; lieux suivis : {} ; carte du : {carte}", structures.join(" "))
    };
    let noms = if extrait.noms == fhir.noms { "identiques" } else { "différents" };
    vec![("extraction", texte(extrait)), ("fhir", texte(fhir)), ("noms", noms.to_owned())]
}

/// Opens a task of a kind of which none is open for this engagement.
pub(super) fn ouvrir(
    medecin: &mut Medecin,
    gabarit: &str,
    engagement: Option<&EngagementId>,
    champs: Vec<(&'static str, String)>,
    cx: &Cx<'_>,
) -> Option<Effet> {
    let about = (gabarit.to_owned(), engagement.cloned());
    if medecin.taches.values().any(|open| *open == about) {
        return None;
    }
    medecin.taches_ouvertes += 1;
    let rang = medecin.taches_ouvertes.to_string();
    let tache = derive_id(&[RppsFlux::NAME, "tache", cx.key, gabarit, &rang]);
    medecin.taches.insert(tache, about);
    let objet = engagement.map_or_else(|| "rpps".to_owned(), |id| format!("rpps/{id}"));
    Some(Effect::publish(&TacheOuverte {
        tache,
        gabarit: gabarit.to_owned(),
        service: RppsFlux::NAME.to_owned(),
        cle: cx.key.to_owned(),
        objet,
        champs: champs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
    }))
}

/// Closes the open tasks of these kinds about an engagement: Relais saw the result.
pub(super) fn faire(
    medecin: &mut Medecin,
    gabarits: &[&str],
    engagement: Option<&EngagementId>,
) -> Vec<Effet> {
    let open = medecin.taches.iter().filter(|(_, (gabarit, about))| {
        gabarits.contains(&gabarit.as_str()) && about.as_ref() == engagement
    });
    let ids: Vec<Uuid> = open.map(|(id, _)| *id).collect();
    let done = |tache: Uuid| {
        medecin.taches.remove(&tache);
        Effect::publish(&TacheFaite { tache, faite_par: OBSERVE.to_owned() })
    };
    ids.into_iter().map(done).collect()
}

/// An operator closes a task.
pub(super) fn fermer(medecin: &Medecin, tache: Uuid, par: &str) -> Decision {
    let mut next = medecin.clone();
    if next.taches.remove(&tache).is_none() {
        return Decision::Ignore("tâche inconnue");
    }
    let faite_par = par.to_owned();
    Decision::next(State::Medecin(next)).publish(&TacheFaite { tache, faite_par })
}
