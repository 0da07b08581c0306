//! What must hold at the end: nothing lost, nothing twice, money exact.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use contracts::{
    DemiJournee, Message, Rpps,
    messages::{
        Activite, ActiviteAutorisee, ActiviteModifiee, ActiviteRetablie, ActiviteSuspendue,
        ActiviteTerminee, CandidatureDeposee, CandidatureIncomplete, CandidatureRefusee,
        CandidatureRetiree, EtatMensuel, EtatMensuelEmis, FacturationOuverte, IndemnitePayee,
        IndemniteRejetee, PanneClose, PanneOuverte, RelanceEnvoyee, TacheOuverte,
    },
};
use ds_intake::wire::EtatDs;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::{scenario::Issue, simulation::Simulation};

type DemiJour = (Rpps, NaiveDate, DemiJournee);

/// Everything that is wrong, one line each.
pub(crate) fn verdict(sim: &Simulation) -> Vec<String> {
    let mut wrong = Vec::new();
    calme(sim, &mut wrong);
    issues(sim, &mut wrong);
    numeros(sim, &mut wrong);
    argent(sim, &mut wrong);
    situations(sim, &mut wrong);
    annonces(sim, &mut wrong);
    wrong.extend(sim.m.livre.torts(&sim.restes()));
    wrong
}

fn messages<M: Message + DeserializeOwned>(sim: &Simulation) -> Vec<M> {
    let of = sim.m.publies.iter().filter(|c| c.envelope.message_type == M::TYPE);
    of.map(|c| serde_json::from_slice(&c.envelope.data).expect("a message")).collect()
}

/// Nothing stays open.
fn calme(sim: &Simulation, wrong: &mut Vec<String>) {
    let now = sim.m.now;
    let mut open = |name: &str, pannes: Vec<String>, en_cours: usize, up: bool| {
        if !pannes.is_empty() || en_cours > 0 || !up {
            wrong.push(format!("{name} : pannes {pannes:?}, en cours {en_cours}, debout {up}"));
        }
    };
    open("ds-intake", sim.ds.pannes(), sim.ds.en_cours(now), sim.ds.debout);
    open("ordinal-adapter", sim.ordinal.pannes(), sim.ordinal.en_cours(now), sim.ordinal.debout);
    open("rpps-flux", sim.rpps.pannes(), sim.rpps.en_cours(now), sim.rpps.debout);
    open("cpam-cps", sim.cpam.pannes(), sim.cpam.en_cours(now), sim.cpam.debout);
    open("rdv-agenda-sync", sim.rdv.pannes(), sim.rdv.en_cours(now), sim.rdv.debout);
    open("indemnite", sim.indemnite.pannes(), sim.indemnite.en_cours(now), sim.indemnite.debout);
    for tache in messages::<TacheOuverte>(sim) {
        if sim.monde.taches.contains(&tache.tache) {
            wrong.push(format!("tâche {} ouverte : {}", tache.gabarit, tache.cle));
        }
    }
}

/// Every application ends as the script says.
fn issues(sim: &Simulation, wrong: &mut Vec<String>) {
    let deposees = compte(messages::<CandidatureDeposee>(sim).iter().map(|m| m.0.dossier.0));
    let incompletes = compte(messages::<CandidatureIncomplete>(sim).iter().map(|m| m.dossier.0));
    let refusees = compte(messages::<CandidatureRefusee>(sim).iter().map(|m| m.dossier.0));
    let retirees = compte(messages::<CandidatureRetiree>(sim).iter().map(|m| m.dossier.0));
    let autorisees: Vec<Activite> =
        messages::<ActiviteAutorisee>(sim).into_iter().map(|m| m.0).collect();
    let opened = compte(autorisees.iter().map(|a| a.engagement.to_string()));
    for (index, candidature) in sim.monde.scenario.candidatures.iter().enumerate() {
        let n = candidature.numero;
        let engagements = candidature.lieux.iter().map(|l| sim.monde.engagement(index, *l));
        let engagements: Vec<_> = engagements.map(|e| e.to_string()).collect();
        let mine: Vec<_> =
            engagements.iter().map(|e| opened.get(e).copied().unwrap_or(0)).collect();
        let (deposee, incomplete) = (nombre(&deposees, &n), nombre(&incompletes, &n));
        let (refusee, retiree) = (nombre(&refusees, &n), nombre(&retirees, &n));
        let on_ds = sim.monde.ds.etat(n);
        let right = match candidature.parcours.issue() {
            Issue::Autorise => {
                deposee == 1
                    && refusee + retiree == 0
                    && mine.iter().all(|n| *n == 1)
                    && on_ds == Some(EtatDs::Accepte)
            }
            Issue::Refuse => {
                deposee == 1
                    && refusee == 1
                    && retiree == 0
                    && mine.iter().all(|n| *n == 0)
                    && on_ds == Some(EtatDs::Refuse)
            }
            // Deleted before it was read, nobody heard of it.
            Issue::Retire => {
                deposee == retiree && deposee <= 1 && refusee == 0 && mine.iter().all(|n| *n == 0)
            }
            Issue::Jamais => deposee + refusee + retiree == 0 && incomplete == 1,
        };
        if !right {
            wrong.push(format!(
                "dossier {n} ({:?}) : déposée {deposee}, incomplète {incomplete}, refusée \
                 {refusee}, retirée {retiree}, autorisée {mine:?}, sur DS {on_ds:?}",
                candidature.parcours
            ));
        }
    }
    let expected: usize = sim
        .monde
        .scenario
        .candidatures
        .iter()
        .filter(|c| c.parcours.issue() == Issue::Autorise)
        .map(|c| c.lieux.len())
        .sum();
    if autorisees.len() != expected {
        wrong.push(format!("{} autorisations, {expected} attendues", autorisees.len()));
    }
}

/// The last snapshot of each activity says how the outside left it.
fn situations(sim: &Simulation, wrong: &mut Vec<String>) {
    let mut last = BTreeMap::<String, (u64, Activite)>::new();
    let kinds = [
        ActiviteAutorisee::TYPE,
        ActiviteModifiee::TYPE,
        ActiviteSuspendue::TYPE,
        ActiviteRetablie::TYPE,
        ActiviteTerminee::TYPE,
    ];
    for courrier in &sim.m.publies {
        let envelope = &courrier.envelope;
        if !kinds.contains(&envelope.message_type.as_str()) {
            continue;
        }
        let activite: Activite = serde_json::from_slice(&envelope.data).expect("an activity");
        let sequence = envelope.sequence.unwrap_or(0);
        let known = last.entry(activite.engagement.to_string()).or_insert((0, activite.clone()));
        if known.0 < sequence {
            *known = (sequence, activite);
        }
    }
    for (engagement, (_, activite)) in last {
        let expected = sim.monde.situation(&activite.engagement);
        if activite.situation != expected {
            let said = activite.situation;
            wrong.push(format!("activité {engagement} : {said:?} au lieu de {expected:?}"));
        }
    }
}

/// What is announced is announced once, and closed.
fn annonces(sim: &Simulation, wrong: &mut Vec<String>) {
    let relances = compte(messages::<RelanceEnvoyee>(sim).iter().map(|m| m.relance));
    for (relance, times) in relances.iter().filter(|(_, times)| **times > 1) {
        wrong.push(format!("relance {relance} envoyée {times} fois"));
    }
    let taches = compte(messages::<TacheOuverte>(sim).iter().map(|m| m.tache));
    for (tache, times) in taches.iter().filter(|(_, times)| **times > 1) {
        wrong.push(format!("tâche {tache} ouverte {times} fois"));
    }
    let closed: BTreeSet<_> = messages::<PanneClose>(sim).iter().map(|m| m.panne).collect();
    for panne in messages::<PanneOuverte>(sim) {
        if !closed.contains(&panne.panne) {
            wrong.push(format!("panne {} de {} jamais close", panne.code, panne.service));
        }
    }
}

/// One number for each engagement, none for two. One that ended before it was given, without a
/// half-day owed, may stay without.
fn numeros(sim: &Simulation, wrong: &mut Vec<String>) {
    let mut of = BTreeMap::<String, BTreeSet<String>>::new();
    for m in messages::<FacturationOuverte>(sim) {
        of.entry(m.engagement.to_string()).or_default().insert(m.numero_am.to_string());
    }
    for m in messages::<ActiviteAutorisee>(sim) {
        let count = of.get(m.0.engagement.as_str()).map_or(0, BTreeSet::len);
        let true_one = sim.monde.caisses.numeros.get(&m.0.engagement).map(ToString::to_string);
        let given = of.get(m.0.engagement.as_str()).and_then(|all| all.first());
        if given.is_some() && given != true_one.as_ref() {
            wrong
                .push(format!("engagement {} : {given:?} au lieu de {true_one:?}", m.0.engagement));
        }
        let useless = count == 0 && sim.monde.cesse(&m.0.engagement);
        if count != 1 && !useless {
            wrong.push(format!("engagement {} : {count} numéros AM", m.0.engagement));
        }
    }
    let all: Vec<_> = of.values().flatten().collect();
    if all.iter().collect::<BTreeSet<_>>().len() != all.len() {
        wrong.push("un numéro AM pour deux engagements".to_owned());
    }
}

/// The half-days that the outside says are owed: held, and attested or shown by an appointment.
fn dus(sim: &Simulation) -> BTreeSet<DemiJour> {
    let scenario = &sim.monde.scenario;
    let mut dus = BTreeSet::new();
    for jour in sim.monde.jours.iter().filter(|j| sim.monde.tenu(j)) {
        let attested = sim.monde.attestes.get(&(jour.engagement.clone(), jour.date));
        if attested.copied().unwrap_or(jour.vus > 0) {
            let medecin = scenario.candidatures[jour.candidature].medecin;
            let rpps = &scenario.medecins[medecin].rpps;
            dus.extend(jour.demi_journees.iter().map(|d| (rpps.clone(), jour.date, *d)));
        }
    }
    dus
}

struct Enoncee {
    ligne: Uuid,
    de: DemiJour,
    centimes: i64,
}

/// Every line of every statement, by message or by task.
fn enoncees(sim: &Simulation) -> Vec<Enoncee> {
    let mut lines = Vec::new();
    for etat in messages::<EtatMensuel>(sim) {
        lines.extend(etat.lignes.into_iter().map(|l| Enoncee {
            ligne: l.ligne,
            de: (l.rpps, l.date, l.demi_journee),
            centimes: l.centimes.0,
        }));
    }
    for tache in messages::<TacheOuverte>(sim) {
        let Some(csv) = tache.champs.get("csv") else { continue };
        lines.extend(csv.lines().skip(1).map(|line| {
            let cells: Vec<_> = line.split(';').collect();
            let half = match cells[9] {
                "matin" => DemiJournee::Matin,
                _ => DemiJournee::ApresMidi,
            };
            Enoncee {
                ligne: cells[3].parse().expect("an id"),
                de: (cells[4].parse().expect("rpps"), cells[8].parse().expect("a day"), half),
                centimes: cells[10].parse().expect("cents"),
            }
        }));
    }
    lines
}

fn argent(sim: &Simulation, wrong: &mut Vec<String>) {
    let dus = dus(sim);
    let lines = enoncees(sim);
    let rejected: BTreeSet<_> = messages::<IndemniteRejetee>(sim).iter().map(|m| m.ligne).collect();
    let paid = compte(messages::<IndemnitePayee>(sim).iter().map(|m| m.ligne));
    let ids = compte(lines.iter().map(|l| l.ligne));
    for (ligne, times) in ids.iter().filter(|(_, n)| **n > 1) {
        wrong.push(format!("ligne {ligne} énoncée {times} fois"));
    }
    let mut alive = BTreeMap::<DemiJour, i64>::new();
    for line in &lines {
        let settled = (nombre(&paid, &line.ligne), rejected.contains(&line.ligne));
        if settled.0 + usize::from(settled.1) != 1 {
            wrong.push(format!(
                "ligne {} de {:?} : payée, rejetée {settled:?}",
                line.ligne, line.de
            ));
        }
        if !settled.1 {
            *alive.entry(line.de.clone()).or_default() += line.centimes;
        }
    }
    for half in &dus {
        let cents = alive.remove(half).unwrap_or(0);
        if cents != 10_000 {
            wrong.push(format!("{half:?} : {cents} centimes au lieu de 10000"));
        }
    }
    for (half, cents) in alive {
        wrong.push(format!("{half:?} : {cents} centimes qui ne sont pas dus"));
    }
    let announced: i64 = messages::<EtatMensuelEmis>(sim).iter().map(|m| m.total_centimes.0).sum();
    let stated: i64 = lines.iter().map(|l| l.centimes).sum();
    if announced != stated {
        wrong.push(format!("{announced} centimes annoncés, {stated} énoncés"));
    }
}

fn compte<K: Ord>(keys: impl Iterator<Item = K>) -> BTreeMap<K, usize> {
    let mut counts = BTreeMap::new();
    for key in keys {
        *counts.entry(key).or_default() += 1;
    }
    counts
}

fn nombre<K: Ord>(counts: &BTreeMap<K, usize>, key: &K) -> usize {
    counts.get(key).copied().unwrap_or(0)
}

/// What a run did, for the tests that check that everything happens.
pub(crate) fn bilan(sim: &Simulation) -> BTreeMap<&'static str, u64> {
    let mut counts = sim.m.comptes.clone();
    let n = |n: usize| n as u64;
    counts.insert("messages", n(sim.m.publies.len()));
    counts.insert("dossiers", n(sim.monde.scenario.candidatures.len()));
    counts.insert("engagements", n(messages::<ActiviteAutorisee>(sim).len()));
    counts.insert("demi-journées dues", n(dus(sim).len()));
    counts.insert("lignes rejetées", n(messages::<IndemniteRejetee>(sim).len()));
    counts.insert("tâches", n(messages::<TacheOuverte>(sim).len()));
    counts
}
