//! Chooses store, transport and register from the configuration.

use std::sync::Arc;

use bus::{
    Identity, QueueSpec, RabbitBus, RabbitOptions, SharedTransport,
    tls::Certificates,
    topology::{self, Management},
};
use contracts::Referentiel;
use kernel::{Clock, Secret};
use store::{SharedStore, postgres::PostgresStore, sqlite::SqliteStore};

use crate::{config::FrameConfig, lifecycle::StartError};

/// The store of `service`: PostgreSQL when configured, else SQLite under the data folder; migrated.
///
/// # Errors
/// [`StartError`] when it cannot be opened or migrated.
pub async fn store(service: &str, frame: &FrameConfig) -> Result<SharedStore, StartError> {
    let store: SharedStore = if let Some(url) = &frame.database_url {
        Arc::new(PostgresStore::connect(url.expose(), None).await?)
    } else {
        std::fs::create_dir_all(&frame.data_dir)?;
        let path = frame.data_dir.join(format!("{service}.sqlite"));
        Arc::new(SqliteStore::open(&path).await?)
    };
    store.migrate().await?;
    Ok(store)
}

/// RabbitMQ as `service`.
///
/// # Errors
/// [`StartError::Bus`] when it cannot be reached; [`StartError::Drift`] when its management API
/// says that messages of this service's queue could be lost.
pub async fn rabbit(
    service: &str,
    url: &Secret,
    frame: &FrameConfig,
    clock: &Clock,
) -> Result<SharedTransport, StartError> {
    let identity = Identity::Service(service.to_owned());
    let options = RabbitOptions {
        certificates: certificates(frame),
        prefix: frame.amqp_prefix.clone(),
        declare: frame.amqp_declare,
        identity_header: frame.amqp_identity_header,
        ..RabbitOptions::new(url.clone(), identity, clock.clone())
    };
    let bus: SharedTransport = RabbitBus::connect(options).await.map_err(StartError::Bus)?;
    if let Some(management) = management(url, frame)?
        && let Err(error) = refuse_dangers(service, &management, frame).await
    {
        bus.close().await;
        return Err(error);
    }
    Ok(bus)
}

/// The management API, when it is configured, for the virtual host of the broker's URL.
///
/// # Errors
/// [`StartError::Bus`] when the URL is wrong.
pub fn management(url: &Secret, frame: &FrameConfig) -> Result<Option<Management>, StartError> {
    let Some(api) = &frame.amqp_management_url else { return Ok(None) };
    let vhost = bus::vhost_of(url).map_err(StartError::Bus)?;
    let certificates = certificates(frame);
    Ok(Some(Management { certificates, ..Management::new(api.clone(), vhost) }))
}

/// A management API that is away keeps nobody from working: only what it says does.
async fn refuse_dangers(
    service: &str,
    management: &Management,
    frame: &FrameConfig,
) -> Result<(), StartError> {
    let queue = QueueSpec::service(service, Vec::new());
    let looked =
        topology::dangers(management, &frame.amqp_prefix, &[queue], frame.amqp_declare).await;
    match looked {
        Ok(dangers) if dangers.is_empty() => Ok(()),
        Ok(dangers) => Err(StartError::Drift(format!(
            "{service} ne démarre pas, le courtier perdrait des messages : {} (relais topology \
             plan, puis apply)",
            dangers.join(" ; ")
        ))),
        Err(error) => {
            let error = crate::engine::chain(&error);
            tracing::warn!(service, %error, "the broker's limits could not be checked");
            Ok(())
        }
    }
}

/// Whom to trust and what to show to the broker.
pub fn certificates(frame: &FrameConfig) -> Certificates {
    Certificates {
        ca: frame.amqp_ca.clone(),
        cert: frame.amqp_cert.clone(),
        key: frame.amqp_key.clone(),
    }
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
