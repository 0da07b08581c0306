//! `relais topology`: what must exist on the broker, made, compared or exported.

use std::{collections::BTreeMap, fs, path::Path, process::ExitCode};

use bus::{
    QueueSpec,
    tls::Certificates,
    topology::{self, Action, Management, Plan, Topology},
};
use contracts::Referentiel;
use kernel::Secret;
use service::Program;

use crate::{
    cli::{ExportArgs, ManifesteArgs, TopologyArgs, TopologyCommande},
    plateforme::SERVICES,
    secrets::{self, Coffre},
};

/// Exit code of a plan that would change something.
const A_FAIRE: u8 = 2;

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

/// Runs one command; its result is the exit code.
pub(crate) async fn topologie(commande: TopologyCommande) -> Result<ExitCode, TopologieError> {
    match commande {
        TopologyCommande::Plan(args) => planifier(Chantier::ouvrir(args)?).await,
        TopologyCommande::Apply(args) => appliquer(Chantier::ouvrir(args)?).await,
        TopologyCommande::Verify(args) => verifier(Chantier::ouvrir(args)?).await,
        TopologyCommande::Export(args) => exporter(&args),
    }
}

#[expect(clippy::print_stdout, reason = "the result of the command")]
async fn planifier(chantier: Chantier) -> Result<ExitCode, TopologieError> {
    let plan = topology::plan(&chantier.management, &chantier.wanted).await?;
    for step in &plan.steps {
        println!("{:<13} {}", step.action, step.what);
    }
    for line in &plan.unknown {
        println!("{:<13} {line} (laissé tel quel)", "inconnu");
    }
    println!("{}", bilan(&plan));
    let conflict = plan.steps.iter().any(|step| step.action == Action::Conflict);
    Ok(match plan.steps.is_empty() {
        true => ExitCode::SUCCESS,
        false if conflict => ExitCode::FAILURE,
        false => ExitCode::from(A_FAIRE),
    })
}

#[expect(clippy::print_stdout, reason = "the result of the command")]
async fn appliquer(mut chantier: Chantier) -> Result<ExitCode, TopologieError> {
    let crees = chantier.completer().await?;
    let report = topology::apply(&chantier.management, &chantier.wanted).await?;
    if let (Some(coffre), true) = (&chantier.coffre, crees > 0) {
        println!("{} dans {}", compte(crees, "mot de passe créé"), coffre.chemin().display());
    }
    for step in &report.corrected {
        println!("{step}");
    }
    println!("{}", compte(report.corrected.len(), "correction"));
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "the result of the command")]
async fn verifier(chantier: Chantier) -> Result<ExitCode, TopologieError> {
    let drift = topology::verify(&chantier.management, &chantier.wanted).await?;
    for step in &drift {
        println!("écart, {step}");
    }
    println!("{}", compte(drift.len(), "écart"));
    Ok(if drift.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[expect(clippy::print_stdout, reason = "the result of the command")]
fn exporter(args: &ExportArgs) -> Result<ExitCode, TopologieError> {
    let mut wanted = manifeste(&args.manifeste)?;
    if let Some(name) = &args.administrateur {
        wanted.add_administrator(name);
    }
    let mut passwords = BTreeMap::new();
    match Coffre::choisir(&args.manifeste)? {
        Some(coffre) => {
            let crees = coffre.completer(wanted.users.keys())?;
            if crees > 0 {
                println!(
                    "{} dans {}",
                    compte(crees, "mot de passe créé"),
                    coffre.chemin().display()
                );
            }
            passwords = coffre.lire()?;
        }
        None if args.administrateur.is_some() => {
            let text = "--administrateur demande --secrets ou --kubernetes";
            return Err(TopologieError::Usage(text.to_owned()));
        }
        None => {
            println!("sans utilisateurs : --secrets ou --kubernetes les ajoute");
            wanted.users.clear();
        }
    }
    let previous = precedent(&args.out);
    let file = topology::definitions(&wanted, &args.vhost, &passwords, previous.as_ref())?;
    let text = serde_json::to_string_pretty(&file).expect("JSON encodes") + "\n";
    secrets::remplacer(&args.out, &text)?;
    println!("{}", args.out.display());
    Ok(ExitCode::SUCCESS)
}

/// An earlier export, whose hashes are kept; anything else is not looked at.
fn precedent(path: &Path) -> Option<serde_json::Value> {
    serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
}

fn bilan(plan: &Plan) -> String {
    let count = |action| plan.steps.iter().filter(|step| step.action == action).count();
    [
        compte(count(Action::Create), "création"),
        compte(count(Action::Change), "modification"),
        compte(count(Action::Remove), "retrait"),
        compte(count(Action::Conflict), "conflit"),
        format!("{} conformes", plan.same),
        format!("{} inconnus", plan.unknown.len()),
    ]
    .join(", ")
}

/// « aucun écart », « 1 écart », « 2 écarts ».
pub(crate) fn compte(n: usize, nom: &str) -> String {
    let feminine = nom.ends_with("tion") || ["erreur", "lacune"].contains(&nom);
    match n {
        0 => format!("aucun{} {nom}", if feminine { "e" } else { "" }),
        1 => format!("1 {nom}"),
        n => {
            let words: Vec<String> = nom.split(' ').map(pluriel).collect();
            format!("{n} {}", words.join(" "))
        }
    }
}

fn pluriel(mot: &str) -> String {
    let invariable = mot == "de" || mot == "passe" || mot.ends_with('s');
    if invariable { mot.to_owned() } else { format!("{mot}s") }
}

/// A broker, and what it should be.
struct Chantier {
    management: Management,
    wanted: Topology,
    coffre: Option<Coffre>,
}

impl Chantier {
    fn ouvrir(args: TopologyArgs) -> Result<Self, TopologieError> {
        let coffre = Coffre::choisir(&args.manifeste)?;
        let passwords = coffre.as_ref().map(Coffre::lire).transpose()?;
        let certificates = Certificates { ca: args.ca, cert: args.cert, key: args.key };
        let management = Management {
            certificates,
            passwords,
            ..Management::new(Secret::new(args.management), args.vhost)
        };
        Ok(Self { management, wanted: manifeste(&args.manifeste)?, coffre })
    }

    /// Makes the passwords of the users that do not exist yet, before they are created: one that
    /// exists may be in use with a password that is kept elsewhere.
    async fn completer(&mut self) -> Result<usize, TopologieError> {
        let Some(coffre) = &self.coffre else { return Ok(0) };
        let existing = topology::users(&self.management).await?;
        let missing = self.wanted.users.keys().filter(|name| !existing.contains(*name));
        let crees = coffre.completer(missing)?;
        let known = coffre.lire()?;
        for name in self.wanted.users.keys().filter(|name| !known.contains_key(*name)) {
            eprintln!(
                "attention : {name} existe déjà sur le courtier et son mot de passe n'est pas dans \
                 {} ; il est gardé tel quel",
                coffre.chemin().display()
            );
        }
        self.management.passwords = Some(known);
        Ok(crees)
    }
}

fn manifeste(args: &ManifesteArgs) -> Result<Topology, TopologieError> {
    let register = match &args.referentiel {
        Some(folder) => {
            Referentiel::load(folder).map_err(|e| TopologieError::Usage(e.to_string()))?
        }
        None => Referentiel::public(),
    };
    Ok(Topology::new(&files(), &register))
}

/// The queue of each service, and what it reads.
pub(crate) fn files() -> [QueueSpec; 6] {
    SERVICES.map(Program::queue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_has_its_queue_and_reads_something() {
        let files = files();
        let names: Vec<_> = files.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, crate::plateforme::noms());
        for file in files.iter().filter(|f| f.name != "ds-intake") {
            assert!(!file.bindings.is_empty(), "{}", file.name);
        }
    }

    #[test]
    fn counts_are_french() {
        let told = [0, 1, 2].map(|n| compte(n, "mot de passe créé"));
        assert_eq!(
            told,
            ["aucun mot de passe créé", "1 mot de passe créé", "2 mots de passe créés"]
        );
        assert_eq!(compte(0, "modification"), "aucune modification");
        assert_eq!(compte(3, "écart"), "3 écarts");
        assert_eq!(compte(0, "erreur"), "aucune erreur");
    }
}
