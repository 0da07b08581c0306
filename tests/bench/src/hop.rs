//! The hop: a message in, its state changed, its effect out, all guarantees on.

use std::time::Instant;

use service::{EngineConfig, Service};

use crate::{
    Erreur,
    banc::{Banc, EFFETS, Schema},
    chiffres::{Resultat, decimal, entier, mediane, par_seconde, rapport},
    cli::Cli,
    compteur::Compteur,
    limite, processeur,
};

/// Dossiers that take turns: a batch holds a key twice only when the queue wraps around.
pub(crate) const DOSSIERS: u64 = 10_000;

/// A series of rounds.
#[derive(Debug, Default)]
pub(crate) struct Serie {
    /// Messages per second, per round.
    pub debits: Vec<f64>,
    /// Processor time, per round.
    pub temps: Vec<[f64; 3]>,
}

/// Measures the hop.
pub(crate) async fn mesurer(banc: &Banc, cli: &Cli) -> Result<Resultat, Erreur> {
    let schema = banc.schema("hop", DOSSIERS, 1).await?;
    let n = cli.messages;
    let un_par_un = EngineConfig { batch: 1 };
    let (mut brut, mut relais) = (Serie::default(), Serie::default());
    let [mut seul, mut deux, mut deux_seuls] = [(); 3].map(|()| Serie::default());
    // Plans, caches and files are made before anything counts.
    tour(banc, &schema, n / 4, &[EngineConfig::default()], &mut Serie::default()).await?;
    for numero in 0..cli.tours {
        tour_brut(banc, &schema, n, &mut brut).await?;
        tour(banc, &schema, n, &[EngineConfig::default()], &mut relais).await?;
        if numero < cli.tours.div_ceil(2) {
            tour(banc, &schema, n / 6, &[un_par_un], &mut seul).await?;
            tour(banc, &schema, n / 6, &[un_par_un; 2], &mut deux_seuls).await?;
            tour(banc, &schema, n, &[EngineConfig::default(); 2], &mut deux).await?;
        }
    }
    let (debit, limite) = (mediane(&relais.debits), mediane(&brut.debits));
    let ratio = rapport(&relais.debits, &brut.debits);
    let un = mediane(&seul.debits);
    let replicas = mediane(&deux.debits);
    let replicas_un = rapport(&deux_seuls.debits, &seul.debits);
    let mut resultat = Resultat::new("hop : un message entre, un état change, un fait sort");
    resultat
        .ligne(format!(
            "{} messages/s ; courtier seul {} ; rapport {} (visé : 0,65, souhaité : 0,75)",
            entier(debit),
            entier(limite),
            decimal(ratio, 2)
        ))
        .rapport(&relais.debits, &brut.debits)
        .ligne(format!(
            "un message par transaction : {} messages/s, soit {} fois moins (visé : 8)",
            entier(un),
            decimal(debit / un, 1)
        ))
        .ligne(format!(
            "deux répliques : {} messages/s ; quand les processeurs attendent le disque (un message \
             par transaction) : {} fois une",
            entier(replicas),
            decimal(replicas_un, 2)
        ))
        .ligne(processeur::ligne("courtier seul", &brut.temps))
        .ligne(processeur::ligne("Relais", &relais.temps))
        .ligne(processeur::ligne("un par transaction", &seul.temps))
        .valeur("rate_per_s", debit)
        .valeur("raw_per_s", limite)
        .valeur("one_per_commit_per_s", un)
        .valeur("batch_gain", debit / un)
        .valeur("two_replicas_per_s", replicas)
        .valeur("two_replicas_waiting_gain", replicas_un);
    Ok(resultat)
}

/// One round of the broker alone.
pub(crate) async fn tour_brut(
    banc: &Banc,
    schema: &Schema,
    n: u32,
    serie: &mut Serie,
) -> Result<(), Erreur> {
    banc.remplir(schema, n).await?;
    let avant = banc.processeur.lire().await?;
    let took = limite::traverser(banc, n).await?;
    let apres = banc.processeur.lire().await?;
    banc.attendre_effets(n).await?;
    banc.vider(EFFETS).await?;
    serie.debits.push(par_seconde(n, took));
    serie.temps.push(apres.depuis(&avant, n));
    Ok(())
}

/// One round of the service, in as many replicas as there are settings. What it leaves is checked.
pub(crate) async fn tour(
    banc: &Banc,
    schema: &Schema,
    n: u32,
    engines: &[EngineConfig],
    serie: &mut Serie,
) -> Result<(), Erreur> {
    banc.remplir(schema, n).await?;
    let mut prepared = Vec::new();
    for engine in engines {
        prepared.push(banc.replique(schema, *engine).await?);
    }
    let avant = banc.processeur.lire().await?;
    let started = Instant::now();
    let mut running = Vec::new();
    for replica in prepared {
        running.push(replica.lancer().await?);
    }
    let ended = banc.attendre_effets(n).await?;
    let apres = banc.processeur.lire().await?;
    for replica in running {
        replica.arreter().await?;
    }
    let effets = banc.presents(EFFETS).await?;
    let restes = banc.presents(Compteur::NAME).await?;
    if (effets, restes) != (n, 0) {
        return Err(format!("{effets} effects of {n} messages, {restes} not taken").into());
    }
    banc.verifier(schema, n).await?;
    banc.vider(EFFETS).await?;
    serie.debits.push(par_seconde(n, ended - started));
    serie.temps.push(apres.depuis(&avant, n));
    Ok(())
}
