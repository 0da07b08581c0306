//! `relais run`: the services for real, in one process. In-process transport and SQLite unless
//! `amqp_url` and `database_url` are configured.

use std::{
    collections::BTreeSet, fs, net::SocketAddr, path::Path, process::ExitCode, sync::Arc,
    time::Duration,
};

use bus::{MemoryBus, SharedTransport};
use contracts::Referentiel;
use kernel::Clock;
use service::{FrameConfig, Host, Launch, Program, StartError, backends, config as configuration};
use store::{SharedStore, Store, postgres::PostgresStore};
use tokio::net::TcpListener;

use crate::{
    cli::RunArgs,
    plateforme::{Plateforme, SERVICES, noms},
};

/// File of the data folder that says which services it was made for.
const MARQUE: &str = "services";

/// Runs the services until they are asked to stop.
pub(crate) async fn run(args: RunArgs) -> Result<ExitCode, StartError> {
    let choisis = choisir(&args.services)?;
    let source = configuration::load(args.config.as_deref()).map_err(StartError::Config)?;
    let (frame, launches) = verifier(&source, &choisis)?;
    let _telemetry =
        service::telemetry::init("relais", &frame.telemetry).map_err(StartError::Config)?;
    if frame.amqp_url.is_none() {
        marquer(&frame.data_dir, &choisis.iter().map(|p| p.name()).collect::<Vec<_>>())?;
    }
    let listeners = ecouter(frame.listen, choisis.len()).await?;
    let clock = frame.clock.map_or_else(Clock::system, Clock::accelerated);
    let atelier = Atelier {
        memoire: MemoryBus::new(clock.clone()),
        referentiel: Arc::new(backends::referentiel(&frame)?),
        schemas: choisis.len() > 1,
        frame,
        clock,
    };
    let stop = service::stop_signal();
    let mut plateforme = Plateforme::default();
    let mut transports = Vec::new();
    let lots = choisis.into_iter().zip(launches).zip(listeners);
    let started = atelier.lancer_tout(&mut plateforme, &mut transports, lots);
    let started = tokio::select! {
        started = started => started.map(|()| true),
        () = service::stop_signal() => Ok(false),
    };
    if matches!(started, Ok(true)) {
        for (name, url) in plateforme.adresses() {
            tracing::info!(service = %name, %url, "listening");
        }
        stop.await;
    }
    tracing::info!("stopping");
    let ended = plateforme.arreter(Duration::from_secs(atelier.frame.grace_s)).await;
    for transport in transports {
        transport.close().await;
    }
    started?;
    Ok(if ended { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The services asked for, in the order of a dossier's way; all of them by default.
pub(crate) fn choisir(demandes: &[String]) -> Result<Vec<&'static Program>, StartError> {
    let unknown: Vec<_> =
        demandes.iter().filter(|nom| !noms().contains(&nom.as_str())).cloned().collect();
    if !unknown.is_empty() {
        return Err(StartError::Config(format!(
            "service inconnu : {} (les services : {})",
            unknown.join(", "),
            noms().join(", ")
        )));
    }
    let wanted = |p: &&Program| demandes.is_empty() || demandes.iter().any(|d| d == p.name());
    Ok(SERVICES.into_iter().filter(wanted).collect())
}

/// Reads every table; all problems at once, each once.
pub(crate) fn verifier(
    source: &config::Config,
    choisis: &[&Program],
) -> Result<(FrameConfig, Vec<Launch>), StartError> {
    let mut problems = BTreeSet::new();
    let mut frame = None;
    let mut launches = Vec::new();
    for program in choisis {
        match program.configure(source) {
            Ok((read, launch)) => {
                frame = Some(read);
                launches.push(launch);
            }
            Err(text) => problems.extend(text.lines().map(str::to_owned)),
        }
    }
    let text = problems.into_iter().collect::<Vec<_>>().join("\n");
    match frame {
        Some(frame) if text.is_empty() => Ok((frame, launches)),
        Some(_) | None => Err(StartError::Config(text)),
    }
}

/// An embedded transport only knows the services of its process: a data folder that was made for
/// others would wait for them for ever.
fn marquer(data_dir: &Path, choisis: &[&str]) -> Result<(), StartError> {
    fs::create_dir_all(data_dir)?;
    let path = data_dir.join(MARQUE);
    let text = choisis.join("\n") + "\n";
    match fs::read_to_string(&path) {
        Ok(known) if known == text => Ok(()),
        Ok(known) => {
            let known: Vec<_> = known.lines().collect();
            Err(StartError::Config(format!(
                "le dossier {} a été créé pour les services {} : relancez-les tous, ou choisissez \
                 un autre data_dir",
                data_dir.display(),
                known.join(", ")
            )))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(fs::write(&path, text)?),
        Err(error) => Err(error.into()),
    }
}

/// The first address, and the ports that follow it; free ones from port 0.
pub(crate) async fn ecouter(
    first: SocketAddr,
    count: usize,
) -> Result<Vec<TcpListener>, StartError> {
    let mut listeners = Vec::new();
    let mut problems = Vec::new();
    for n in 0..count {
        let offset = u16::try_from(n).unwrap_or(u16::MAX);
        let port = if first.port() == 0 { Some(0) } else { first.port().checked_add(offset) };
        let Some(port) = port else {
            problems.push(format!("listen : pas de port {n} rangs après {first}"));
            continue;
        };
        let address = SocketAddr::new(first.ip(), port);
        match TcpListener::bind(address).await {
            Ok(listener) => listeners.push(listener),
            Err(error) => problems.push(format!("listen : {address} : {error}")),
        }
    }
    if problems.is_empty() { Ok(listeners) } else { Err(StartError::Config(problems.join("\n"))) }
}

/// What the services are started with.
struct Atelier {
    frame: FrameConfig,
    clock: Clock,
    memoire: Arc<MemoryBus>,
    referentiel: Arc<Referentiel>,
    /// Several services share the database: one schema each.
    schemas: bool,
}

impl Atelier {
    /// Starts the last of the chain first: what the others publish then finds its reader.
    async fn lancer_tout(
        &self,
        p: &mut Plateforme,
        transports: &mut Vec<SharedTransport>,
        lots: impl DoubleEndedIterator<Item = ((&'static Program, Launch), TcpListener)>,
    ) -> Result<(), StartError> {
        for ((program, launch), listener) in lots.rev() {
            let name = program.name();
            let transport = self.transport(name).await?;
            transports.push(Arc::clone(&transport));
            let (clock, referentiel) = (self.clock.clone(), Arc::clone(&self.referentiel));
            let store = self.store(name).await?;
            let host =
                Host::configured(name, &self.frame, clock, store, transport, referentiel, listener);
            p.lancer(launch, host.map_err(StartError::Config)?).await?;
        }
        Ok(())
    }

    async fn transport(&self, name: &str) -> Result<SharedTransport, StartError> {
        match &self.frame.amqp_url {
            Some(url) => backends::rabbit(name, url, &self.frame, &self.clock).await,
            None => Ok(self.memoire.clone()),
        }
    }

    async fn store(&self, name: &str) -> Result<SharedStore, StartError> {
        let Some(url) = self.frame.database_url.as_ref().filter(|_| self.schemas) else {
            return backends::store(name, &self.frame).await;
        };
        let schema = name.replace('-', "_");
        let store = PostgresStore::connect(url.expose(), Some(&schema)).await?;
        store.migrate().await?;
        Ok(Arc::new(store))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal<T>(result: Result<T, StartError>) -> String {
        match result {
            Err(StartError::Config(text)) => text,
            Err(error) => error.to_string(),
            Ok(_) => String::new(),
        }
    }

    #[test]
    fn services_are_chosen_in_the_order_of_a_dossier() {
        let asked = ["indemnite".to_owned(), "ds-intake".to_owned()];
        let names = |asked: &[String]| {
            choisir(asked).expect("known").into_iter().map(Program::name).collect::<Vec<_>>()
        };
        assert_eq!(names(&asked), ["ds-intake", "indemnite"]);
        assert_eq!(names(&[]), noms());
        assert!(refusal(choisir(&["cpam".to_owned()])).contains("service inconnu : cpam"));
    }

    #[test]
    fn a_data_folder_keeps_its_set_of_services() {
        let folder = tempfile::tempdir().expect("folder");
        marquer(folder.path(), &["ds-intake", "indemnite"]).expect("new");
        marquer(folder.path(), &["ds-intake", "indemnite"]).expect("the same");
        let text = refusal(marquer(folder.path(), &["ds-intake"]));
        assert!(text.contains("ds-intake, indemnite"), "{text}");
    }

    #[test]
    fn every_problem_of_the_configuration_is_said_at_once() {
        let text = "grace_s = \"x\"\n[indemnite]\ninconnu = 1\n[cpam-cps]\nautre = 2\n";
        let source = config::Config::builder()
            .add_source(config::File::from_str(text, config::FileFormat::Toml))
            .build()
            .expect("TOML");
        let text = refusal(verifier(&source, &SERVICES));
        for part in ["[indemnite]", "[cpam-cps]", "[ds-intake]", "grace_s"] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
    }
}
