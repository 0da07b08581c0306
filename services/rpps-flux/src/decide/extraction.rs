//! The extracts: read at start and every day, announced once, and what they change told to the
//! doctors concerned.

use chrono::TimeDelta;
use contracts::messages::{RppsExtractionIntegree, RppsExtractionRefusee};
use kernel::{paris_at, paris_time};
use service::Effect;

use super::{Cx, Decision, Outcome, autre_etat, cle_medecin};
use crate::{
    Answer, Ask, Event, Integration, Lot,
    state::{Extraction, Observation, State},
    wire::Extrait,
};

const QUOTIDIEN: &str = "quotidien";

/// The daily reading, or another try.
pub(super) fn reveil(extraction: &Extraction, reason: &str, cx: &Cx<'_>) -> Decision {
    if reason == QUOTIDIEN {
        return lire_tout(extraction.clone(), cx);
    }
    match cx.config.extraits().find(|extrait| reason == reessai(*extrait)) {
        Some(extrait) => {
            let ask = lecture(extraction, extrait, None);
            Decision::next(State::Extraction(extraction.clone())).ask(ask)
        }
        None => Decision::Ignore("réveil inconnu"),
    }
}

/// What came of reading an extract.
pub(super) fn lue(extraction: &Extraction, answer: Answer, cx: &Cx<'_>) -> Outcome {
    match answer {
        Answer::Integree(i) => Ok(integree(extraction, i)),
        Answer::Inchangee { extrait, jour } if jour < cx.today() => {
            Ok(reessayer(Decision::next(State::Extraction(extraction.clone())), extrait, cx))
        }
        Answer::Inchangee { extrait, .. } => Ok(du_jour(extraction, extrait)),
        Answer::Refusee { extrait, fichier, raison, passager } => {
            Ok(refusee(extraction, extrait, (fichier, raison), passager, cx))
        }
        Answer::Suite { .. }
        | Answer::Trouvee(_)
        | Answer::Praticien { .. }
        | Answer::Situations { .. }
        | Answer::Changements { .. }
        | Answer::PagePerimee => Err(autre_etat()),
    }
}

/// More doctors of an extract.
pub(super) fn suite(e: &Extraction, extrait: Extrait, fichier: &str, lot: Lot) -> Decision {
    raconter(Decision::next(State::Extraction(e.clone())), extrait, fichier, lot)
}

/// Reads the extracts now, and again at the next configured time.
pub(super) fn lire_tout(extraction: Extraction, cx: &Cx<'_>) -> Decision {
    let asks: Vec<_> =
        cx.config.extraits().map(|e| Effect::Ask(lecture(&extraction, e, None))).collect();
    let attendus = cx.config.extraits().collect();
    let extraction = Extraction { attendus, ..extraction };
    let local = paris_time(cx.now);
    let heure = cx.config.heure_extraction;
    let jour = local.date() + TimeDelta::days(i64::from(local.time() >= heure));
    Decision::next(State::Extraction(extraction))
        .with_all(asks)
        .wake_at(paris_at(jour, heure), QUOTIDIEN)
}

fn lecture(extraction: &Extraction, extrait: Extrait, accepter: Option<String>) -> Ask {
    let deja = extraction.extraits.get(&extrait).and_then(|s| s.fichier.clone());
    Ask::Integrer { extrait, deja, accepter }
}

fn reessai(extrait: Extrait) -> &'static str {
    match extrait {
        Extrait::Activites => "reessai-activites",
        Extrait::SavoirFaire => "reessai-savoir-faire",
        Extrait::Cartes => "reessai-cartes",
    }
}

fn reessayer(decision: Decision, extrait: Extrait, cx: &Cx<'_>) -> Decision {
    let at = cx.now + TimeDelta::seconds(i64::from(cx.config.reessai_s));
    decision.wake_at(at, reessai(extrait))
}

/// An operator accepts the differences of a refused file; who does is told with its integration.
pub(super) fn accepter(extraction: &Extraction, fichier: String, par: String) -> Decision {
    let Some(extrait) = Extrait::de_fichier(&fichier) else {
        return Decision::Ignore("fichier inconnu");
    };
    let mut next = extraction.clone();
    next.extraits.entry(extrait).or_default().accepte = Some((fichier.clone(), par));
    let ask = lecture(extraction, extrait, Some(fichier));
    Decision::next(State::Extraction(next)).ask(ask)
}

/// The day's file was integrated already.
fn du_jour(extraction: &Extraction, extrait: Extrait) -> Decision {
    let mut next = extraction.clone();
    if !next.attendus.remove(&extrait) {
        return Decision::Ignore("extraction inchangée");
    }
    Decision::next(State::Extraction(next)).cancel_wake(reessai(extrait))
}

fn integree(extraction: &Extraction, i: Integration) -> Decision {
    let mut next = extraction.clone();
    next.attendus.remove(&i.extrait);
    let suivi = next.extraits.entry(i.extrait).or_default();
    if suivi.fichier.as_ref() == Some(&i.fichier) {
        return Decision::Ignore("extraction déjà intégrée");
    }
    suivi.fichier = Some(i.fichier.clone());
    suivi.refuse = None;
    let accepte = suivi.accepte.take().filter(|(fichier, _)| *fichier == i.fichier);
    let decision = Decision::next(State::Extraction(next)).publish(&RppsExtractionIntegree {
        fichier: i.fichier.clone(),
        lignes: i.lignes,
        ajouts: i.ajouts,
        retraits: i.retraits,
        modifications: i.modifications,
        sha256: i.sha256,
        acceptee_par: accepte.map(|(_, par)| par),
    });
    raconter(decision, i.extrait, &i.fichier, i.lot).cancel_wake(reessai(i.extrait))
}

/// Tells the doctors of a batch, and asks for the next batch.
fn raconter(decision: Decision, extrait: Extrait, fichier: &str, lot: Lot) -> Decision {
    let tell = |observation: Observation| Effect::Tell {
        key: cle_medecin(&observation.rpps),
        event: Event::Vue(observation),
    };
    let decision = decision.with_all(lot.observations.into_iter().map(tell));
    match lot.suite {
        Some(depuis) => decision.ask(Ask::Suite { extrait, fichier: fichier.to_owned(), depuis }),
        None => decision,
    }
}

fn refusee(
    extraction: &Extraction,
    extrait: Extrait,
    refus: (String, String),
    passager: bool,
    cx: &Cx<'_>,
) -> Decision {
    let mut next = extraction.clone();
    let suivi = next.extraits.entry(extrait).or_default();
    let announced = suivi.refuse.as_ref() == Some(&refus);
    suivi.refuse = Some(refus.clone());
    let mut decision = Decision::next(State::Extraction(next));
    if !announced {
        let (fichier, raison) = refus;
        let fact = RppsExtractionRefusee { fichier, raison };
        decision = decision.publish(&fact);
    }
    if passager { reessayer(decision, extrait, cx) } else { decision }
}
