//! One statement: sent once, then followed until the CPAM paid or rejected its last line.

use std::collections::BTreeMap;

use bus::Origin;
use chrono::{NaiveDate, TimeDelta};
use contracts::{
    Agence, CodeCpam, Demande, LieuId, Mois,
    messages::{EtatMensuel, EtatMensuelEmis, LigneEtat, PaiementEffectue, PaiementRejete},
    referentiel::Canal,
};
use service::{Decision, Effect, Refusal};
use uuid::Uuid;

use super::{Cx, Decided, Effects, OBSERVE, close_task, emis_of, next, open_task, tell};
use crate::{
    state::{EtatEmis, LigneEmise, Reglement, Releve, State, cle_medecin_mois},
    wire::{Event, csv, sha256_hex},
};

const RETARD: &str = "paiement";

/// A closing gives its content: the statement goes to the CPAM.
pub(super) fn emettre(
    state: Option<&State>,
    cpam: &CodeCpam,
    mois: Mois,
    rang: u32,
    lignes: Vec<LigneEtat>,
    cx: &Cx<'_>,
) -> Decided {
    if emis_of(state)?.is_some() {
        return Ok(Decision::Ignore("deja-emis"));
    }
    let etat = statement(demande_of(cx)?, mois, rang, lignes, cpam);
    let mut emis = EtatEmis {
        cpam: cpam.clone(),
        mois,
        rang,
        lignes: etat.lignes.iter().map(emitted).collect(),
        releve: None,
        a_transmettre: None,
        en_retard: None,
    };
    let fact = EtatMensuelEmis {
        cpam: cpam.clone(),
        mois,
        rang,
        lignes: u32::try_from(etat.lignes.len()).unwrap_or(u32::MAX),
        total_centimes: etat.total_centimes,
        sha256: etat.sha256.clone(),
    };
    let mut effects = vec![Effect::publish(&fact)];
    let by_queue = cx.referentiel.cpam(cpam).is_some_and(|f| f.canal == Canal::File);
    if by_queue {
        effects.push(Effect::request(&Agence::cpam(cpam), &etat));
    } else {
        emis.a_transmettre = Some(hand_over_task(&etat, cpam, cx, &mut effects));
    }
    let at = cx.now + TimeDelta::days(i64::from(cx.config.delai_paiement_jours));
    effects.push(Effect::WakeAt { at, reason: RETARD.to_owned() });
    emis.releve = Some(Box::new(frozen(etat, cpam, cx)));
    Ok(next(State::EtatEmis(emis), effects))
}

/// What was sent, with the names of this day's register.
fn frozen(etat: EtatMensuel, cpam: &CodeCpam, cx: &Cx<'_>) -> Releve {
    let name = |lieu: &LieuId| match cx.referentiel.lieu(lieu) {
        Some(known) if known.commune.is_empty() => known.nom.clone(),
        Some(known) => format!("{}, {}", known.nom, known.commune),
        None => lieu.to_string(),
    };
    let lieux = etat.lignes.iter().map(|l| (l.lieu.clone(), name(&l.lieu))).collect();
    let cpam_nom = cx.referentiel.cpam(cpam).map(|f| f.nom.clone()).unwrap_or_default();
    Releve { cpam: cpam.clone(), cpam_nom, emis_le: cx.today(), lieux, etat }
}

fn statement(
    demande: Uuid,
    mois: Mois,
    rang: u32,
    lignes: Vec<LigneEtat>,
    cpam: &CodeCpam,
) -> EtatMensuel {
    let total_centimes = lignes.iter().map(|l| l.centimes).sum();
    let demande = Demande { id: demande, rang: 1 };
    let mut etat =
        EtatMensuel { demande, mois, rang, lignes, total_centimes, sha256: String::new() };
    etat.sha256 = sha256_hex(&csv(&etat, cpam));
    etat
}

/// The request's id is the last part of the key.
fn demande_of(cx: &Cx<'_>) -> Result<Uuid, Refusal> {
    let id = cx.key.strip_prefix("etat-emis/").and_then(|id| id.parse().ok());
    id.ok_or_else(|| Refusal::new("cle-inattendue", "la clé d'un état émis porte sa demande"))
}

fn emitted(ligne: &LigneEtat) -> (Uuid, LigneEmise) {
    let (rpps, date) = (ligne.rpps.clone(), ligne.date);
    (ligne.ligne, LigneEmise { rpps, date, reglement: Reglement::Attendu })
}

fn hand_over_task(etat: &EtatMensuel, cpam: &CodeCpam, cx: &Cx<'_>, effects: &mut Effects) -> Uuid {
    let fiche = cx.referentiel.cpam(cpam);
    let text = |of: Option<&String>| of.cloned().unwrap_or_default();
    let champs = [
        ("cpam", cpam.to_string()),
        ("cpam_nom", text(fiche.map(|f| &f.nom))),
        ("courriel", text(fiche.and_then(|f| f.courriel.as_ref()))),
        ("mois", etat.mois.to_string()),
        ("rang", etat.rang.to_string()),
        ("lignes", etat.lignes.len().to_string()),
        ("total_centimes", etat.total_centimes.0.to_string()),
        ("sha256", etat.sha256.clone()),
        ("csv", csv(etat, cpam)),
    ];
    let objet = format!("etat/{cpam}-{}-{}", etat.mois, etat.rang);
    open_task(cx, "etat-mensuel-a-transmettre", objet, &champs, effects)
}

/// The CPAM says that it paid.
pub(super) fn paye(state: Option<&State>, origin: &Origin, message: &PaiementEffectue) -> Decided {
    let emis = answered(state, origin)?;
    pay(emis, &message.lignes, message.date)
}

/// The CPAM says that it rejected a line.
pub(super) fn rejete(state: Option<&State>, origin: &Origin, message: &PaiementRejete) -> Decided {
    let emis = answered(state, origin)?;
    reject(emis, message.ligne, &message.code)
}

/// An operator saw that a CPAM without a queue paid; no line listed means all that are expected.
pub(super) fn paiement_constate(
    state: Option<&State>,
    lignes: &[Uuid],
    date: NaiveDate,
) -> Decided {
    let emis = known(state)?;
    let lignes = if lignes.is_empty() { expected(&emis) } else { lignes.to_vec() };
    pay(emis, &lignes, date)
}

/// An operator saw that a CPAM without a queue rejected a line.
pub(super) fn rejet_constate(state: Option<&State>, ligne: Uuid, code: &str) -> Decided {
    reject(known(state)?, ligne, code)
}

/// Nothing came for too long: a person asks the CPAM.
pub(super) fn retard(emis: &EtatEmis, reason: &str, cx: &Cx<'_>) -> Decided {
    let missing = expected(emis).len();
    if reason != RETARD || missing == 0 || emis.en_retard.is_some() {
        return Ok(Decision::Ignore("reveil-sans-objet"));
    }
    let (mut emis, mut effects) = (emis.clone(), Effects::new());
    let champs = [
        ("cpam", emis.cpam.to_string()),
        ("mois", emis.mois.to_string()),
        ("rang", emis.rang.to_string()),
        ("lignes_en_attente", missing.to_string()),
    ];
    let objet = format!("etat/{}-{}-{}", emis.cpam, emis.mois, emis.rang);
    emis.en_retard = Some(open_task(cx, "paiement-en-retard", objet, &champs, &mut effects));
    Ok(next(State::EtatEmis(emis), effects))
}

/// An operator closes a task. The hand-over may report the payment of every expected line at once
/// (`paye_le`); a late payment that is still missing is asked about again after the same delay.
pub(super) fn tache_fermee(
    emis: &EtatEmis,
    tache: Uuid,
    champs: &BTreeMap<String, String>,
    par: &str,
    cx: &Cx<'_>,
) -> Decided {
    let (mut emis, mut effects) = (emis.clone(), Effects::new());
    if emis.a_transmettre == Some(tache) {
        emis.a_transmettre = None;
    } else if emis.en_retard == Some(tache) {
        emis.en_retard = None;
        let at = cx.now + TimeDelta::days(i64::from(cx.config.delai_paiement_jours));
        effects.push(Effect::WakeAt { at, reason: RETARD.to_owned() });
    } else {
        return Ok(Decision::Ignore("tache-close"));
    }
    close_task(tache, par, &mut effects);
    match champs.get("paye_le").map(|text| text.trim().parse::<NaiveDate>()) {
        None => {}
        Some(Err(_)) => {
            return Err(Refusal::new("champ-illisible", "« paye_le » : une date aaaa-mm-jj"));
        }
        Some(Ok(date)) => {
            let lignes = expected(&emis);
            settle(&mut emis, &lignes, Reglement::Paye, &mut effects, |ligne| Event::Payee {
                ligne,
                date,
            });
        }
    }
    Ok(next(State::EtatEmis(emis), effects))
}

fn known(state: Option<&State>) -> Result<EtatEmis, Refusal> {
    let unknown = || Refusal::new("demande-inconnue", "aucun état émis ne porte cette demande");
    emis_of(state)?.ok_or_else(unknown)
}

fn answered(state: Option<&State>, origin: &Origin) -> Result<EtatEmis, Refusal> {
    let emis = known(state)?;
    match origin {
        Origin::Agence(agence) if *agence == Agence::cpam(&emis.cpam) => Ok(emis),
        Origin::Agence(_) | Origin::Relais => {
            Err(Refusal::new("mauvaise-agence", "cet état n'est pas celui de cette agence"))
        }
    }
}

fn expected(emis: &EtatEmis) -> Vec<Uuid> {
    let waits = emis.lignes.iter().filter(|(_, l)| l.reglement == Reglement::Attendu);
    waits.map(|(id, _)| *id).collect()
}

fn pay(mut emis: EtatEmis, lignes: &[Uuid], date: NaiveDate) -> Decided {
    let mut fresh = Vec::new();
    for id in lignes {
        match reglement(&emis, *id)? {
            Reglement::Attendu if fresh.contains(id) => {}
            Reglement::Attendu => fresh.push(*id),
            Reglement::Paye => {}
            Reglement::Rejete => {
                let reason = "une ligne payée avait été rejetée : elle a pu être représentée";
                return Err(Refusal::new("ligne-deja-rejetee", reason));
            }
        }
    }
    if fresh.is_empty() {
        return Ok(Decision::Ignore("deja-regle"));
    }
    let mut effects = Effects::new();
    settle(&mut emis, &fresh, Reglement::Paye, &mut effects, |ligne| Event::Payee { ligne, date });
    Ok(next(State::EtatEmis(emis), effects))
}

fn reject(mut emis: EtatEmis, ligne: Uuid, code: &str) -> Decided {
    match reglement(&emis, ligne)? {
        Reglement::Attendu => {}
        Reglement::Rejete => return Ok(Decision::Ignore("deja-regle")),
        Reglement::Paye => {
            let reason = "une ligne rejetée avait été payée : une correction s'impose";
            return Err(Refusal::new("ligne-deja-payee", reason));
        }
    }
    let mut effects = Effects::new();
    settle(&mut emis, &[ligne], Reglement::Rejete, &mut effects, |ligne| Event::Rejetee {
        ligne,
        code: code.to_owned(),
    });
    Ok(next(State::EtatEmis(emis), effects))
}

fn reglement(emis: &EtatEmis, ligne: Uuid) -> Result<Reglement, Refusal> {
    let unknown = || Refusal::new("ligne-inconnue", "cet état n'a pas cette ligne");
    emis.lignes.get(&ligne).map(|l| l.reglement).ok_or_else(unknown)
}

/// Marks lines, tells each doctor's month, and closes what waited once nothing is expected.
fn settle(
    emis: &mut EtatEmis,
    lignes: &[Uuid],
    reglement: Reglement,
    effects: &mut Effects,
    event: impl Fn(Uuid) -> Event,
) {
    for id in lignes {
        if let Some(ligne) = emis.lignes.get_mut(id) {
            ligne.reglement = reglement;
            effects.push(tell(cle_medecin_mois(&ligne.rpps, ligne.date), event(*id)));
        }
    }
    if expected(emis).is_empty() {
        effects.push(Effect::CancelWake(RETARD.to_owned()));
        for tache in [emis.a_transmettre.take(), emis.en_retard.take()].into_iter().flatten() {
            close_task(tache, OBSERVE, effects);
        }
    }
}
