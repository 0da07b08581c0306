//! The rules of `docs/architecture.md`, applied to this workspace.

use std::fs;

use architecture::{Workspace, alertes, dependencies, sources};

fn workspace() -> Workspace {
    Workspace::load().expect("the workspace can be read")
}

fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n\n{}\n", wrong.join("\n"));
}

#[test]
fn dependencies_point_one_way() {
    none(&dependencies::wrong_arrows(&workspace()));
}

#[test]
fn services_contain_no_plumbing() {
    let workspace = workspace();
    assert_eq!(workspace.services().count(), 6, "six agency services");
    none(&dependencies::plumbing_in_services(workspace.services()));
}

#[test]
fn the_build_has_one_tls_stack() {
    let lock = std::fs::read_to_string(workspace().root.join("Cargo.lock")).expect("Cargo.lock");
    assert!(lock.contains("name = \"ring\""), "the lock is read");
    none(&dependencies::unwanted_packages(&lock));
}

#[test]
fn every_service_has_the_same_files() {
    let workspace = workspace();
    let wrong = workspace.services().flat_map(|service| {
        let files = service.sources().expect("readable");
        sources::wrong_files(&service.name, &files, &service.readme())
    });
    none(&wrong.collect::<Vec<_>>());
}

#[test]
fn stages_are_named_in_the_readme() {
    let workspace = workspace();
    let mut count = 0;
    let mut wrong = Vec::new();
    for service in workspace.services() {
        let files = service.sources().expect("readable");
        let file = files.iter().find(|file| file.path == "src/state/etapes.rs");
        count += file.map_or(0, |file| sources::stages(&file.text).len());
        wrong.extend(sources::unnamed_stages(&service.name, &files, &service.readme()));
    }
    assert!(count > 30, "the stages are found: {count}");
    none(&wrong);
}

#[test]
fn alerts_rely_on_what_there_is() {
    let workspace = workspace();
    let read = |path: &str| fs::read_to_string(workspace.root.join(path)).expect(path);
    let rules = read("k8s/alerts/relais.yaml");
    let frame = read("shared/service/src/metrics.rs");
    let named: Vec<_> = workspace
        .services()
        .flat_map(|service| service.sources().expect("readable"))
        .filter(|file| file.path == "src/state/etapes.rs")
        .collect();
    let stages = named.iter().flat_map(|file| sources::stages(&file.text)).collect();
    assert!(alertes::alertes(&rules).len() > 10 && alertes::metriques(&rules).len() > 10);
    let guide = read("docs/guides/operator.md");
    none(&alertes::wrong_rules(&rules, &alertes::registered(&frame), &stages, &guide));
}

#[test]
fn decisions_are_pure() {
    let workspace = workspace();
    let wrong = workspace.services().flat_map(|service| {
        let files = service.sources().expect("readable");
        sources::impure_decisions(&service.name, &files)
    });
    none(&wrong.collect::<Vec<_>>());
}

#[test]
fn files_stay_short() {
    let workspace = workspace();
    let mut wrong = Vec::new();
    for package in &workspace.packages {
        let under = package.folder().strip_prefix(&workspace.root).expect("a member");
        let files = package.sources().expect("readable");
        wrong.extend(sources::long_files(&under.to_string_lossy(), &files));
    }
    none(&wrong);
}
