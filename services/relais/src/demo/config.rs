//! The settings of the six services for the demo, and their start.

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    path::Path,
    sync::Arc,
};

use config::{Config, ConfigError, File, FileFormat};
use contracts::Referentiel;
use kernel::{Clock, Secret};
use service::{Host, StartError};
use simulators::Monde;

use super::{DemoError, reseau::Reseau};
use crate::{
    plateforme::{Plateforme, SERVICES, rang_de_rdv},
    run::ecouter,
    simulateurs::agences,
};

/// Free ports of this machine.
const LISTEN: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));

/// How the demo differs from an ordinary day.
///
/// - Virtual time goes by minutes: a window of a second must hold the calls of one (384 × 60).
/// - A simulated agency that is slow takes longer than the real two seconds of a call.
/// - Nobody opens the mails: the plannings are printed once, at the end (`sortie`).
/// - Sites are read every week, as DS every half an hour.
/// - Towards the end nobody takes appointments any more: that a site is silent means nothing.
const REGLAGES: &str = r"
    [smtp]
    timeout_ms = 2_000
    [ds-intake]
    poll_interval_s = 1_800
    calls_per_minute = 23_040
    http = { timeout_ms = 2_000 }
    [rdv-agenda-sync]
    operations_par_minute = 60
    verification_heures = 24
    reconciliation_jours = 7
    silence_jours = 60
    planning_imprime = false
    api = { timeout_ms = 2_000 }
";

/// What the services are started with.
pub(super) struct Atelier<'a> {
    pub(super) reseau: &'a Reseau,
    pub(super) monde: &'a Monde,
    pub(super) clock: &'a Clock,
    pub(super) referentiel: &'a Arc<Referentiel>,
    pub(super) travail: &'a Path,
    pub(super) jeton: &'a Secret,
}

impl Atelier<'_> {
    /// Starts the six services, the first of the chain last.
    pub(super) async fn lancer_tout(&self) -> Result<Plateforme, DemoError> {
        let listeners = ecouter(LISTEN, SERVICES.len()).await?;
        let rdv = format!("http://{}", listeners[rang_de_rdv()].local_addr()?);
        let source = self.reglages(&rdv).map_err(|e| StartError::Config(e.to_string()))?;
        let mut p = Plateforme::default();
        for (program, listener) in SERVICES.into_iter().zip(listeners).rev() {
            let (frame, launch) = program.configure(&source).map_err(StartError::Config)?;
            let (nom, clock) = (program.name(), self.clock.clone());
            let (store, transport) =
                (self.reseau.store(nom).await?, self.reseau.service(nom).await?);
            let referentiel = Arc::clone(self.referentiel);
            let host =
                Host::configured(nom, &frame, clock, store, transport, referentiel, listener);
            p.lancer(launch, host.map_err(StartError::Config)?).await?;
        }
        Ok(p)
    }

    /// The services' settings, as an operator would write them.
    fn reglages(&self, rdv: &str) -> Result<Config, ConfigError> {
        let toml = |text: &str| File::from_str(text, FileFormat::Toml);
        Config::builder()
            .add_source(toml(&agences(self.monde, rdv)))
            .add_source(toml(REGLAGES))
            .set_override("operator_token", self.jeton.expose())?
            .set_override("data_dir", self.travail.display().to_string())?
            .build()
    }
}
