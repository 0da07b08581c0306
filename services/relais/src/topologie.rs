//! `relais topology`: what must exist on the broker, made or compared through its management API.

use std::{collections::BTreeMap, fs, process::ExitCode};

use bus::{
    QueueSpec,
    topology::{self, Management, Topology},
};
use contracts::{Incoming, Referentiel};
use kernel::Secret;
use service::Service;

use crate::cli::{TopologyArgs, TopologyCommande};

/// Why nothing could be made or compared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TopologieError {
    /// A file or an option is wrong.
    #[error("{0}")]
    Usage(String),
    /// The broker is away, or only a person can solve it.
    #[error("la topologie n'a pas pu être appliquée ou vérifiée")]
    Bus(#[from] bus::BusError),
}

/// Applies or verifies; code 1 when a verified broker differs.
#[expect(clippy::print_stdout, reason = "the result of the command")]
pub(crate) async fn topologie(commande: TopologyCommande) -> Result<ExitCode, TopologieError> {
    match commande {
        TopologyCommande::Apply(args) => {
            let (management, wanted) = preparer(args)?;
            let report = topology::apply(&management, &wanted).await?;
            for line in &report.corrected {
                println!("corrigé : {line}");
            }
            println!("{}", compte(report.corrected.len(), "correction"));
            Ok(ExitCode::SUCCESS)
        }
        TopologyCommande::Verify(args) => {
            let (management, wanted) = preparer(args)?;
            let drift = topology::verify(&management, &wanted).await?;
            for line in &drift {
                println!("écart : {line}");
            }
            println!("{}", compte(drift.len(), "écart"));
            Ok(if drift.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

fn compte(n: usize, nom: &str) -> String {
    match n {
        0 => format!("aucun{} {nom}", if nom == "correction" { "e" } else { "" }),
        1 => format!("1 {nom}"),
        n => format!("{n} {nom}s"),
    }
}

fn preparer(args: TopologyArgs) -> Result<(Management, Topology), TopologieError> {
    let register = match &args.referentiel {
        Some(folder) => {
            Referentiel::load(folder).map_err(|e| TopologieError::Usage(e.to_string()))?
        }
        None => Referentiel::public(),
    };
    let passwords = match &args.passwords {
        Some(path) => {
            let wrong = |e: &dyn std::fmt::Display| {
                TopologieError::Usage(format!("{} : {e}", path.display()))
            };
            let text = fs::read_to_string(path).map_err(|e| wrong(&e))?;
            // The parser's own text would quote the line, password included.
            let read: BTreeMap<String, String> = toml::from_str(&text)
                .map_err(|_| wrong(&"chaque ligne doit être : utilisateur = \"mot de passe\""))?;
            Some(read.into_iter().map(|(user, p)| (user, Secret::new(p))).collect())
        }
        None => None,
    };
    let management = Management { url: Secret::new(args.management), vhost: args.vhost, passwords };
    Ok((management, Topology::new(&files(), &register)))
}

/// The queue of each service, and what it reads.
pub(crate) fn files() -> [QueueSpec; 6] {
    [
        file::<ds_intake::DsIntake>(),
        file::<ordinal_adapter::OrdinalAdapter>(),
        file::<rpps_flux::RppsFlux>(),
        file::<cpam_cps::CpamCps>(),
        file::<rdv_agenda_sync::RdvAgendaSync>(),
        file::<indemnite::Indemnite>(),
    ]
}

fn file<S: Service>() -> QueueSpec {
    QueueSpec::service(S::NAME, S::Message::bindings())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_has_its_queue_and_reads_something() {
        let files = files();
        let names: Vec<_> = files.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, crate::plateforme::SERVICES);
        for file in files.iter().filter(|f| f.name != "ds-intake") {
            assert!(!file.bindings.is_empty(), "{}", file.name);
        }
    }
}
