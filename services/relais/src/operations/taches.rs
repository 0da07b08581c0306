//! Tasks that wait for a person.

use std::{
    collections::BTreeMap,
    process::ExitCode,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{
    OperationError, Releve,
    cli::{Acces, TaskCloseArgs, TaskListArgs, TaskShowArgs},
    poste::{Poste, Refus},
    table::{compte, date, dire, dire_json, table},
};

/// How long a closing is followed.
const DECISION: Duration = Duration::from_secs(10);
/// How often the list is looked at meanwhile.
const REGARD: Duration = Duration::from_millis(200);

/// A task as a service shows it.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Tache {
    service: String,
    #[serde(rename = "tache")]
    id: Uuid,
    gabarit: String,
    cle: String,
    objet: String,
    champs: BTreeMap<String, String>,
    depuis: DateTime<Utc>,
}

async fn ouvertes(poste: &Poste) -> Result<Vec<Tache>, Refus> {
    poste.lire("/ops/taches", &[]).await
}

/// `relais tasks list`.
pub(super) async fn lister(args: TaskListArgs) -> Result<ExitCode, OperationError> {
    let mut releve = Releve::de(&args.acces, async |poste| ouvertes(poste).await).await?;
    releve.lignes.retain(|t| args.gabarit.as_ref().is_none_or(|gabarit| *gabarit == t.gabarit));
    releve.lignes.sort_by_key(|t| (t.depuis, t.id));
    if args.acces.json {
        dire_json(&releve.lignes);
        return Ok(releve.code());
    }
    let ligne = |t: &Tache| {
        let (id, gabarit, cle) = (t.id.to_string(), t.gabarit.clone(), t.cle.clone());
        [id, t.service.clone(), gabarit, cle, date(t.depuis)]
    };
    let lignes: Vec<_> = releve.lignes.iter().map(ligne).collect();
    if !lignes.is_empty() {
        dire(&table(["ID", "SERVICE", "GABARIT", "CLÉ", "DEPUIS"], &lignes));
    }
    dire(&compte(lignes.len(), "tâche ouverte", "tâches ouvertes"));
    Ok(releve.code())
}

/// The service that has this task open, and the task.
async fn chercher(acces: &Acces, id: Uuid) -> Result<(Poste, Tache), OperationError> {
    let mut muets = Vec::new();
    for poste in Poste::tous(acces)? {
        match ouvertes(&poste).await {
            Ok(taches) => {
                if let Some(tache) = taches.into_iter().find(|tache| tache.id == id) {
                    return Ok((poste, tache));
                }
            }
            Err(refus) => muets.push(refus.to_string()),
        }
    }
    if muets.is_empty() {
        return Err(OperationError::Refus(format!("tâche {id} : aucune tâche ouverte de ce nom")));
    }
    Err(OperationError::Refus(muets.join("\n")))
}

/// `relais tasks show`.
pub(super) async fn montrer(args: TaskShowArgs) -> Result<ExitCode, OperationError> {
    let (_, tache) = chercher(&args.acces, args.id).await?;
    if args.acces.json {
        dire_json(&tache);
    } else {
        dire(&fiche(&tache));
    }
    Ok(ExitCode::SUCCESS)
}

fn fiche(tache: &Tache) -> String {
    let mut lignes = vec![
        format!("tâche    {}", tache.id),
        format!("service  {}", tache.service),
        format!("gabarit  {}", tache.gabarit),
        format!("clé      {}", tache.cle),
        format!("objet    {}", tache.objet),
        format!("depuis   {}", date(tache.depuis)),
    ];
    if !tache.champs.is_empty() {
        lignes.push("à recopier".to_owned());
        for (nom, valeur) in &tache.champs {
            // A file to copy keeps its lines.
            let valeur = valeur.trim_end().replace('\n', "\n    ");
            lignes.push(format!("  {nom} : {valeur}"));
        }
    }
    lignes.join("\n")
}

/// `relais tasks close`.
pub(super) async fn clore(args: TaskCloseArgs) -> Result<ExitCode, OperationError> {
    let (poste, tache) = chercher(&args.acces, args.id).await?;
    let mut champs: BTreeMap<String, String> = args.champs.into_iter().collect();
    champs.insert("tache".to_owned(), tache.id.to_string());
    let action = json!({ "action": "fermer-tache", "cle": tache.cle, "champs": champs });
    poste.demander("/ops/actions", &action).await?;
    let close = suivre(&poste, tache.id).await?;
    if args.acces.json {
        dire_json(&json!({ "tache": tache.id, "close": close }));
    } else if close {
        dire(&format!("tâche {} ({}) : close", tache.id, tache.gabarit));
    } else {
        dire(&format!(
            "enregistré, mais la tâche {} est encore ouverte : voir les pannes de {} \
             (relais failures list)",
            tache.id, tache.service
        ));
    }
    Ok(if close { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether the task leaves the list.
async fn suivre(poste: &Poste, id: Uuid) -> Result<bool, Refus> {
    let limite = Instant::now() + DECISION;
    loop {
        if !ouvertes(poste).await?.iter().any(|tache| tache.id == id) {
            return Ok(true);
        }
        if Instant::now() > limite {
            return Ok(false);
        }
        tokio::time::sleep(REGARD).await;
    }
}
