//! The settings of the six services for the demo, and their start.

use std::{path::Path, sync::Arc};

use contact::MailerSettings;
use contracts::Referentiel;
use kernel::{Clock, Secret};
use service::{Service, StartError, config::LinksConfig};
use simulators::Monde;
use tokio::net::TcpListener;

use super::{DemoError, reseau::Reseau};
use crate::plateforme::{Plateforme, Socle};

/// Virtual minutes between two polls of Démarches simplifiées.
const POLL_MINUTES: u32 = 30;
/// Real time limit of one call: a simulated agency that is slow takes longer.
const TIMEOUT_MS: u64 = 2_000;

/// What the services are started with.
pub(super) struct Atelier<'a> {
    pub(super) reseau: &'a Reseau,
    pub(super) monde: &'a Monde,
    pub(super) clock: &'a Clock,
    pub(super) referentiel: &'a Arc<Referentiel>,
    pub(super) travail: &'a Path,
    pub(super) jeton: &'a Secret,
}

/// Reads settings from TOML text, as an operator would write them.
fn reglages<S: Service>(text: &str) -> Result<S::Config, StartError> {
    toml::from_str(text).map_err(|e| StartError::Config(format!("[{}] {e}", S::NAME)))
}

impl Atelier<'_> {
    /// Starts the six services, the first of the chain last.
    pub(super) async fn lancer_tout(&self) -> Result<Plateforme, DemoError> {
        let mut p = Plateforme::default();
        let socle = self.socle::<indemnite::Indemnite>().await?;
        p.lancer::<indemnite::Indemnite>(reglages::<indemnite::Indemnite>("")?, socle).await?;
        let socle = self.socle::<rdv_agenda_sync::RdvAgendaSync>().await?;
        let text = self.rdv(&socle)?;
        p.lancer::<rdv_agenda_sync::RdvAgendaSync>(
            reglages::<rdv_agenda_sync::RdvAgendaSync>(&text)?,
            socle,
        )
        .await?;
        let socle = self.socle::<cpam_cps::CpamCps>().await?;
        p.lancer::<cpam_cps::CpamCps>(reglages::<cpam_cps::CpamCps>("")?, socle).await?;
        let socle = self.socle::<ordinal_adapter::OrdinalAdapter>().await?;
        p.lancer::<ordinal_adapter::OrdinalAdapter>(
            reglages::<ordinal_adapter::OrdinalAdapter>("")?,
            socle,
        )
        .await?;
        let socle = self.socle::<rpps_flux::RppsFlux>().await?;
        let text = format!(
            "base_url = \"{}\"\ncle_pseudonymes = \"cle-fictive-de-la-demonstration\"\n",
            self.monde.url_rpps()
        );
        p.lancer::<rpps_flux::RppsFlux>(reglages::<rpps_flux::RppsFlux>(&text)?, socle).await?;
        let socle = self.socle::<ds_intake::DsIntake>().await?;
        p.lancer::<ds_intake::DsIntake>(self.ds(), socle).await?;
        Ok(p)
    }

    fn ds(&self) -> ds_intake::Config {
        let jeton = Secret::new(simulators::monde::JETON_DS);
        let url = self.monde.url_ds();
        let mut config = ds_intake::Config::new(url, 123_456, jeton, simulators::monde::ROBOT);
        config.poll_interval_s = POLL_MINUTES * 60;
        // Virtual time goes by minutes: a window of a second must hold the calls of one.
        config.calls_per_minute *= 60;
        config.http.timeout_ms = TIMEOUT_MS;
        config
    }

    /// Nobody opens the mails: the plannings are printed once, at the end (`sortie`). Sites are read
    /// every week, as DS every half an hour. Towards the end nobody takes appointments any more:
    /// that a site is silent means nothing there.
    fn rdv(&self, socle: &Socle) -> Result<String, DemoError> {
        let address = socle.listener.local_addr()?;
        Ok(format!(
            "public_url = \"http://{address}\"\n\
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
             [api]\nbase_url = \"{}\"\ntimeout_ms = {TIMEOUT_MS}\n",
            self.monde.url_rdv()
        ))
    }

    async fn socle<S: Service>(&self) -> Result<Socle, DemoError> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        Ok(Socle {
            clock: self.clock.clone(),
            store: self.reseau.store(S::NAME).await?,
            transport: self.reseau.service(S::NAME).await?,
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
            operators: service::Operators::shared(self.jeton.clone()),
            data_dir: self.travail.join(S::NAME),
        })
    }
}
