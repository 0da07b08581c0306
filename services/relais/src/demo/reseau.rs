//! The demo's transport and stores: in-process and SQLite, or RabbitMQ and PostgreSQL. Everything
//! published is shown to the world, which counts and keeps it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use bus::{
    Identity, MemoryBus, QueueSpec, RabbitBus, RabbitOptions, SharedTransport, Transport, Watch,
};
use contracts::Agence;
use kernel::{Clock, Secret};
use serde::{Deserialize, de::DeserializeOwned};
use simulators::Monde;
use store::{
    SharedStore, Store,
    postgres::{PostgresStore, create_database_if_missing, drop_schema},
    sqlite::SqliteStore,
};

use super::DemoError;
use crate::{cli::DemoArgs, plateforme::noms};

/// Begins the name of every exchange and queue of the demo on a broker.
const PREFIXE: &str = "demo.";

/// Where messages travel and states are kept.
pub(super) struct Reseau {
    watch: Watch,
    bus: Bus,
    database: Option<String>,
    clock: Clock,
    schemas: Mutex<Vec<String>>,
    stores: Mutex<BTreeMap<String, SharedStore>>,
}

enum Bus {
    Memoire(Arc<MemoryBus>),
    Rabbit {
        url: Secret,
        /// Speaks for every agency, and sweeps before and after.
        agences: Arc<RabbitBus>,
        services: Mutex<Vec<SharedTransport>>,
        queues: Vec<QueueSpec>,
    },
}

impl Reseau {
    pub(super) async fn new(
        args: &DemoArgs,
        clock: &Clock,
        monde: &Monde,
    ) -> Result<Self, DemoError> {
        let seen = monde.clone();
        let hook = move |publication: &bus::Publication| seen.publie(publication);
        let (bus, watch) = match &args.amqp {
            None => (Bus::Memoire(MemoryBus::new(clock.clone())), Watch::new(hook)),
            Some(url) => {
                (rabbit(url, clock, monde).await?, Watch::holding_time(clock.clone(), hook))
            }
        };
        if let Some(url) = &args.database {
            create_database_if_missing(url).await?;
        }
        let (database, clock) = (args.database.clone(), clock.clone());
        Ok(Self {
            watch,
            bus,
            database,
            clock,
            schemas: Mutex::default(),
            stores: Mutex::default(),
        })
    }

    /// The transport, as a service.
    pub(super) async fn service(&self, name: &str) -> Result<SharedTransport, DemoError> {
        let transport: SharedTransport = match &self.bus {
            Bus::Memoire(bus) => bus.clone(),
            Bus::Rabbit { url, services, .. } => {
                let identity = Identity::Service(name.to_owned());
                let options =
                    RabbitOptions::demo(url.clone(), identity, self.clock.clone(), PREFIXE);
                let bus: SharedTransport = RabbitBus::connect(options).await?;
                services.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&bus));
                bus
            }
        };
        Ok(self.watch.over(transport))
    }

    /// The transport, as an agency.
    pub(super) fn agence(&self, agence: Agence) -> Result<SharedTransport, DemoError> {
        Ok(self.watch.over(match &self.bus {
            Bus::Memoire(bus) => bus.agency(agence),
            Bus::Rabbit { agences, .. } => agences.agency(agence)?,
        }))
    }

    /// The store of a service; thrown away at the end, so that SQLite needs no file.
    pub(super) async fn store(&self, service: &str) -> Result<SharedStore, DemoError> {
        let store = self.ouvrir(service).await?;
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        stores.insert(service.to_owned(), Arc::clone(&store));
        Ok(store)
    }

    /// A state of a service that runs.
    pub(super) async fn etat<S: DeserializeOwned>(
        &self,
        service: &str,
        cle: &str,
    ) -> Result<Option<S>, DemoError> {
        #[derive(Deserialize)]
        struct Range<S> {
            s: S,
        }
        let Some(store) = self.ouverte(service) else { return Ok(None) };
        let Some(row) = store.state(cle).await? else { return Ok(None) };
        let read: Range<S> = serde_json::from_str(&row.body).map_err(std::io::Error::other)?;
        Ok(Some(read.s))
    }

    fn ouverte(&self, service: &str) -> Option<SharedStore> {
        self.stores.lock().unwrap_or_else(PoisonError::into_inner).get(service).cloned()
    }

    async fn ouvrir(&self, service: &str) -> Result<SharedStore, DemoError> {
        let Some(url) = &self.database else {
            let store = SqliteStore::in_memory().await?;
            store.migrate().await?;
            return Ok(Arc::new(store));
        };
        let schema = format!("demo_{}", service.replace('-', "_"));
        // What an interrupted demo may have left.
        drop_schema(url, &schema).await?;
        let store = PostgresStore::connect(url, Some(&schema)).await?;
        store.migrate().await?;
        self.schemas.lock().unwrap_or_else(PoisonError::into_inner).push(schema);
        Ok(Arc::new(store))
    }

    /// Closes everything and sweeps the broker and the database.
    pub(super) async fn fermer(self) -> Result<(), DemoError> {
        match &self.bus {
            Bus::Memoire(bus) => bus.close().await,
            Bus::Rabbit { agences, services, queues, .. } => {
                let open =
                    std::mem::take(&mut *services.lock().unwrap_or_else(PoisonError::into_inner));
                for service in open {
                    service.close().await;
                }
                agences.erase(queues).await?;
                agences.close().await;
            }
        }
        let schemas =
            std::mem::take(&mut *self.schemas.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(url) = &self.database {
            for schema in schemas {
                drop_schema(url, &schema).await?;
            }
        }
        Ok(())
    }
}

async fn rabbit(url: &str, clock: &Clock, monde: &Monde) -> Result<Bus, DemoError> {
    let url = Secret::new(url);
    let identity = Identity::Service("relais-demo".to_owned());
    let options = RabbitOptions::demo(url.clone(), identity, clock.clone(), PREFIXE);
    let agences = RabbitBus::connect(options).await?;
    let spec = |name: String| QueueSpec { name, bindings: Vec::new() };
    let mut queues: Vec<_> = noms().map(|nom| spec(nom.to_owned())).into();
    queues.extend(monde.agences().iter().map(|a| spec(a.queue())));
    agences.erase(&queues).await?;
    // Sweeping took the exchanges away: they are made again with the first connection.
    let identity = Identity::Service("relais-demo".to_owned());
    let options = RabbitOptions::demo(url.clone(), identity, clock.clone(), PREFIXE);
    agences.close().await;
    let agences = RabbitBus::connect(options).await?;
    Ok(Bus::Rabbit { url, agences, services: Mutex::default(), queues })
}
