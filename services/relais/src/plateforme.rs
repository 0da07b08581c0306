//! Starts the six services in one process, on whatever transport and stores are given.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use bus::SharedTransport;
use contact::MailerSettings;
use contracts::Referentiel;
use kernel::Clock;
use service::{Host, Operators, Running, Service, StartError, config::LinksConfig};
use store::SharedStore;
use tokio::net::TcpListener;

/// The services, in the order of a dossier's way.
pub(crate) const SERVICES: [&str; 6] =
    ["ds-intake", "ordinal-adapter", "rpps-flux", "cpam-cps", "rdv-agenda-sync", "indemnite"];

/// What one service needs besides its own settings.
pub(crate) struct Socle {
    /// Business time.
    pub clock: Clock,
    /// Its store.
    pub store: SharedStore,
    /// The transport, as this service.
    pub transport: SharedTransport,
    /// The register.
    pub referentiel: Arc<Referentiel>,
    /// Its HTTP address, already bound.
    pub listener: TcpListener,
    /// Answer links.
    pub links: LinksConfig,
    /// SMTP.
    pub smtp: Option<MailerSettings>,
    /// Who may act as an operator.
    pub operators: Operators,
    /// Its folder.
    pub data_dir: PathBuf,
}

/// The services that run.
#[derive(Default)]
pub(crate) struct Plateforme {
    running: Vec<Running>,
}

impl Plateforme {
    /// Starts one service.
    pub(crate) async fn lancer<S: Service>(
        &mut self,
        config: S::Config,
        socle: Socle,
    ) -> Result<SocketAddr, StartError> {
        let host = Host {
            clock: socle.clock,
            store: socle.store,
            transport: socle.transport,
            referentiel: socle.referentiel,
            listener: socle.listener,
            links: socle.links,
            smtp: socle.smtp,
            operators: socle.operators,
            data_dir: socle.data_dir,
            engine: service::EngineConfig::default(),
        };
        let running = service::start::<S>(config, host).await?;
        let addr = running.addr();
        self.running.push(running);
        Ok(addr)
    }

    /// Where each service is reached.
    pub(crate) fn adresses(&self) -> BTreeMap<String, String> {
        let of = |r: &Running| (r.name().to_owned(), format!("http://{}", r.addr()));
        self.running.iter().map(of).collect()
    }

    /// Stops every service, the last started first. Returns false when one did not end in time.
    pub(crate) async fn arreter(mut self, grace: Duration) -> bool {
        let mut ended = true;
        while let Some(running) = self.running.pop() {
            ended &= running.stop(grace).await;
        }
        ended
    }
}
