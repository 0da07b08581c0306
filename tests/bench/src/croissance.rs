//! The hop when much is already there: as many states and inbox marks as years of the programme.

use std::time::Instant;

use chrono::TimeDelta;
use kernel::Clock;
use service::EngineConfig;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::{
    Erreur,
    banc::{Banc, Schema},
    chiffres::{Resultat, decimal, entier, mediane, rapport},
    cli::Cli,
    hop::{self, DOSSIERS, Serie},
    processeur,
};

/// States already there.
const ETATS: u64 = 1_000_000;
/// Inbox marks already there.
const MARQUES: u64 = 10_000_000;
/// Days over which they are spread: what the inbox remembers.
const JOURS: i64 = 90;

/// Measures the hop on an empty database and on a full one, in turn.
pub(crate) async fn mesurer(banc: &Banc, cli: &Cli) -> Result<Resultat, Erreur> {
    let empty = banc.schema("vide", DOSSIERS, 1).await?;
    // The same number of dossiers, far from each other among all that exist.
    let full = banc.schema("plein", DOSSIERS, ETATS / DOSSIERS).await?;
    let started = Instant::now();
    remplir(banc, &full).await?;
    let filled = started.elapsed();
    let n = cli.messages;
    let [mut brut, mut vide, mut plein] = [(); 3].map(|()| Serie::default());
    for schema in [&empty, &full] {
        hop::tour(banc, schema, n / 2, &[EngineConfig::default()], &mut Serie::default()).await?;
    }
    for _ in 0..cli.tours {
        hop::tour_brut(banc, &empty, n, &mut brut).await?;
        hop::tour(banc, &empty, n, &[EngineConfig::default()], &mut vide).await?;
        hop::tour(banc, &full, n, &[EngineConfig::default()], &mut plein).await?;
    }
    let ratio = rapport(&plein.debits, &vide.debits);
    let mut resultat = Resultat::new("growth : le même trajet quand la base est pleine");
    resultat
        .ligne(format!(
            "{} messages/s avec {} états et {} marques ; base vide {} ; rapport {} (visé : 0,9)",
            entier(mediane(&plein.debits)),
            entier(1e6),
            entier(1e7),
            entier(mediane(&vide.debits)),
            decimal(ratio, 2)
        ))
        .rapport(&plein.debits, &vide.debits)
        .ligne(format!(
            "courtier seul : {} messages/s ; base remplie en {} s",
            entier(mediane(&brut.debits)),
            entier(filled.as_secs_f64())
        ))
        .ligne(processeur::ligne("base vide", &vide.temps))
        .ligne(processeur::ligne("base pleine", &plein.temps))
        .valeur("rate_per_s", mediane(&plein.debits))
        .valeur("raw_per_s", mediane(&brut.debits))
        .valeur("empty_per_s", mediane(&vide.debits))
        .valeur("ratio_to_raw", rapport(&plein.debits, &brut.debits));
    Ok(resultat)
}

async fn remplir(banc: &Banc, schema: &Schema) -> Result<(), Erreur> {
    let today = Clock::system().now().date_naive();
    let store = banc.store(schema).await?;
    store.prepare_inbox(today - TimeDelta::days(JOURS - 1), today + TimeDelta::days(1)).await?;
    store.close().await;
    let nom = &schema.nom;
    let mut conn = PgConnection::connect(banc.base.expose()).await?;
    let statements = [
        format!(
            "insert into \"{nom}\".state (key, version, body)
             select 'dossier/' || i, 1, '{{\"v\": 1, \"s\": {{\"n\": 0}}}}'::jsonb
             from generate_series(1, {ETATS}) i"
        ),
        format!(
            "insert into \"{nom}\".inbox (jour, marque)
             select (timestamptz 'now' at time zone 'UTC')::date - j, gen_random_uuid()
             from generate_series(0, {JOURS} - 1) j, generate_series(1, {MARQUES} / {JOURS})"
        ),
        format!("vacuum analyze \"{nom}\".state"),
        format!("vacuum analyze \"{nom}\".inbox"),
        "checkpoint".to_owned(),
    ];
    for sql in statements {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await?;
    }
    Ok(conn.close().await?)
}
