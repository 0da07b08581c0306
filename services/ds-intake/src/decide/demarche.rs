//! The poll: pass after pass over the list of dossiers, page by page. It only tells dossiers that
//! they changed or disappeared; they read themselves.

use chrono::TimeDelta;
use service::{Context, Decision, Input};

use crate::{
    DsIntake, Event,
    agency::{Answer, Ask, Lister},
    state::{Demarche, Genre, Passe, Recent, State},
    wire::{DossierDisparu, DossierListe, Page, seconde_passee},
};

/// The wake-up that starts the next pass.
const RELEVE: &str = "releve";

/// How far back the lists of deleted dossiers are read: a deletion is dated two weeks back when it
/// becomes final (facts of the API, section 7, point 5).
const DISPARUS: TimeDelta = TimeDelta::days(30);

/// A pass that has not ended by then is begun again: its call may have become a failure.
const PASSE_MAX: TimeDelta = TimeDelta::hours(1);

pub(super) fn decide(
    state: Option<&Demarche>,
    input: Input<DsIntake>,
    cx: &Context<'_, DsIntake>,
) -> Decision<DsIntake> {
    let demarche = state.cloned().unwrap_or_default();
    match input {
        // At every start, whatever was in progress: a call that failed for good would stop polling.
        Input::Event(Event::Demarrer) => commencer(demarche, cx),
        Input::Wake { reason } if reason == RELEVE => match &demarche.passe {
            Some(passe) if cx.now - passe.debut < PASSE_MAX => {
                let at = cx.now + cx.config.poll_interval();
                Decision::next(State::Demarche(demarche)).wake_at(at, RELEVE)
            }
            Some(_) | None => commencer(demarche, cx),
        },
        Input::Answer { ask: Ask::Lister(ask), answer, .. } => {
            let current = |p: &&Passe| p.debut == ask.passe && p.rang == ask.rang;
            match (demarche.passe.as_ref().filter(current).cloned(), answer) {
                (None, _) => Decision::Ignore("passe-depassee"),
                (Some(passe), Answer::Page(page)) => page_lue(demarche, passe, &page, cx),
                (Some(passe), Answer::PageTropLourde) => {
                    let taille = (passe.taille / 2).max(1);
                    continuer(demarche, Passe { taille, ..passe }, cx)
                }
                (
                    Some(_),
                    Answer::Lu(_)
                    | Answer::LuTropTot(_)
                    | Answer::Introuvable
                    | Answer::Ecrit { .. }
                    | Answer::Empeche { .. }
                    | Answer::MessageEnvoye
                    | Answer::Annote,
                ) => Decision::Ignore("reponse-sans-objet"),
            }
        }
        Input::Message { .. } | Input::Answer { .. } | Input::Wake { .. } | Input::Event(_) => {
            Decision::Ignore("sans-objet")
        }
    }
}

/// Begins a pass: the first and the daily one are complete.
fn commencer(mut demarche: Demarche, cx: &Context<'_, DsIntake>) -> Decision<DsIntake> {
    let every = TimeDelta::hours(i64::from(cx.config.reconcile_every_h));
    let due = match demarche.reconcilie_le {
        None => true,
        Some(last) => !every.is_zero() && cx.now - last >= every,
    };
    let genre = if due { Genre::Complete } else { Genre::Courante };
    let passe = nouvelle_passe(&mut demarche, genre, cx);
    let ask = lister(&passe, cx);
    demarche.passe = Some(passe);
    Decision::next(State::Demarche(demarche))
        .cancel_asks("lister")
        .ask(ask)
        .wake_at(cx.now + cx.config.poll_interval(), RELEVE)
}

fn nouvelle_passe(demarche: &mut Demarche, genre: Genre, cx: &Context<'_, DsIntake>) -> Passe {
    let depuis = match (genre, demarche.repere) {
        (Genre::Courante, Some(repere)) => (repere - cx.config.overlap()).max(cx.config.since),
        (Genre::Courante, None) | (Genre::Complete | Genre::Relecture, _) => cx.config.since,
    };
    if genre != Genre::Courante {
        demarche.reconcilie_le = Some(cx.now);
    }
    let taille = cx.config.taille_page();
    Passe { debut: cx.now, genre, rang: 0, depuis, apres: None, taille, dernier: None }
}

fn lister(passe: &Passe, cx: &Context<'_, DsIntake>) -> Ask {
    Ask::Lister(Lister {
        passe: passe.debut,
        rang: passe.rang,
        depuis: passe.depuis,
        apres: passe.apres.clone(),
        taille: passe.taille,
        // Once per pass, with its first page.
        disparus_depuis: passe.apres.is_none().then(|| cx.now - DISPARUS),
    })
}

/// The next call of the same pass.
fn continuer(
    mut demarche: Demarche,
    passe: Passe,
    cx: &Context<'_, DsIntake>,
) -> Decision<DsIntake> {
    let passe = Passe { rang: passe.rang + 1, ..passe };
    let ask = lister(&passe, cx);
    demarche.passe = Some(passe);
    Decision::next(State::Demarche(demarche)).ask(ask)
}

fn page_lue(
    mut demarche: Demarche,
    mut passe: Passe,
    page: &Page,
    cx: &Context<'_, DsIntake>,
) -> Decision<DsIntake> {
    let mut tells = Vec::new();
    for dossier in &page.dossiers {
        passe.dernier = passe.dernier.max(Some(dossier.modifie_le));
        if let Some(event) = vu(&mut demarche, &passe, dossier, page, cx) {
            tells.push((dossier.numero, event));
        }
    }
    if let Some(disparus) = &page.disparus {
        tells.extend(nouveaux_disparus(&mut demarche, disparus));
    }
    // A page without cursor is empty: there is nothing after it, whatever it says.
    let next_page = page.curseur.clone().filter(|_| page.suite);
    let decision = match next_page {
        Some(cursor) => {
            let taille = passe.taille.saturating_mul(2).min(cx.config.taille_page());
            continuer(demarche, Passe { apres: Some(cursor), taille, ..passe }, cx)
        }
        None => terminer(demarche, &passe, &page.revision, cx),
    };
    tells.into_iter().fold(decision, |decision, (numero, event)| {
        decision.tell(format!("dossier/{numero}"), event)
    })
}

/// What a line of the list is for its dossier; nothing when it was told already.
fn vu(
    demarche: &mut Demarche,
    passe: &Passe,
    dossier: &DossierListe,
    page: &Page,
    cx: &Context<'_, DsIntake>,
) -> Option<Event> {
    let modifie_le = dossier.modifie_le;
    let recent_depuis = demarche.repere.map(|repere| repere - cx.config.overlap());
    let is_recent = recent_depuis.is_none_or(|depuis| modifie_le >= depuis);
    if !is_recent && (passe.genre == Genre::Courante || dossier.etat.est_termine()) {
        return None;
    }
    let stable = seconde_passee(modifie_le, page.lu_a);
    let forced = passe.genre == Genre::Relecture && !dossier.etat.est_termine();
    let (relire, stable) = match demarche.recents.get(&dossier.numero) {
        Some(known) if known.modifie_le == modifie_le && known.stable => {
            if !forced {
                return None;
            }
            (true, true)
        }
        // Listed a second time, one poll later: that second is over.
        Some(known) if known.modifie_le == modifie_le => (true, true),
        Some(_) | None => (forced, stable),
    };
    if is_recent {
        demarche.recents.insert(dossier.numero, Recent { modifie_le, stable });
    }
    Some(Event::Vu { modifie_le, relire })
}

/// Those not told yet; one that was restored may disappear again.
fn nouveaux_disparus(demarche: &mut Demarche, disparus: &[DossierDisparu]) -> Vec<(u64, Event)> {
    let known = std::mem::take(&mut demarche.disparus);
    demarche.disparus = disparus.iter().map(|d| d.numero).collect();
    let new = disparus.iter().filter(|d| !known.contains(&d.numero));
    new.map(|d| (d.numero, Event::Disparu { raison: d.raison, le: d.le })).collect()
}

fn terminer(
    mut demarche: Demarche,
    passe: &Passe,
    revision: &str,
    cx: &Context<'_, DsIntake>,
) -> Decision<DsIntake> {
    demarche.passe = None;
    let form_changed = demarche.revision.as_deref().is_some_and(|known| known != revision);
    demarche.revision = Some(revision.to_owned());
    // The date of DS, never ours: the two clocks differ.
    demarche.repere = demarche.repere.max(passe.dernier);
    if let Some(repere) = demarche.repere {
        let depuis = repere - cx.config.overlap();
        demarche.recents.retain(|_, recent| recent.modifie_le >= depuis);
    }
    if form_changed && passe.genre != Genre::Relecture {
        let relecture = nouvelle_passe(&mut demarche, Genre::Relecture, cx);
        // Another pass of the same instant needs another id: its calls go on counting.
        let relecture = Passe { rang: passe.rang + 1, ..relecture };
        let ask = lister(&relecture, cx);
        demarche.passe = Some(relecture);
        return Decision::next(State::Demarche(demarche)).ask(ask);
    }
    Decision::next(State::Demarche(demarche)).wake_at(cx.now + cx.config.poll_interval(), RELEVE)
}
