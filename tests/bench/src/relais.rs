//! The relay: from rows that wait in the outbox to confirmed publications, rows deleted.

use std::time::Instant;

use contracts::{Flux, Message, messages::PanneClose};
use service::EngineConfig;
use store::{OutboxRow, Writes};

use crate::{
    Erreur,
    banc::{Banc, EFFETS, Schema},
    chiffres::{Resultat, decimal, entier, mediane, par_seconde, rapport},
    cli::Cli,
    hop::{DOSSIERS, Serie},
    limite, messages, processeur,
};

/// Rows written in one transaction.
const LOT: u64 = 500;

/// Measures the relay.
pub(crate) async fn mesurer(banc: &Banc, cli: &Cli) -> Result<Resultat, Erreur> {
    let schema = banc.schema("relay", DOSSIERS, 1).await?;
    let n = cli.messages;
    let (mut brut, mut relais) = (Serie::default(), Serie::default());
    tour(banc, &schema, n / 4, &mut Serie::default()).await?;
    for _ in 0..cli.tours {
        let avant = banc.processeur.lire().await?;
        let took = limite::emettre(banc, n).await?;
        let apres = banc.processeur.lire().await?;
        banc.vider(EFFETS).await?;
        brut.debits.push(par_seconde(n, took));
        brut.temps.push(apres.depuis(&avant, n));
        tour(banc, &schema, n, &mut relais).await?;
    }
    let (debit, limite) = (mediane(&relais.debits), mediane(&brut.debits));
    let ratio = rapport(&relais.debits, &brut.debits);
    let mut resultat = Resultat::new("relay : de la boîte d'envoi au courtier");
    resultat
        .ligne(format!(
            "{} messages/s ; publication seule {} ; rapport {} (visé : 0,8)",
            entier(debit),
            entier(limite),
            decimal(ratio, 2)
        ))
        .rapport(&relais.debits, &brut.debits)
        .ligne(processeur::ligne("publication seule", &brut.temps))
        .ligne(processeur::ligne("Relais", &relais.temps))
        .valeur("rate_per_s", debit)
        .valeur("raw_per_s", limite);
    Ok(resultat)
}

async fn tour(banc: &Banc, schema: &Schema, n: u32, serie: &mut Serie) -> Result<(), Erreur> {
    ecrire(banc, schema, n).await?;
    let replica = banc.replique(schema, EngineConfig::default()).await?;
    let avant = banc.processeur.lire().await?;
    let started = Instant::now();
    let running = replica.lancer().await?;
    let ended = banc.attendre_effets(n).await?;
    let apres = banc.processeur.lire().await?;
    running.arreter().await?;
    let effets = banc.presents(EFFETS).await?;
    if effets != n {
        return Err(format!("{effets} messages of {n} rows").into());
    }
    banc.verifier(schema, 0).await?;
    banc.vider(EFFETS).await?;
    serie.debits.push(par_seconde(n, ended - started));
    serie.temps.push(apres.depuis(&avant, n));
    Ok(())
}

/// Leaves `n` rows in the outbox, as a replica that was killed would.
async fn ecrire(banc: &Banc, schema: &Schema, n: u32) -> Result<(), Erreur> {
    let store = banc.store(schema).await?;
    let mut rest = u64::from(n);
    while rest > 0 {
        let outbox: Vec<_> = (0..rest.min(LOT)).map(|_| ligne(banc.suivant())).collect();
        rest -= rest.min(LOT);
        let mut writes = Some(Writes { outbox: outbox.into(), ..Writes::default() });
        store.transact(&[], &[], &mut |_| writes.take().unwrap_or_default()).await?;
    }
    store.close().await;
    Ok(())
}

fn ligne(n: u64) -> OutboxRow {
    let mut envelope = messages::entree("relay", n, DOSSIERS, 1);
    let id = kernel::derive_id(&["relay", &envelope.id, &n.to_string()]);
    envelope.id = id.to_string();
    PanneClose::TYPE.clone_into(&mut envelope.message_type);
    OutboxRow {
        id,
        exchange: Flux::Evenements.exchange().to_owned(),
        routing_key: PanneClose::TYPE.to_owned(),
        mandatory: false,
        envelope,
    }
}
