//! The broker: reached, of a known version, on time, with its topology, and unable to lose a
//! message.

use std::collections::BTreeMap;

use bus::{
    BusError, Identity, QueueSpec, RabbitBus, RabbitOptions, Transport,
    topology::{self, Action, Health, Management, Topology, Version},
};
use kernel::{Clock, Secret};
use service::{FrameConfig, backends};

use super::{Rapport, chaine};
use crate::{cli::DoctorArgs, secrets::Coffre, topologie};

const SUJET: &str = "courtier";
/// Versions after this one were never tried.
const DERNIERE_CONNUE: Version = Version(4, u32::MAX);
const REMEDE: &str = "relais topology plan, puis apply";

pub(super) async fn examiner(
    frame: &FrameConfig,
    args: &DoctorArgs,
    coffre: Option<Coffre>,
    choisis: &[&str],
    rapport: &mut Rapport,
) {
    let gestion = gestion(frame, args);
    if frame.amqp_url.is_none() && gestion.is_none() {
        return rapport.bon(SUJET, "aucun : les services échangent en mémoire");
    }
    connexion(frame, choisis, rapport).await;
    let Some(management) = gestion else {
        return rapport.attention(
            SUJET,
            "ni version, ni limites, ni droits : l'API de gestion n'est pas donnée",
            "--management URL, ou amqp_management_url",
        );
    };
    match topology::health(&management).await {
        Ok(health) => sante(&health, rapport),
        Err(error) => return injoignable(&error, rapport),
    }
    if frame.amqp_declare || !frame.amqp_prefix.is_empty() {
        limites(&management, frame, choisis, rapport).await;
    } else {
        droits_et_files(management, frame, coffre, rapport).await;
    }
}

/// The administrator given on the command line, else the configured user.
fn gestion(frame: &FrameConfig, args: &DoctorArgs) -> Option<Management> {
    let url = args.management.clone().map(Secret::new).or(frame.amqp_management_url.clone())?;
    let of_url = || frame.amqp_url.as_ref().and_then(|url| bus::vhost_of(url).ok());
    let vhost = args.vhost.clone().or_else(of_url).unwrap_or_else(|| "/".to_owned());
    let certificates = backends::certificates(frame);
    Some(Management { certificates, ..Management::new(url, vhost) })
}

/// As a service connects; nothing is declared.
async fn connexion(frame: &FrameConfig, choisis: &[&str], rapport: &mut Rapport) {
    let (Some(url), Some(name)) = (&frame.amqp_url, choisis.first()) else { return };
    if frame.amqp_declare {
        return;
    }
    let identity = Identity::Service((*name).to_owned());
    let options = RabbitOptions {
        certificates: backends::certificates(frame),
        prefix: frame.amqp_prefix.clone(),
        identity_header: frame.amqp_identity_header,
        ..RabbitOptions::new(url.clone(), identity, Clock::system())
    };
    match RabbitBus::connect(options).await {
        Ok(bus) => {
            bus.close().await;
            rapport.bon(SUJET, "amqp_url : connecté, les échanges existent");
        }
        Err(error) => rapport.erreur(
            SUJET,
            format!("amqp_url : {}", chaine(&error)),
            "vérifiez l'adresse, l'utilisateur et son mot de passe, l'hôte virtuel",
        ),
    }
}

fn sante(health: &Health, rapport: &mut Rapport) {
    let version = &health.version_text;
    let dangers = health.dangers();
    for danger in &dangers {
        let remede = "mettez RabbitMQ à jour, puis rabbitmqctl enable_feature_flag all";
        rapport.erreur(SUJET, danger, remede);
    }
    match health.version {
        Some(known) if known <= DERNIERE_CONNUE && dangers.is_empty() => {
            rapport.bon(SUJET, format!("RabbitMQ {version}"));
        }
        Some(known) if known <= DERNIERE_CONNUE => {}
        Some(_) | None => rapport.attention(
            SUJET,
            format!("RabbitMQ {version} : version jamais essayée"),
            "de 3.10 à 4.x",
        ),
    }
    for node in &health.alarms {
        rapport.erreur(
            SUJET,
            format!("{node} : alarme de mémoire ou de disque, les publications sont bloquées"),
            "libérez de la place, ou relevez vm_memory_high_watermark et disk_free_limit",
        );
    }
    if let Some(now) = health.now {
        rapport.horloge("courtier", now, Clock::system().now());
    }
}

/// In development, where services declare their own queues: only what would lose messages.
async fn limites(
    management: &Management,
    frame: &FrameConfig,
    choisis: &[&str],
    rapport: &mut Rapport,
) {
    let queues: Vec<_> = choisis.iter().map(|name| QueueSpec::service(name, Vec::new())).collect();
    let prefix = &frame.amqp_prefix;
    match topology::dangers(management, prefix, &queues, frame.amqp_declare).await {
        Ok(dangers) if dangers.is_empty() => rapport.bon("files", "aucune ne perd de message"),
        Ok(dangers) => {
            for danger in dangers {
                let remede = "supprimez la file : le service la déclare de nouveau";
                rapport.erreur("files", danger, remede);
            }
        }
        Err(error) => injoignable(&error, rapport),
    }
}

async fn droits_et_files(
    mut management: Management,
    frame: &FrameConfig,
    coffre: Option<Coffre>,
    rapport: &mut Rapport,
) {
    let Ok(registre) = backends::referentiel(frame) else { return };
    let wanted = Topology::new(&topologie::files(), &registre);
    // Permissions are looked at in any case; passwords only where they are known.
    management.passwords = match coffre.map(|coffre| coffre.lire()) {
        None => Some(BTreeMap::new()),
        Some(Ok(known)) => Some(known),
        Some(Err(error)) => {
            return rapport.erreur("droits", error.to_string(), "corrigez ce fichier");
        }
    };
    let plan = match topology::plan(&management, &wanted).await {
        Ok(plan) => plan,
        Err(error) => return injoignable(&error, rapport),
    };
    for step in &plan.steps {
        let sujet = if step.about_users { "droits" } else { "topologie" };
        let remede = if step.action == Action::Conflict { "" } else { REMEDE };
        rapport.erreur(sujet, step.to_string(), remede);
    }
    for line in plan.unknown {
        let remede = "retirez-le s'il ne sert à rien";
        rapport.attention("topologie", format!("inconnu du manifeste : {line}"), remede);
    }
    if plan.steps.is_empty() {
        let n = plan.same;
        rapport.bon("topologie", format!("files, limites et droits : {n} conformes"));
    }
}

fn injoignable(error: &BusError, rapport: &mut Rapport) {
    rapport.erreur(
        SUJET,
        format!("API de gestion : {}", chaine(error)),
        "vérifiez l'adresse, le mot de passe, et l'étiquette administrator de l'utilisateur",
    );
}
