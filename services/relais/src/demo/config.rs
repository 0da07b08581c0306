//! The settings of the six services for the demo, and their start.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
};

use config::{Config, File, FileFormat};
use contact::MailerSettings;
use contracts::Referentiel;
use kernel::{Clock, Secret};
use rdv_agenda_sync::PROGRAM as RDV;
use service::{EngineConfig, Host, Operators, StartError, config::LinksConfig};
use simulators::{
    Monde,
    monde::{JETON_DS, ROBOT},
};
use tokio::net::TcpListener;

use super::{DemoError, reseau::Reseau};
use crate::{
    plateforme::{Plateforme, SERVICES},
    run::ecouter,
    simulateurs::DEMARCHE,
};

/// Virtual minutes between two polls of Démarches simplifiées.
const POLL_MINUTES: u32 = 30;
/// Real time limit of one call: a simulated agency that is slow takes longer.
const TIMEOUT_MS: u64 = 2_000;
/// Free ports of this machine.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

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
        let source = self.reglages(&listeners)?;
        let mut p = Plateforme::default();
        for (program, listener) in SERVICES.into_iter().zip(listeners).rev() {
            let (_, launch) = program.configure(&source).map_err(StartError::Config)?;
            p.lancer(launch, self.host(program.name(), listener).await?).await?;
        }
        Ok(p)
    }

    /// The services' settings, as an operator would write them.
    ///
    /// Virtual time goes by minutes: a window of a second must hold the calls of one. Nobody opens
    /// the mails: the plannings are printed once, at the end (`sortie`). Sites are read every week,
    /// as DS every half an hour. Towards the end nobody takes appointments any more: that a site is
    /// silent means nothing there.
    fn reglages(&self, listeners: &[TcpListener]) -> Result<Config, DemoError> {
        let mut addresses = SERVICES.iter().zip(listeners);
        let rdv = addresses.find(|(program, _)| program.name() == RDV.name());
        let rdv = rdv.map_or(Ok(LISTEN), |(_, listener)| listener.local_addr())?;
        let text = format!(
            "[ds-intake]\n\
             demarche = {DEMARCHE}\n\
             jeton = \"{JETON_DS}\"\n\
             instructeur_id = \"{ROBOT}\"\n\
             poll_interval_s = {}\n\
             calls_per_minute = 23_040\n\
             http = {{ base_url = \"{}\", timeout_ms = {TIMEOUT_MS} }}\n\
             [rpps-flux]\n\
             base_url = \"{}\"\n\
             cle_pseudonymes = \"cle-fictive-de-la-demonstration\"\n\
             [rdv-agenda-sync]\n\
             public_url = \"http://{rdv}\"\n\
             webhook_secret = \"secret-fictif-des-webhooks-de-la-demonstration\"\n\
             credential_key = \"cle-fictive-des-jetons-de-la-demonstration\"\n\
             client_id = \"relais\"\n\
             client_secret = \"secret-fictif\"\n\
             refresh_token_initial = \"consentement-fictif\"\n\
             operations_par_minute = 60\n\
             verification_heures = 24\n\
             reconciliation_jours = 7\n\
             silence_jours = 60\n\
             planning_imprime = false\n\
             api = {{ base_url = \"{}\", timeout_ms = {TIMEOUT_MS} }}\n",
            POLL_MINUTES * 60,
            self.monde.url_ds(),
            self.monde.url_rpps(),
            self.monde.url_rdv()
        );
        let source = Config::builder().add_source(File::from_str(&text, FileFormat::Toml)).build();
        Ok(source.map_err(|e| StartError::Config(e.to_string()))?)
    }

    async fn host(&self, nom: &str, listener: TcpListener) -> Result<Host, DemoError> {
        Ok(Host {
            clock: self.clock.clone(),
            store: self.reseau.store(nom).await?,
            transport: self.reseau.service(nom).await?,
            referentiel: Arc::clone(self.referentiel),
            listener,
            links: LinksConfig {
                key: Some(Secret::new("cle-fictive-des-liens-de-la-demonstration")),
                base_url: None,
            },
            smtp: Some(MailerSettings {
                url: self.monde.url_smtp(),
                user: None,
                password: None,
                from: "relais@relais.example".to_owned(),
                reply_to: None,
                timeout_ms: TIMEOUT_MS,
            }),
            operators: Operators::shared(self.jeton.clone()),
            data_dir: self.travail.join(nom),
            engine: EngineConfig::default(),
        })
    }
}
