//! The demo's transport and stores: in-process and SQLite, or RabbitMQ and PostgreSQL. Everything
//! published is shown to the world, which counts and keeps it.

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use bus::{
    BusError, Confirmation, Consumer, MemoryBus, Publication, QueueSpec, SharedTransport, Transport,
};
use contracts::Agence;
use kernel::Clock;
use simulators::Monde;
use store::{
    SharedStore, Store,
    sqlite::{SqliteOptions, SqliteStore},
};

use super::DemoError;
use crate::cli::DemoArgs;

/// Where messages travel and states are kept.
pub(super) struct Reseau {
    memoire: Arc<MemoryBus>,
    monde: Monde,
}

impl Reseau {
    pub(super) async fn new(
        _args: &DemoArgs,
        clock: &Clock,
        monde: &Monde,
    ) -> Result<Self, DemoError> {
        Ok(Self { memoire: MemoryBus::new(clock.clone()), monde: monde.clone() })
    }

    /// The transport, as a service.
    pub(super) async fn service(&self, _name: &str) -> Result<SharedTransport, DemoError> {
        Ok(self.observer(self.memoire.clone()))
    }

    /// The transport, as an agency.
    pub(super) async fn agence(&self, agence: Agence) -> Result<SharedTransport, DemoError> {
        Ok(self.observer(self.memoire.agency(agence)))
    }

    fn observer(&self, inner: SharedTransport) -> SharedTransport {
        Arc::new(Observe { inner, monde: self.monde.clone() })
    }

    /// The store of a service; thrown away with the folder, so it need not be durable.
    pub(super) async fn store(
        &self,
        service: &str,
        travail: &Path,
    ) -> Result<SharedStore, DemoError> {
        let path = travail.join(format!("{service}.sqlite"));
        let store = SqliteStore::open(&path, SqliteOptions { relaxed: true }).await?;
        store.migrate().await?;
        Ok(Arc::new(store))
    }

    pub(super) async fn fermer(&self) {
        self.memoire.close().await;
    }
}

struct Observe {
    inner: SharedTransport,
    monde: Monde,
}

#[async_trait]
impl Transport for Observe {
    async fn publish(&self, messages: Vec<Publication>) -> Vec<Confirmation> {
        let kept = messages.clone();
        let confirmations = self.inner.publish(messages).await;
        for (message, confirmation) in kept.iter().zip(&confirmations) {
            if *confirmation == Confirmation::Confirmed {
                self.monde.publie(message);
            }
        }
        confirmations
    }

    async fn consume(&self, queue: &QueueSpec, prefetch: u16) -> Result<Box<dyn Consumer>, BusError> {
        self.inner.consume(queue, prefetch).await
    }

    async fn ready(&self, limit: Duration) -> bool {
        self.inner.ready(limit).await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
