//! Chooses store, transport and register from the configuration.

use std::sync::Arc;

use bus::{Identity, RabbitBus, RabbitOptions, SharedTransport};
use contracts::Referentiel;
use kernel::{Clock, Secret};
use store::{
    SharedStore,
    postgres::PostgresStore,
    sqlite::{SqliteOptions, SqliteStore},
};

use crate::{config::FrameConfig, lifecycle::StartError};

/// The store of `service`: PostgreSQL when configured, else SQLite under the data folder; migrated.
/// `relaxed` gives durability up, for stores that are thrown away.
///
/// # Errors
/// [`StartError`] when it cannot be opened or migrated.
pub async fn store(
    service: &str,
    frame: &FrameConfig,
    relaxed: bool,
) -> Result<SharedStore, StartError> {
    let store: SharedStore = if let Some(url) = &frame.database_url {
        Arc::new(PostgresStore::connect(url.expose(), None).await?)
    } else {
        std::fs::create_dir_all(&frame.data_dir)?;
        let path = frame.data_dir.join(format!("{service}.sqlite"));
        Arc::new(SqliteStore::open(&path, SqliteOptions { relaxed }).await?)
    };
    store.migrate().await?;
    Ok(store)
}

/// RabbitMQ as `service`.
///
/// # Errors
/// [`StartError::Bus`] when it cannot be reached.
pub async fn rabbit(
    service: &str,
    url: &Secret,
    frame: &FrameConfig,
    clock: &Clock,
) -> Result<SharedTransport, StartError> {
    let options = RabbitOptions {
        url: url.clone(),
        identity: Identity::Service(service.to_owned()),
        prefix: frame.amqp_prefix.clone(),
        declare: frame.amqp_declare,
        identity_header: frame.amqp_identity_header,
        clock: clock.clone(),
    };
    let bus: SharedTransport = RabbitBus::connect(options).await.map_err(StartError::Bus)?;
    Ok(bus)
}

/// The configured register, else the public one.
///
/// # Errors
/// [`StartError::Config`] names the file, the line and what is wrong.
pub fn referentiel(frame: &FrameConfig) -> Result<Referentiel, StartError> {
    match &frame.referentiel {
        Some(folder) => Referentiel::load(folder).map_err(|e| StartError::Config(e.to_string())),
        None => Ok(Referentiel::public()),
    }
}
