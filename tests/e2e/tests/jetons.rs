//! Two replicas on one PostgreSQL: an expired token that both meet at once, under many calls, is
//! exchanged once.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use contact::{Links, Mailer};
use contracts::Referentiel;
use futures_util::future::join_all;
use harness::Serveurs;
use kernel::{Clock, Secret, Tasks};
use rdv_agenda_sync::{
    RdvAgendaSync,
    simulator::{self, Options, Simulateur},
    state::{Question, Reponse},
};
use service::{Attempt, Equipment, Service};
use store::{
    Store,
    postgres::{PostgresStore, drop_schema},
};
use uuid::Uuid;

/// Calls that each replica makes at once.
const APPELS: usize = 8;

/// A replica, with connections of its own.
async fn replica(base: &str, schema: &str, sim: &Simulateur, clock: &Clock) -> RdvAgendaSync {
    let store = PostgresStore::connect(base, Some(schema)).await.expect("a base");
    store.migrate().await.expect("migrates");
    let text = format!(
        "public_url = \"http://127.0.0.1:9\"\n\
         webhook_secret = \"0123456789abcdef0123456789abcdef\"\n\
         credential_key = \"fedcba9876543210fedcba9876543210\"\n\
         client_id = \"relais\"\nclient_secret = \"secret-fictif\"\n\
         refresh_token_initial = \"consentement-fictif\"\n\
         api = {{ base_url = \"{}\", timeout_ms = 5000 }}\n",
        sim.url()
    );
    let key = Secret::new("une clé de liens, fictive, assez longue");
    let equipment = Equipment {
        clock: clock.clone(),
        referentiel: Arc::new(Referentiel::default()),
        store: Arc::new(store),
        mailer: Mailer::absent(),
        links: Links::new(key, "http://127.0.0.1", RdvAgendaSync::NAME),
        data_dir: std::env::temp_dir(),
    };
    RdvAgendaSync::new(&toml::from_str(&text).expect("settings"), &equipment).expect("valid")
}

/// Looks at the account: one call that needs a token.
async fn regarder(replica: &RdvAgendaSync) -> Reponse {
    let asked = replica.ask(&Question::VerifierCompte, Uuid::nil(), Attempt::First);
    asked.await.expect("goes on")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_exchange_an_expired_token_once() {
    let Some(serveurs) = Serveurs::trouver() else { return };
    let (clock, tasks) = (Clock::system(), Tasks::new());
    let sim = simulator::start(clock.clone(), &tasks, Options::default()).await.expect("starts");
    let (base, schema) = (serveurs.base.expose(), format!("jetons_{}", std::process::id()));
    let replicas =
        [replica(base, &schema, &sim, &clock).await, replica(base, &schema, &sim, &clock).await];
    regarder(&replicas[0]).await;
    for round in 0..10 {
        sim.perimer_acces();
        let echanges = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&echanges);
        sim.faults.set(move |call, _| {
            counted.fetch_add(u32::from(call == "POST /oauth/token"), Ordering::SeqCst);
            None
        });
        for answer in join_all(replicas.iter().flat_map(|r| [r; APPELS]).map(regarder)).await {
            assert_eq!(answer, Reponse::Compte { blocage: None }, "round {round}");
        }
        assert_eq!(echanges.load(Ordering::SeqCst), 1, "one exchange in round {round}");
    }
    drop_schema(base, &schema).await.expect("dropped");
}
