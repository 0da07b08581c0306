//! What waits for a CPAM's next closing, and the closing itself.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use contracts::{CodeCpam, Mois, messages::LigneEtat};
use service::{Decision, Effect};

use super::{Cx, Decided, Effects, etat_of, next, tell};
use crate::{
    config::Config,
    state::{Etat, State, cle_etat_emis, demande_de_l_etat},
    wire::Event,
};

const CLOTURE: &str = "cloture";

/// A line for the next closing.
pub(super) fn ligne(
    state: Option<&State>,
    cpam: &CodeCpam,
    ligne: LigneEtat,
    cx: &Cx<'_>,
) -> Decided {
    let mut etat = etat_of(state)?.unwrap_or_else(|| Etat {
        cpam: cpam.clone(),
        en_attente: BTreeMap::new(),
        rangs: BTreeMap::new(),
        cloture: None,
    });
    etat.en_attente.insert(ligne.ligne, ligne);
    let mut effects = Effects::new();
    if etat.cloture.is_none() {
        arm(&mut etat, cx.config.prochaine_cloture(cx.now), cx, &mut effects);
    }
    Ok(next(State::Etat(etat), effects))
}

/// The day and hour of the closing have come.
pub(super) fn cloture(etat: &Etat, reason: &str, cx: &Cx<'_>) -> Decided {
    let due = etat.cloture.filter(|jour| cx.config.instant_de_cloture(*jour) <= cx.now);
    let Some(jour) = due.filter(|_| reason == CLOTURE) else {
        return Ok(Decision::Ignore("reveil-sans-objet"));
    };
    let (mut etat, mut effects) = (etat.clone(), Effects::new());
    etat.cloture = None;
    emit(&mut etat, jour, cx, &mut effects);
    if !etat.en_attente.is_empty() {
        // Not after now: a closing that comes late is followed by those that it hid.
        arm(&mut etat, Config::cloture_suivante(jour), cx, &mut effects);
    }
    Ok(next(State::Etat(etat), effects))
}

/// An operator closes before the day.
pub(super) fn cloturer(state: Option<&State>, cx: &Cx<'_>) -> Decided {
    let Some(mut etat) = etat_of(state)? else { return Ok(Decision::Ignore("rien-a-cloturer")) };
    let mut effects = Effects::new();
    emit(&mut etat, cx.today(), cx, &mut effects);
    if effects.is_empty() {
        return Ok(Decision::Ignore("rien-a-cloturer"));
    }
    if etat.en_attente.is_empty() {
        etat.cloture = None;
        effects.push(Effect::CancelWake(CLOTURE.to_owned()));
    }
    Ok(next(State::Etat(etat), effects))
}

fn arm(etat: &mut Etat, jour: NaiveDate, cx: &Cx<'_>, effects: &mut Effects) {
    etat.cloture = Some(jour);
    let at = cx.config.instant_de_cloture(jour);
    effects.push(Effect::WakeAt { at, reason: CLOTURE.to_owned() });
}

/// Moves every line dated before the closing's month into statements of the month before it.
fn emit(etat: &mut Etat, jour: NaiveDate, cx: &Cx<'_>, effects: &mut Effects) {
    let first = Mois::of(jour).premier_jour();
    let mois = Mois::of(first.pred_opt().unwrap_or(first));
    let (mut due, later): (Vec<_>, BTreeMap<_, _>) =
        split(std::mem::take(&mut etat.en_attente), first);
    etat.en_attente = later;
    let order = |l: &LigneEtat| (l.date, l.rpps.clone(), l.demi_journee, l.ligne);
    due.sort_by_key(order);
    for lignes in due.chunks(cx.config.lignes_max_par_etat) {
        let rang = etat.rangs.entry(mois).or_default();
        *rang += 1;
        let (rang, cpam) = (*rang, etat.cpam.clone());
        let demande = demande_de_l_etat(&cpam, mois, rang);
        let event = Event::Emettre { cpam, mois, rang, lignes: lignes.to_vec() };
        effects.push(tell(cle_etat_emis(demande), event));
    }
}

fn split(
    lignes: BTreeMap<uuid::Uuid, LigneEtat>,
    first: NaiveDate,
) -> (Vec<LigneEtat>, BTreeMap<uuid::Uuid, LigneEtat>) {
    let (due, later): (BTreeMap<_, _>, BTreeMap<_, _>) =
        lignes.into_iter().partition(|(_, l)| l.date < first);
    (due.into_values().collect(), later)
}
