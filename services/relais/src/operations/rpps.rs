//! `relais rpps integrate`: an extract that rpps-flux refuses because too much of it differs is
//! integrated all the same.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use rpps_flux::{
    RppsFlux,
    decide::EXTRACTION,
    state::{State, Suivi},
};
use serde_json::json;
use service::Service;

use super::{
    OperationError,
    cli::RppsIntegrateArgs,
    poste::{Poste, Refus},
    table::{dire, dire_json},
};

/// How long the integration is followed.
const INTEGRATION: Duration = Duration::from_mins(2);
/// How often it is looked at meanwhile; each look is a line of the journal.
const REGARD: Duration = Duration::from_secs(1);

/// Has a refused file integrated, and waits until it is, or is refused for another reason.
pub(crate) async fn integrer(args: RppsIntegrateArgs) -> Result<ExitCode, OperationError> {
    let poste = Poste::du_service(&args.acces, RppsFlux::NAME)?;
    let fichier = args.fichier;
    let refuse = |raison: &str| format!("{fichier} est refusé : {raison}");
    let Some(avant) = raison(&suivis(&poste).await?, &fichier) else {
        let text = format!("{fichier} n'est pas un fichier que {} a refusé", poste.nom);
        return Err(OperationError::Refus(text));
    };
    // The journal keeps the key and the reason.
    let cle = format!("{EXTRACTION}/{fichier}");
    let champs = json!({ "fichier": fichier, "motif": args.motif });
    let action = json!({ "action": "accepter-extraction", "cle": cle, "champs": champs });
    poste.demander("/ops/actions", &action).await?;
    let begun = Instant::now();
    while begun.elapsed() < INTEGRATION {
        let suivis = suivis(&poste).await?;
        if suivis.iter().any(|suivi| suivi.fichier.as_deref() == Some(&fichier)) {
            if args.acces.json {
                dire_json(&json!({ "integre": fichier }));
            } else {
                dire(&format!("{fichier} est intégré"));
            }
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(raison) = raison(&suivis, &fichier).filter(|raison| *raison != avant) {
            return Err(OperationError::Refus(refuse(&raison)));
        }
        tokio::time::sleep(REGARD).await;
    }
    Err(OperationError::Refus(format!("demandé ; {fichier} n'est pas encore intégré")))
}

/// What is known of each extract.
async fn suivis(poste: &Poste) -> Result<Vec<Suivi>, Refus> {
    match poste.lire(&format!("/ops/etats/{EXTRACTION}"), &[]).await? {
        State::Extraction(extraction) => Ok(extraction.extraits.into_values().collect()),
        State::Fhir(_) | State::Dossier(_) | State::DossierClos | State::Medecin(_) => {
            Ok(Vec::new())
        }
    }
}

/// Why a file is refused.
fn raison(suivis: &[Suivi], fichier: &str) -> Option<String> {
    let refused = suivis.iter().filter_map(|suivi| suivi.refuse.as_ref());
    refused.filter(|(nom, _)| nom == fichier).map(|(_, raison)| raison.clone()).next()
}
