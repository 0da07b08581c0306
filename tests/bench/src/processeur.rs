//! Processor time of the bench itself, of PostgreSQL and of the broker, where they run on this
//! machine.

use std::{collections::HashMap, fs, time::Duration};

use kernel::Secret;
use serde_json::Value;
use sqlx::{Connection, PgConnection};

use crate::{Erreur, chiffres::entier, cli};

/// Length of a tick of `/proc/<pid>/stat`: USER_HZ is 100 on every architecture of Linux that
/// matters here.
const TICK: Duration = Duration::from_millis(10);

/// Processor time spent so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Temps {
    relais: Duration,
    postgres: HashMap<u32, Duration>,
    courtier: Duration,
}

/// Who is watched.
#[derive(Debug)]
pub(crate) struct Processeur {
    base: Secret,
    courtier: Option<u32>,
}

impl Processeur {
    pub(crate) async fn new(base: Secret) -> Self {
        Self { base, courtier: courtier().await }
    }

    /// What was spent until now.
    pub(crate) async fn lire(&self) -> Result<Temps, Erreur> {
        let mut conn = PgConnection::connect(self.base.expose()).await?;
        let pids: Vec<i32> =
            sqlx::query_scalar("select pid from pg_stat_activity where pid <> pg_backend_pid()")
                .fetch_all(&mut conn)
                .await?;
        conn.close().await?;
        let pids = pids.into_iter().filter_map(|pid| u32::try_from(pid).ok());
        Ok(Temps {
            relais: temps(std::process::id()),
            postgres: pids.map(|pid| (pid, temps(pid))).collect(),
            courtier: self.courtier.map(temps).unwrap_or_default(),
        })
    }
}

impl Temps {
    /// Microseconds per message since `avant`: (Relais, PostgreSQL, broker).
    pub(crate) fn depuis(&self, avant: &Self, messages: u32) -> [f64; 3] {
        let postgres = self.postgres.iter().map(|(pid, now)| {
            now.saturating_sub(avant.postgres.get(pid).copied().unwrap_or_default())
        });
        let spent = [
            self.relais.saturating_sub(avant.relais),
            postgres.sum(),
            self.courtier.saturating_sub(avant.courtier),
        ];
        spent.map(|time| time.as_secs_f64() * 1e6 / f64::from(messages))
    }
}

/// One line about the mean of some rounds.
pub(crate) fn ligne(qui: &str, tours: &[[f64; 3]]) -> String {
    let mean = |of: usize| {
        let all: Vec<f64> = tours.iter().map(|tour| tour[of]).collect();
        entier(crate::chiffres::mediane(&all))
    };
    format!(
        "processeur, {qui} : {} µs par message pour le programme, {} pour PostgreSQL, {} pour \
         RabbitMQ",
        mean(0),
        mean(1),
        mean(2)
    )
}

fn temps(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The command's name, in parentheses, may hold anything.
    let after = stat.rsplit_once(')').map(|(_, after)| after).unwrap_or_default();
    let mut fields = after.split_whitespace().skip(11);
    let mut ticks = || fields.next().and_then(|field| field.parse::<u32>().ok()).unwrap_or(0);
    TICK * (ticks() + ticks())
}

/// The broker's process, when its management API says it: a broker that has just started does so
/// after a few seconds.
async fn courtier() -> Option<u32> {
    let url = reqwest::Url::parse(cli::url("AMQP_MGMT_URL")?.expose()).ok()?;
    let settings = agency::HttpSettings {
        base_url: format!(
            "{}://{}:{}",
            url.scheme(),
            url.host_str()?,
            url.port_or_known_default()?
        ),
        timeout_ms: 5_000,
        max_body_bytes: 1 << 20,
    };
    let client = agency::HttpClient::new(settings).ok()?;
    for _ in 0..50 {
        let request = client.request(reqwest::Method::GET, "/api/nodes");
        let request = request.basic_auth(url.username(), url.password());
        let answer = client.send(request).await.ok()?;
        let nodes: Value = serde_json::from_slice(&answer.body).ok()?;
        if let Some(pid) = nodes.get(0).and_then(|node| node.get("os_pid")?.as_str()?.parse().ok())
        {
            return Some(pid);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    None
}
