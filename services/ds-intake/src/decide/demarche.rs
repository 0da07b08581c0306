//! The poll: pass after pass over the list of dossiers, page by page. It only tells dossiers that
//! they changed or disappeared; they read themselves.

use chrono::{Days, TimeDelta};
use contracts::messages::{TacheFaite, TacheOuverte};
use service::{Context, Decision, Effect, Input, Service};

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

/// A pass that has not gone on by then is begun again: its call may have become a failure.
const PASSE_MAX: TimeDelta = TimeDelta::hours(1);

/// How long after the settings did not fit the form they are compared again.
const FORMULAIRE: TimeDelta = TimeDelta::minutes(10);

/// The settings do not fit the form: nothing is read meanwhile.
const INADAPTE: &str = "ds-formulaire-inadapte";
/// The token ends soon.
const EXPIRE: &str = "ds-jeton-a-renouveler";
/// DS refuses the first token; the second one works.
const REFUSE: &str = "ds-jeton-refuse";

pub(super) fn decide(
    state: Option<&Demarche>,
    input: Input<DsIntake>,
    cx: &Context<'_, DsIntake>,
) -> Decision<DsIntake> {
    let demarche = state.cloned().unwrap_or_default();
    match input {
        Input::Event(event) => evenement(demarche, event, cx),
        Input::Wake { reason } if reason == RELEVE => match &demarche.passe {
            Some(passe) if en_cours(passe, cx) => {
                let at = cx.now + cx.config.poll_interval();
                Decision::next(State::Demarche(demarche)).wake_at(at, RELEVE)
            }
            Some(_) | None => commencer(demarche, cx),
        },
        Input::Answer { ask: Ask::Lister(ask), answer, .. } => {
            let current = |p: &&Passe| p.debut == ask.passe && p.rang == ask.rang;
            match demarche.passe.as_ref().filter(current).cloned() {
                None => Decision::Ignore("passe-depassee"),
                Some(passe) => reponse(demarche, passe, &ask, answer, cx),
            }
        }
        Input::Message { .. } | Input::Answer { .. } | Input::Wake { .. } => {
            Decision::Ignore("sans-objet")
        }
    }
}

fn evenement(
    mut demarche: Demarche,
    event: Event,
    cx: &Context<'_, DsIntake>,
) -> Decision<DsIntake> {
    match event {
        // At every start, whatever was in progress: a call that failed for good would stop
        // polling. A pass that was under way goes on where it stood.
        Event::Demarrer => {
            demarche.formulaire_verifie = false;
            match demarche.passe.clone().filter(|p| en_cours(p, cx)) {
                Some(passe) => {
                    let at = cx.now + cx.config.poll_interval();
                    continuer(demarche, passe, cx).wake_at(at, RELEVE)
                }
                None => commencer(demarche, cx),
            }
        }
        Event::Relever => commencer(demarche, cx),
        Event::Reveil => match demarche.passe.as_mut() {
            // What changed meanwhile may be behind the page being read.
            Some(passe) if passe.encore => Decision::Ignore("reveil-connu"),
            Some(passe) => {
                passe.encore = true;
                Decision::next(State::Demarche(demarche))
            }
            None => commencer(demarche, cx),
        },
        Event::TacheFermee { tache, par } => {
            let before = demarche.taches.len();
            demarche.taches.retain(|_, open| *open != tache);
            if demarche.taches.len() == before {
                return Decision::Ignore("tache-deja-fermee");
            }
            // Said again as long as it stays so.
            demarche.problemes.clear();
            Decision::next(State::Demarche(demarche)).publish(&TacheFaite { tache, faite_par: par })
        }
        Event::Vu { .. }
        | Event::Disparu { .. }
        | Event::Activite(_)
        | Event::Facturation { .. }
        | Event::Agenda { .. }
        | Event::Engagement { .. }
        | Event::Candidater { .. }
        | Event::Doublon { .. }
        | Event::Relire => Decision::Ignore("sans-objet"),
    }
}

fn en_cours(passe: &Passe, cx: &Context<'_, DsIntake>) -> bool {
    cx.now - passe.avance_le.unwrap_or(passe.debut) < PASSE_MAX
}

fn reponse(
    mut demarche: Demarche,
    passe: Passe,
    ask: &Lister,
    answer: Answer,
    cx: &Context<'_, DsIntake>,
) -> Decision<DsIntake> {
    match answer {
        Answer::Page(page) => page_recue(demarche, passe, ask, &page, cx),
        Answer::PageParSuivant(page) => {
            let mut taches = Vec::new();
            ouvrir(&mut demarche, REFUSE, &[], cx, &mut taches);
            page_recue(demarche, passe, ask, &page, cx).with_all(taches)
        }
        Answer::PageTropLourde => {
            let taille = (passe.taille / 2).max(1);
            continuer(demarche, Passe { taille, ..passe }, cx)
        }
        Answer::FormulaireInadapte { problemes } => {
            let mut effets = Vec::new();
            if demarche.problemes != problemes {
                // What is wrong now, not what was when the task was opened.
                fermer(&mut demarche, INADAPTE, &mut effets);
                let champs = [("problemes", problemes.join("\n"))];
                ouvrir(&mut demarche, INADAPTE, &champs, cx, &mut effets);
                demarche.problemes = problemes;
            }
            demarche.passe = None;
            let at = cx.now + FORMULAIRE.max(cx.config.poll_interval());
            Decision::next(State::Demarche(demarche)).with_all(effets).wake_at(at, RELEVE)
        }
        Answer::Lu(_)
        | Answer::LuTropTot(_)
        | Answer::LuSansInstructeur { .. }
        | Answer::Introuvable
        | Answer::Ecrit { .. }
        | Answer::Empeche { .. }
        | Answer::MessageEnvoye
        | Answer::Annote => Decision::Ignore("reponse-sans-objet"),
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
    let mut taches = Vec::new();
    expiration(&mut demarche, cx, &mut taches);
    let passe = nouvelle_passe(&mut demarche, genre, cx);
    let ask = lister(&demarche, &passe, cx);
    demarche.passe = Some(passe);
    Decision::next(State::Demarche(demarche))
        .cancel_asks("lister")
        .ask(ask)
        .with_all(taches)
        .wake_at(cx.now + cx.config.poll_interval(), RELEVE)
}

/// Asks for a new token while the old one is still good; done once its date moved.
fn expiration(
    demarche: &mut Demarche,
    cx: &Context<'_, DsIntake>,
    effets: &mut Vec<Effect<DsIntake>>,
) {
    let notice = Days::new(cx.config.jeton_alerte_jours.into());
    match cx.config.jeton_expire_le {
        Some(day) if cx.today() + notice >= day => {
            ouvrir(demarche, EXPIRE, &[("expire_le", day.to_string())], cx, effets);
        }
        Some(_) | None => fermer(demarche, EXPIRE, effets),
    }
}

fn ouvrir(
    demarche: &mut Demarche,
    gabarit: &str,
    champs: &[(&str, String)],
    cx: &Context<'_, DsIntake>,
    effets: &mut Vec<Effect<DsIntake>>,
) {
    if demarche.taches.contains_key(gabarit) {
        return;
    }
    let tache = cx.id(gabarit);
    demarche.taches.insert(gabarit.to_owned(), tache);
    effets.push(Effect::publish(&TacheOuverte {
        tache,
        gabarit: gabarit.to_owned(),
        service: DsIntake::NAME.to_owned(),
        cle: cx.key.to_owned(),
        objet: cx.key.to_owned(),
        champs: champs.iter().map(|(name, text)| ((*name).to_owned(), text.clone())).collect(),
    }));
}

fn fermer(demarche: &mut Demarche, gabarit: &str, effets: &mut Vec<Effect<DsIntake>>) {
    if let Some(tache) = demarche.taches.remove(gabarit) {
        effets.push(Effect::publish(&TacheFaite { tache, faite_par: "observe".to_owned() }));
    }
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
    Passe {
        debut: cx.now,
        genre,
        rang: 0,
        depuis,
        apres: None,
        taille,
        dernier: None,
        avance_le: None,
        encore: false,
    }
}

fn lister(demarche: &Demarche, passe: &Passe, cx: &Context<'_, DsIntake>) -> Ask {
    Ask::Lister(Lister {
        passe: passe.debut,
        rang: passe.rang,
        depuis: passe.depuis,
        apres: passe.apres.clone(),
        taille: passe.taille,
        // Once per pass, with its first page.
        disparus_depuis: passe.apres.is_none().then(|| cx.now - DISPARUS),
        formulaire: !demarche.formulaire_verifie,
    })
}

/// The next call of the same pass.
fn continuer(
    mut demarche: Demarche,
    passe: Passe,
    cx: &Context<'_, DsIntake>,
) -> Decision<DsIntake> {
    let passe = Passe { rang: passe.rang + 1, avance_le: Some(cx.now), ..passe };
    let ask = lister(&demarche, &passe, cx);
    demarche.passe = Some(passe);
    Decision::next(State::Demarche(demarche)).cancel_asks("lister").ask(ask)
}

/// A page of another revision of the form than the one known is not looked at: the settings are
/// compared with it first, then every open dossier is read again.
fn page_recue(
    mut demarche: Demarche,
    passe: Passe,
    ask: &Lister,
    page: &Page,
    cx: &Context<'_, DsIntake>,
) -> Decision<DsIntake> {
    let changed = demarche.revision.as_ref().is_some_and(|known| *known != page.revision);
    let mut effets = Vec::new();
    if ask.formulaire {
        demarche.formulaire_verifie = true;
        demarche.problemes.clear();
        fermer(&mut demarche, INADAPTE, &mut effets);
    } else if changed {
        demarche.formulaire_verifie = false;
    }
    demarche.revision = Some(page.revision.clone());
    if changed {
        let relecture = nouvelle_passe(&mut demarche, Genre::Relecture, cx);
        // Another pass of the same instant needs another id: its calls go on counting.
        let relecture = Passe { rang: passe.rang, ..relecture };
        return continuer(demarche, relecture, cx).with_all(effets);
    }
    page_lue(demarche, passe, page, cx).with_all(effets)
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
    let borne = demarche.repere.max(passe.dernier).map(|last| last - cx.config.overlap());
    demarche.recents.retain(|_, recent| borne.is_none_or(|borne| recent.modifie_le >= borne));
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
        None => terminer(demarche, &passe, cx),
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
    cx: &Context<'_, DsIntake>,
) -> Decision<DsIntake> {
    demarche.passe = None;
    // The date of DS, never ours: the two clocks differ.
    demarche.repere = demarche.repere.max(passe.dernier);
    if passe.encore {
        return commencer(demarche, cx);
    }
    Decision::next(State::Demarche(demarche)).wake_at(cx.now + cx.config.poll_interval(), RELEVE)
}
