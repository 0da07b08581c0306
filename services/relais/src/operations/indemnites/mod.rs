//! `relais indemnite`: statements, their documents made again, what a CPAM paid, corrections.
//! Nothing is decided here: what is asked is decided by the service, and looked at until it is.

pub(crate) mod cli;
mod fichier;
mod rapprochement;

use std::{
    collections::BTreeMap,
    fs,
    process::ExitCode,
    time::{Duration, Instant},
};

use contracts::{CodeCpam, Mois, Referentiel};
use documents::typo;
use indemnite::{
    State,
    state::{EtatEmis, Origine, cle_etat, cle_medecin_mois},
};
use serde_json::json;

use self::cli::{CloturerArgs, CorrigerArgs, DocumentsArgs, EtatsArgs, IndemniteCommande};
use super::{
    OperationError,
    poste::{Poste, Refus},
    table::{compte, dire, dire_json},
};
use crate::etats;

const SERVICE: &str = "indemnite";
/// How long a decision is waited for.
const DECISION: Duration = Duration::from_secs(10);
/// How often it is looked at meanwhile.
const REGARD: Duration = Duration::from_millis(200);

/// Runs `relais indemnite`.
pub(crate) async fn indemnite(commande: IndemniteCommande) -> Result<ExitCode, OperationError> {
    match commande {
        IndemniteCommande::Etats(args) => lister(args).await,
        IndemniteCommande::Documents(args) => refaire(args).await,
        IndemniteCommande::Import(args) => rapprochement::importer(args).await,
        IndemniteCommande::Corriger(args) => corriger(args).await,
        IndemniteCommande::Cloturer(args) => cloturer(args).await,
    }
}

/// A state of the service; each reading is a line of its journal.
async fn etat(poste: &Poste, cle: &str) -> Result<Option<State>, Refus> {
    match poste.lire(&format!("/ops/etats/{cle}"), &[]).await {
        Ok(state) => Ok(Some(state)),
        Err(Refus::Inconnu(_)) => Ok(None),
        Err(refus) => Err(refus),
    }
}

async fn trouver(
    poste: &Poste,
    cpams: &[CodeCpam],
    mois: Option<Mois>,
) -> Result<Vec<EtatEmis>, Refus> {
    etats::trouver(cpams, mois, async |cle| etat(poste, &cle).await).await
}

/// The CPAMs asked for, else those of the register.
fn cpams(quels: &cli::Quels) -> Result<Vec<CodeCpam>, OperationError> {
    if !quels.cpam.is_empty() {
        return Ok(quels.cpam.clone());
    }
    let usage = OperationError::Usage;
    let source = service::config::load(quels.acces.config.as_deref()).map_err(usage)?;
    let register = match source.get_string("referentiel") {
        Ok(folder) => Referentiel::load(folder.as_ref()).map_err(|e| usage(e.to_string()))?,
        Err(_) => Referentiel::public(),
    };
    Ok(register.cpams().cloned().collect())
}

async fn lister(args: EtatsArgs) -> Result<ExitCode, OperationError> {
    let poste = Poste::du_service(&args.quels.acces, SERVICE)?;
    let found = trouver(&poste, &cpams(&args.quels)?, args.mois).await?;
    rapprochement::montrer(&found, args.quels.acces.json);
    Ok(ExitCode::SUCCESS)
}

async fn refaire(args: DocumentsArgs) -> Result<ExitCode, OperationError> {
    let poste = Poste::du_service(&args.quels.acces, SERVICE)?;
    let found = trouver(&poste, &cpams(&args.quels)?, Some(args.mois)).await?;
    let (mut releves, mut faux) = (Vec::new(), Vec::new());
    for emis in found {
        let numero = format!("{}-{}-{}", emis.cpam, emis.mois, emis.rang);
        match emis.releve {
            Some(releve) if releve.est_intact() => releves.push(*releve),
            Some(_) => faux.push(format!("état {numero} : il n'est plus celui qui a été envoyé")),
            None => faux.push(format!("état {numero} : émis par une version qui ne gardait rien")),
        }
    }
    let wrong = |e: std::io::Error| OperationError::Refus(format!("{} : {e}", args.out.display()));
    let files = etats::documents(&releves, None);
    etats::ecrire(&args.out, &files).map_err(wrong)?;
    for releve in &releves {
        let path = args.out.join("etats").join(format!("{}.csv", releve.numero()));
        fs::write(path, releve.csv()).map_err(wrong)?;
    }
    let forms = files.len() - releves.len();
    if args.quels.acces.json {
        dire_json(&json!({ "etats": releves.len(), "formulaires": forms, "refus": faux }));
    } else {
        dire(&format!(
            "{}, {} : {}",
            compte(releves.len(), "état", "états"),
            compte(forms, "formulaire", "formulaires"),
            args.out.display()
        ));
    }
    for text in &faux {
        eprintln!("erreur : {text}");
    }
    Ok(if faux.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn corriger(args: CorrigerArgs) -> Result<ExitCode, OperationError> {
    let poste = Poste::du_service(&args.acces, SERVICE)?;
    let cle = cle_medecin_mois(&args.rpps, args.mois.premier_jour());
    let champs = BTreeMap::from([
        ("ligne", args.ligne.to_string()),
        ("centimes", args.centimes.to_string()),
        ("motif", args.motif.clone()),
    ]);
    let action = json!({ "action": "corriger", "cle": cle, "champs": champs });
    poste.demander("/ops/actions", &action).await?;
    let made = suivre(async || {
        let Some(State::MedecinMois(month)) = etat(&poste, &cle).await? else { return Ok(None) };
        let line = month.lignes.iter().find(|(_, due)| match &due.origine {
            Origine::Correction { de, motif, .. } => {
                *de == args.ligne && *motif == args.motif && due.centimes.0 == args.centimes
            }
            Origine::Retenue | Origine::Representation { .. } => false,
        });
        Ok(line.map(|(id, _)| *id))
    });
    match made.await? {
        Some(id) => {
            let amount = typo::euros(contracts::Centimes(args.centimes));
            dire(&format!("ligne {id} : {amount}, corrige {}", args.ligne));
            Ok(ExitCode::SUCCESS)
        }
        None => Err(sans_suite()),
    }
}

async fn cloturer(args: CloturerArgs) -> Result<ExitCode, OperationError> {
    let poste = Poste::du_service(&args.acces, SERVICE)?;
    let cle = cle_etat(&args.cpam);
    let ranks = async || match etat(&poste, &cle).await? {
        Some(State::Etat(etat)) => Ok::<_, Refus>(etat.rangs),
        Some(_) | None => Ok(BTreeMap::new()),
    };
    let before = ranks().await?;
    poste.demander("/ops/actions", &json!({ "action": "cloturer", "cle": cle })).await?;
    let closed = suivre(async || Ok(Some(ranks().await?).filter(|after| *after != before))).await?;
    let Some(after) = closed else {
        let text = format!("CPAM {} : rien à clôturer (le mois en cours attend)", args.cpam);
        return Err(OperationError::Refus(text));
    };
    for (mois, last) in after {
        for rang in before.get(&mois).copied().unwrap_or(0) + 1..=last {
            dire(&format!("état {}-{mois}-{rang} : émis", args.cpam));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Looks until something is there, or the decision is late.
async fn suivre<T>(
    look: impl AsyncFn() -> Result<Option<T>, Refus>,
) -> Result<Option<T>, OperationError> {
    let limite = Instant::now() + DECISION;
    loop {
        if let Some(found) = look().await? {
            return Ok(Some(found));
        }
        if Instant::now() > limite {
            return Ok(None);
        }
        tokio::time::sleep(REGARD).await;
    }
}

fn sans_suite() -> OperationError {
    let text =
        "enregistré, mais sans suite : voir les pannes (relais failures list --service indemnite)";
    OperationError::Refus(text.to_owned())
}
