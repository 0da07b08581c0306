//! Dependencies point one way.

use crate::workspace::{Package, Workspace};

/// What only the frame's crates use: a service contains no SQL, no AMQP, no mail protocol and no
/// HTTP client of its own.
const NOT_FOR_SERVICES: [&str; 4] = ["sqlx", "lapin", "lettre", "rand"];

/// A second TLS stack or crypto provider, or a build that needs a tool a fresh Debian lacks.
const NOT_IN_THE_BUILD: [&str; 6] =
    ["openssl-sys", "native-tls", "aws-lc-rs", "aws-lc-sys", "cmake", "bindgen"];

/// The layer of a member; a member depends on lower layers only. Members of the same layer do
/// not know each other: that is what keeps the services apart.
fn layer(name: &str, is_service: bool) -> Option<u8> {
    match name {
        "contracts" => Some(0),
        "kernel" => Some(1),
        "bus" | "store" | "agency" | "contact" | "documents" => Some(2),
        "service" => Some(3),
        // The simulated world serves the demo, which is in the binary.
        "simulators" => Some(5),
        // `harness` is what the crates of tests share, and nobody else uses.
        "relais" | "harness" => Some(6),
        "architecture" | "bench" | "e2e" | "faults" | "security" | "sim" => Some(7),
        _ if is_service => Some(4),
        _ => None,
    }
}

/// Every arrow that points the wrong way, one line each.
pub fn wrong_arrows(workspace: &Workspace) -> Vec<String> {
    let services: Vec<_> = workspace.services().map(|p| p.name.as_str()).collect();
    let layer = |name: &str| layer(name, services.contains(&name));
    let mut wrong = Vec::new();
    for package in &workspace.packages {
        let Some(own) = layer(&package.name) else {
            wrong.push(format!(
                "`{}` has no layer: give it one in tests/architecture/src/dependencies.rs",
                package.name
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let is_member = workspace.packages.iter().any(|p| p.name == dependency.name);
            if is_member && layer(&dependency.name).is_some_and(|other| other >= own) {
                wrong.push(format!(
                    "`{}` depends on `{}`, which is not below it (contracts ← kernel ← bus, store, \
                     agency, contact, documents ← service ← services ← simulators ← relais ← tests)",
                    package.name, dependency.name
                ));
            }
        }
    }
    wrong
}

/// Services that depend on what the frame alone uses, one line each.
pub fn plumbing_in_services<'a>(services: impl Iterator<Item = &'a Package>) -> Vec<String> {
    let wrong = services.flat_map(|package| {
        let declared = package.dependencies.iter().map(|d| d.name.as_str());
        declared.filter(|name| NOT_FOR_SERVICES.contains(name)).map(|name| {
            format!("`{}` depends on `{name}`, which only the frame's crates use", package.name)
        })
    });
    wrong.collect()
}

/// Packages of a `Cargo.lock` that the build must do without, one line each.
pub fn unwanted_packages(lock: &str) -> Vec<String> {
    let names = lock.lines().filter_map(|line| line.strip_prefix("name = \""));
    names
        .map(|name| name.trim_end_matches('"'))
        .filter(|name| NOT_IN_THE_BUILD.contains(name))
        .map(|name| {
            format!("Cargo.lock has `{name}`: one TLS stack, rustls, and one provider, ring")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::workspace::Dependency;

    fn package(folder: &str, name: &str, dependencies: &[&str]) -> Package {
        let manifest_path = PathBuf::from(format!("/w/{folder}/{name}/Cargo.toml"));
        let dependency = |name: &&str| Dependency { name: (*name).to_owned() };
        let dependencies = dependencies.iter().map(dependency).collect();
        Package { name: name.to_owned(), manifest_path, dependencies }
    }

    #[test]
    fn arrows_up_sideways_and_from_nowhere_are_found() {
        let workspace = Workspace {
            root: PathBuf::from("/w"),
            packages: vec![
                package("shared", "kernel", &["contracts", "serde"]),
                package("shared", "store", &["kernel", "bus"]),
                package("shared", "bus", &["kernel"]),
                package("services", "ds-intake", &["service", "cpam-cps"]),
                package("services", "cpam-cps", &["kernel", "relais"]),
                package("services", "relais", &["cpam-cps", "ds-intake"]),
                package("tests", "sim", &["relais"]),
                package("tests", "mystery", &[]),
            ],
        };
        let wrong = wrong_arrows(&workspace);
        let found: Vec<_> = wrong.iter().map(|w| w.split(',').next().unwrap_or_default()).collect();
        assert_eq!(
            found,
            [
                "`store` depends on `bus`",
                "`ds-intake` depends on `cpam-cps`",
                "`cpam-cps` depends on `relais`",
                "`mystery` has no layer: give it one in tests/architecture/src/dependencies.rs",
            ]
        );
    }

    #[test]
    fn plumbing_is_found() {
        let services =
            [package("services", "cpam-cps", &["sqlx", "serde"]), package("services", "x", &[])];
        assert_eq!(plumbing_in_services(services.iter()).len(), 1);
        let lock = "[[package]]\nname = \"ring\"\n\n[[package]]\nname = \"openssl-sys\"\n";
        assert_eq!(unwanted_packages(lock).len(), 1);
    }
}
