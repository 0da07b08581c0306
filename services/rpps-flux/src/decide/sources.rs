//! What a source, the extracts or the API, says of a doctor who is followed. Each is listened to
//! when it changes what it says; where both go on saying different things, the DNS is told.

use std::collections::BTreeSet;

use contracts::messages::{ActiviteEnregistreeRpps, CarteCpsConstatee, SourceRpps};
use kernel::Pseudonymiser;
use service::Effect;

use super::{Cx, cle_dossier, veille};
use crate::{
    Ask, Event, RppsFlux,
    state::{Carte, Dit, Fiche, Medecin, Observation, Resume},
    vue::empreinte,
    wire::normaliser_nom,
};

type Effet = Effect<RppsFlux>;

/// Engagements whose site appears on a row of the doctor, each once.
pub(super) fn enregistrements(
    next: &mut Medecin,
    fiche: &Fiche,
    observation: &Observation,
) -> Vec<Effet> {
    let mut effects = Vec::new();
    let mut seen = Vec::new();
    for (engagement, veille) in &mut next.engagements {
        if veille.close || veille.enregistree.is_some() {
            continue;
        }
        let Some(structure) = veille.structures.intersection(&fiche.structures).next() else {
            continue;
        };
        effects.push(Effect::publish(&ActiviteEnregistreeRpps {
            engagement: engagement.clone(),
            rpps: next.rpps.clone(),
            structure: structure.clone(),
            constatee_le: observation.jour,
            source: observation.source,
        }));
        effects.push(Effect::CancelWake(veille::raison(engagement)));
        veille.enregistree = Some(observation.jour);
        seen.push(engagement.clone());
    }
    for engagement in seen {
        effects.extend(veille::faire(next, &[veille::ABSENTE], Some(&engagement)));
    }
    effects
}

/// Cards of a doctor with an open engagement: all of them at first sight, then those valid from a
/// later day than every known one (a new card replaces the former).
pub(super) fn cartes(next: &mut Medecin, fiche: &Fiche, cx: &Cx<'_>) -> Vec<Effet> {
    if !next.veille() {
        return Vec::new();
    }
    let derniere = next.cartes.iter().map(|carte| carte.debut).max();
    let nouvelle = |carte: &&Carte| derniere.is_none_or(|debut| carte.debut > debut);
    let nouvelles: Vec<Carte> = fiche.cartes.iter().filter(nouvelle).cloned().collect();
    let pseudonyme = Pseudonymiser::new(cx.config.cle_pseudonymes.clone()).of(next.rpps.as_str());
    let publish = |carte: &Carte| {
        Effect::publish(&CarteCpsConstatee {
            rpps: next.rpps.clone(),
            pseudonyme: pseudonyme.clone(),
            numero_carte: carte.numero.clone(),
            debut_validite: carte.debut,
            fin_validite: carte.fin,
        })
    };
    let effects = nouvelles.iter().map(publish).collect();
    next.cartes.extend(nouvelles);
    effects
}

/// Activities that this source showed and does not show any more, and those that are back.
pub(super) fn disparitions(
    next: &mut Medecin,
    observation: &Observation,
    cx: &Cx<'_>,
) -> Vec<Effet> {
    let shown = observation.fiche.as_ref().map(|f| f.structures.clone()).unwrap_or_default();
    let Some(before) = resume(next, observation.source).map(|r| r.dit.structures.clone()) else {
        return Vec::new();
    };
    let mut effects = Vec::new();
    for engagement in next.engagements.keys().cloned().collect::<Vec<_>>() {
        let Some(veille) = next.engagements.get_mut(&engagement) else { continue };
        let is = !veille.structures.is_disjoint(&shown);
        let was = !veille.structures.is_disjoint(&before);
        if is && veille.disparue.take().is_some() {
            effects.extend(veille::faire(next, &[veille::DISPARUE], Some(&engagement)));
        } else if was && !is && !veille.close && veille.disparue.is_none() {
            veille.disparue = Some(observation.jour);
            let dossier = veille.dossier;
            let mut champs = veille::champs(veille);
            champs.push(("disparue_le", observation.jour.to_string()));
            effects.extend(veille::ouvrir(next, veille::DISPARUE, Some(&engagement), champs, cx));
            effects.extend(dossier.map(|dossier| Effect::Tell {
                key: cle_dossier(dossier),
                event: Event::ActiviteDisparue,
            }));
        }
    }
    effects
}

/// Says whether the applications are told of an observation: it says something else than they were
/// told, and its source changed what it says. What a source says for the first time does not count
/// when the other one said something on that day or later.
pub(super) fn ecoutee(medecin: &Medecin, observation: &Observation) -> bool {
    let identite = identite(observation);
    if medecin.dite == Some(identite) {
        return false;
    }
    let autre = match observation.source {
        SourceRpps::Extraction => medecin.fhir.as_ref(),
        SourceRpps::Fhir => medecin.extrait.as_ref(),
    };
    match resume(medecin, observation.source) {
        Some(before) => before.identite != identite,
        None => autre.is_none_or(|other| {
            other.jour < observation.jour || observation.source == SourceRpps::Fhir
        }),
    }
}

/// Remembers what a source says, and holds it against the other one. An extract of a later day that
/// disagrees with the API makes the API asked again: when it stands by what it said, the DNS is
/// told; once they agree, the task is done.
pub(super) fn confronter(next: &mut Medecin, observation: &Observation, cx: &Cx<'_>) -> Vec<Effet> {
    let dit = dire(next, observation);
    let stands = next.fhir.as_ref().is_some_and(|before| before.dit == dit);
    let former = next.fhir.as_ref().map(|before| before.jour);
    let recu = Resume { jour: observation.jour, identite: identite(observation), dit };
    match observation.source {
        SourceRpps::Extraction => next.extrait = Some(recu),
        SourceRpps::Fhir => next.fhir = Some(recu),
    }
    let (Some(extrait), Some(fhir)) = (&next.extrait, &next.fhir) else { return Vec::new() };
    if extrait.dit == fhir.dit {
        return veille::faire(next, &[veille::DIVERGENTES], None);
    }
    let champs = veille::cote_a_cote(&extrait.dit, &fhir.dit);
    match observation.source {
        SourceRpps::Extraction if fhir.jour < extrait.jour => {
            vec![Effect::Ask(Ask::Interroger { rpps: next.rpps.clone() })]
        }
        SourceRpps::Fhir if stands && former.is_some_and(|jour| jour < extrait.jour) => {
            veille::ouvrir(next, veille::DIVERGENTES, None, champs, cx).into_iter().collect()
        }
        SourceRpps::Extraction | SourceRpps::Fhir => Vec::new(),
    }
}

fn resume(medecin: &Medecin, source: SourceRpps) -> Option<&Resume> {
    match source {
        SourceRpps::Extraction => medecin.extrait.as_ref(),
        SourceRpps::Fhir => medecin.fhir.as_ref(),
    }
}

/// The part of an observation that does not depend on its source.
fn dire(medecin: &Medecin, observation: &Observation) -> Dit {
    let Some(fiche) = &observation.fiche else {
        let (noms, structures) = (BTreeSet::new(), BTreeSet::new());
        return Dit { actif: false, noms, structures, carte: None };
    };
    let watched: BTreeSet<&String> =
        medecin.engagements.values().flat_map(|v| &v.structures).collect();
    Dit {
        actif: fiche.est_medecin(),
        noms: fiche.noms.iter().map(|(n, p)| (normaliser_nom(n), normaliser_nom(p))).collect(),
        structures: fiche.structures.iter().filter(|s| watched.contains(s)).cloned().collect(),
        carte: fiche.cartes.iter().map(|carte| carte.debut).max(),
    }
}

/// Fingerprint of what an application is told: names, professions, specialities.
pub(super) fn identite(observation: &Observation) -> u64 {
    let part = observation.fiche.as_ref().map(|f| (&f.noms, &f.professions, &f.savoir_faire));
    empreinte(format!("{part:?}").as_bytes())
}
