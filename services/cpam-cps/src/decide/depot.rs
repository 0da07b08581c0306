//! The folder of a CPAM: requests are written together, a file of the CPAM is taken, each of its
//! lines told to its engagement, and given back once all of them were judged.

use chrono::TimeDelta;
use contracts::{
    CodeCpam,
    messages::{TacheFaite, TacheOuverte},
};
use kernel::derive_id;
use service::{Decision, Refusal, Service};

use super::{Cx, Decided, Effet, Event, State, Verdict as Outcome, misplaced};
use crate::{
    CpamCps,
    agency::{Answer, Ask, FichierLu, RELEVER},
    state::{Depot, FermerTache, LigneDemande, LigneRetour, Releve, Verdict, cle_engagement},
};

const REVEIL: &str = "depot";

/// Some lines of a file were refused.
const REJETEES: &str = "depot-lignes-rejetees";

fn cpam(cx: &Cx<'_>) -> Result<CodeCpam, Refusal> {
    cx.key.strip_prefix("depot/").and_then(|code| code.parse().ok()).ok_or_else(misplaced)
}

fn suivant(depot: Depot) -> Decided {
    Decision::next(State::Depot(depot))
}

/// A line to write: it leaves with the next file.
pub(super) fn deposer(depot: Option<&Depot>, ligne: LigneDemande, cx: &Cx<'_>) -> Decided {
    let mut next = depot.cloned().unwrap_or_default();
    next.a_ecrire.push(ligne);
    let decision = suivant(next);
    if depot.is_none() { rappeler(decision, cx) } else { decision }
}

fn rappeler(decision: Decided, cx: &Cx<'_>) -> Decided {
    let at = cx.now + TimeDelta::minutes(i64::from(cx.config.depot_minutes));
    decision.wake_at(at, REVEIL)
}

/// At a fixed pace: writes what waits, looks for a file.
pub(super) fn reveil(depot: &Depot, cx: &Cx<'_>) -> Outcome {
    let cpam = cpam(cx)?;
    let mut next = depot.clone();
    let mut asks = Vec::new();
    if next.en_ecriture.is_empty() && !next.a_ecrire.is_empty() {
        next.en_ecriture = std::mem::take(&mut next.a_ecrire);
        next.ecrits += 1;
        let fichier = format!("relais-{cpam}-{:06}.csv", next.ecrits);
        let lignes = next.en_ecriture.clone();
        asks.push(Ask::Deposer { cpam: cpam.clone(), fichier, lignes });
    }
    let look = next.releve.is_none();
    let decision = suivant(next).with_all(asks.into_iter().map(Effet::Ask));
    // A look that still waits for the folder is replaced by this one.
    let decision = if look {
        decision.with(Effet::CancelAsks(RELEVER)).ask(Ask::Relever { cpam })
    } else {
        decision
    };
    Ok(rappeler(decision, cx))
}

/// What came of the folder.
pub(super) fn reponse(depot: &Depot, answer: Answer, cx: &Cx<'_>) -> Outcome {
    match answer {
        Answer::Depose => {
            let mut next = depot.clone();
            let written = std::mem::take(&mut next.en_ecriture);
            next.demandes.extend(written.into_iter().map(|l| (l.demande, l.engagement)));
            Ok(suivant(next))
        }
        Answer::Releve(None) => Ok(Decision::Ignore("rien a relever")),
        Answer::Releve(Some(_)) if depot.releve.is_some() => {
            Ok(Decision::Ignore("fichier en cours"))
        }
        Answer::Releve(Some(fichier)) => Ok(juger(depot, fichier, &cpam(cx)?)),
        Answer::Rendu => rendu(depot, cx),
        Answer::Envoye => Err(misplaced()),
    }
}

/// Tells each line to its engagement; one that answers no request that was written here is refused.
fn juger(depot: &Depot, fichier: FichierLu, cpam: &CodeCpam) -> Decided {
    let mut told = Vec::new();
    let mut lignes = Vec::new();
    for (ligne, rang) in fichier.lignes.into_iter().zip(0_u32..) {
        let verdict = match ligne.lue {
            Err(motif) => Verdict::Refusee { motif },
            Ok(reponse) => match depot.demandes.get(&reponse.demande) {
                None => Verdict::Refusee { motif: "demande-inconnue".to_owned() },
                Some(engagement) => {
                    let (cpam, fichier) = (cpam.clone(), fichier.fichier.clone());
                    let event = Event::LigneRecue { cpam, fichier, rang, reponse };
                    told.push(Effet::Tell { key: cle_engagement(engagement), event });
                    Verdict::Attendu
                }
            },
        };
        lignes.push(LigneRetour { texte: ligne.texte, verdict });
    }
    let releve = Releve { fichier: fichier.fichier, lignes };
    let done = releve.jugee().then(|| Ask::Rendre { cpam: cpam.clone(), releve: releve.clone() });
    let next = Depot { releve: Some(releve), ..depot.clone() };
    suivant(next).with_all(told).with_all(done.map(Effet::Ask))
}

/// An engagement judged its line.
pub(super) fn verdict(
    depot: &Depot,
    fichier: &str,
    rang: u32,
    motif: Option<String>,
    cx: &Cx<'_>,
) -> Outcome {
    let mut next = depot.clone();
    let Some(releve) = next.releve.as_mut().filter(|r| r.fichier == fichier) else {
        return Ok(Decision::Ignore("fichier rendu"));
    };
    let index = usize::try_from(rang).unwrap_or(usize::MAX);
    let Some(ligne) = releve.lignes.get_mut(index).filter(|l| l.verdict == Verdict::Attendu) else {
        return Ok(Decision::Ignore("ligne jugée"));
    };
    ligne.verdict = match motif {
        Some(motif) => Verdict::Refusee { motif },
        None => Verdict::Prise,
    };
    let done = releve.jugee().then(|| releve.clone());
    let cpam = cpam(cx)?;
    let ask = done.map(|releve| Effet::Ask(Ask::Rendre { cpam, releve }));
    Ok(suivant(next).with_all(ask))
}

/// The file was given back: refused lines are a task, and the next file is looked for.
fn rendu(depot: &Depot, cx: &Cx<'_>) -> Outcome {
    let mut next = depot.clone();
    let Some(releve) = next.releve.take() else {
        return Ok(Decision::Ignore("fichier rendu"));
    };
    let mut motifs: Vec<&str> = Vec::new();
    for ligne in &releve.lignes {
        match &ligne.verdict {
            Verdict::Refusee { motif } => motifs.push(motif),
            Verdict::Prise | Verdict::Attendu => {}
        }
    }
    let cpam = cpam(cx)?;
    let mut effects = Vec::new();
    if !motifs.is_empty() {
        let rejetees = motifs.len().to_string();
        motifs.sort_unstable();
        motifs.dedup();
        next.taches_ouvertes += 1;
        let rang = next.taches_ouvertes.to_string();
        let tache = derive_id(&[CpamCps::NAME, "tache", cx.key, REJETEES, &rang]);
        next.taches.0.insert(tache, REJETEES.to_owned());
        let champs = [
            ("cpam", cpam.to_string()),
            ("fichier", releve.fichier.clone()),
            ("lignes", releve.lignes.len().to_string()),
            ("rejetees", rejetees),
            ("motifs", motifs.join(" ")),
        ];
        effects.push(Effet::publish(&TacheOuverte {
            tache,
            gabarit: REJETEES.to_owned(),
            service: CpamCps::NAME.to_owned(),
            cle: cx.key.to_owned(),
            objet: cx.key.to_owned(),
            champs: champs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
        }));
    }
    Ok(suivant(next).with_all(effects).ask(Ask::Relever { cpam }))
}

/// An operator closes a task.
pub(super) fn tache_fermee(depot: &Depot, action: FermerTache) -> Decided {
    let mut next = depot.clone();
    if next.taches.0.remove(&action.tache).is_none() {
        return Decision::Ignore("tache-inconnue");
    }
    suivant(next).publish(&TacheFaite { tache: action.tache, faite_par: action.par })
}
