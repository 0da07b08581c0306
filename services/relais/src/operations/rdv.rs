//! `relais rdv`: the consent of the service agent, and a reading of everything on demand.

use std::{
    io::{BufRead, Write},
    process::ExitCode,
    time::{Duration, Instant},
};

use kernel::{Clock, Secret};
use rdv_agenda_sync::{Connexion, RdvAgendaSync, state::CLE_COMPTE};
use serde::Deserialize;
use serde_json::json;
use service::Service;

use super::{
    OperationError,
    cli::{RdvLoginArgs, RdvReconcileArgs},
    poste::Poste,
    table::{dire, dire_json},
};

/// How long the service's own look at the new consent is followed.
const VERIFICATION: Duration = Duration::from_secs(30);
/// How often it is looked at meanwhile.
const REGARD: Duration = Duration::from_millis(200);

/// `relais rdv login`.
pub(super) async fn login(args: RdvLoginArgs) -> Result<ExitCode, OperationError> {
    let usage = OperationError::Usage;
    let source = service::config::load(args.acces.config.as_deref()).map_err(usage)?;
    let (_, config) = service::config::parse::<RdvAgendaSync>(&source).map_err(usage)?;
    let poste = Poste::du_service(&args.acces, RdvAgendaSync::NAME)?;
    let connexion = Connexion::new(&config, Clock::system()).map_err(usage)?;
    // Nobody else can have begun the attempt that ends here.
    let etat = bus::topology::generated().map_err(|e| OperationError::Refus(e.to_string()))?;
    let adresse = connexion.adresse(etat.expose()).map_err(usage)?;
    dire(&format!(
        "1. Dans un navigateur, connectez-vous à RDV Service Public avec le compte de service de la \
         DNS, et non avec le vôtre.\n2. Ouvrez cette adresse, et autorisez Relais :\n\n{adresse}\n\n\
         3. Collez ici l'adresse complète de la page où vous arrivez :"
    ));
    let code = lire_code(&etat)?;
    let consentement =
        connexion.echanger(&code).await.map_err(|fault| OperationError::Refus(fault.chain()))?;
    dire(&format!("\naccès donné par {}", consentement.agent));
    let before = refus_de_cle(&poste).await?;
    let champs = json!({ "jetons": consentement.jetons });
    let action = json!({ "action": "consentir", "cle": CLE_COMPTE, "champs": champs });
    poste.demander("/ops/actions", &action).await?;
    match suivre(&poste, before).await? {
        Issue::Connecte => {
            dire("le service agit avec cet accès ; les appels en attente reprennent d'eux-mêmes");
            Ok(ExitCode::SUCCESS)
        }
        Issue::AutreCle => Err(OperationError::Refus(
            "le service ne lit pas ces jetons : credential_key de cette configuration n'est pas la \
             sienne"
                .to_owned(),
        )),
        Issue::EnAttente => Err(OperationError::Refus(
            "accès transmis, mais le service ne l'a pas encore vérifié : relais tasks list"
                .to_owned(),
        )),
    }
}

fn lire_code(etat: &Secret) -> Result<Secret, OperationError> {
    // Nothing can be done about a closed standard output.
    let _ = std::io::stdout().flush();
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.map_err(|e| OperationError::Refus(format!("entrée standard : {e}")))?;
    Connexion::code(&line, etat.expose()).map_err(|e| OperationError::Usage(e.to_string()))
}

/// What became of the consent.
enum Issue {
    Connecte,
    AutreCle,
    EnAttente,
}

#[derive(Deserialize)]
struct Tache {
    gabarit: String,
}

#[derive(Deserialize)]
struct Panne {
    code: String,
}

/// How many consents the service could not read so far.
async fn refus_de_cle(poste: &Poste) -> Result<usize, OperationError> {
    let open: Vec<Panne> = poste.lire("/ops/pannes", &[]).await?;
    Ok(open.iter().filter(|p| p.code == "rdv-jetons-illisibles").count())
}

/// Follows the service until it acts with the consent.
async fn suivre(poste: &Poste, refus_avant: usize) -> Result<Issue, OperationError> {
    let begun = Instant::now();
    while begun.elapsed() < VERIFICATION {
        tokio::time::sleep(REGARD).await;
        if refus_de_cle(poste).await? > refus_avant {
            return Ok(Issue::AutreCle);
        }
        let open: Vec<Tache> = poste.lire("/ops/taches", &[]).await?;
        let blocked = open.iter().any(|t| t.gabarit == "rdv-compte");
        let metrics = poste.octets("/metrics").await?;
        let metrics = String::from_utf8_lossy(&metrics);
        let waiting = metrics.lines().any(|l| {
            l.starts_with("relais_asks_pending") && l.contains("rdvsp-compte") && !l.ends_with(" 0")
        });
        let connected = metrics.lines().any(|l| {
            l.starts_with("relais_dossiers") && l.contains("compte-connecte") && l.ends_with(" 1")
        });
        if connected && !blocked && !waiting {
            return Ok(Issue::Connecte);
        }
    }
    Ok(Issue::EnAttente)
}

/// `relais rdv reconcile`.
pub(super) async fn reconcile(args: RdvReconcileArgs) -> Result<ExitCode, OperationError> {
    let poste = Poste::du_service(&args.acces, RdvAgendaSync::NAME)?;
    let cles: Vec<String> = if args.lieux.is_empty() {
        vec![CLE_COMPTE.to_owned()]
    } else {
        args.lieux.iter().map(rdv_agenda_sync::state::cle_lieu).collect()
    };
    for cle in &cles {
        let action = json!({ "action": "reconcilier", "cle": cle });
        poste.demander("/ops/actions", &action).await?;
    }
    if args.acces.json {
        dire_json(&json!({ "demande": cles }));
    } else if args.lieux.is_empty() {
        dire("réconciliation demandée pour tous les lieux prêts");
    } else {
        dire(&format!("réconciliation demandée pour {} lieu(x)", cles.len()));
    }
    Ok(ExitCode::SUCCESS)
}
