//! Failures replayed or set aside, one or many. Of many, one per fingerprint goes first: when it
//! fails again, the others stay where they are.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use serde_json::json;
use uuid::Uuid;

use super::{
    OperationError,
    cli::{DiscardArgs, ReplayArgs},
    pannes::{Panne, chercher, filtres, groupes, toutes, une},
    poste::{Poste, Refus},
    table::{compte, dire, dire_json},
};

/// How often a replayed failure is looked at.
const REGARD: Duration = Duration::from_millis(200);
/// How long a replay may take to be decided.
const DECISION: Duration = Duration::from_mins(1);

/// What became of the failures of one fingerprint.
#[derive(Debug, serde::Serialize)]
struct Bilan {
    service: String,
    code: String,
    genre: String,
    /// What was asked for, the first one included.
    faites: usize,
    /// What is left as it was.
    laissees: usize,
    /// Why it was left.
    raison: Option<String>,
}

/// `relais failures replay`.
pub(super) async fn rejouer(args: ReplayArgs) -> Result<ExitCode, OperationError> {
    let observation = Duration::from_secs(args.observation);
    if let Some(id) = args.id {
        let (poste, panne) = chercher(&args.acces, id).await?;
        let issue = eclairer(&poste, &panne, observation).await?;
        if args.acces.json {
            dire_json(&issue);
        } else {
            dire(&format!("panne {id} : {}", issue.texte()));
        }
        return Ok(issue.code());
    }
    let filtres = filtres(&args.choix)?;
    let (mut bilans, mut muets) = (Vec::new(), 0);
    for poste in Poste::tous(&args.acces)? {
        let groupes = groupes(&poste, &filtres).await.unwrap_or_else(|refus| {
            eprintln!("erreur : {refus}");
            muets += 1;
            Vec::new()
        });
        for groupe in groupes {
            let mut query = filtres.clone();
            query.retain(|(nom, _)| *nom != "genre");
            query.push(("genre", groupe.genre.clone()));
            let pannes = toutes(&poste, &query).await?;
            let Some((premiere, reste)) = pannes.split_first() else { continue };
            let issue = eclairer(&poste, premiere, observation).await?;
            let mut bilan = Bilan {
                service: premiere.service.clone(),
                code: groupe.code,
                genre: groupe.genre,
                faites: 1,
                laissees: reste.len(),
                raison: None,
            };
            if issue.is_closed() {
                bilan.faites += cadencer(&poste, reste, args.rate).await?;
                bilan.laissees = 0;
            } else {
                bilan.raison = Some(issue.texte());
            }
            if !args.acces.json {
                dire(&bilan.texte());
            }
            bilans.push(bilan);
        }
    }
    if args.acces.json {
        dire_json(&bilans);
    } else if bilans.is_empty() {
        dire("aucune panne ouverte ne correspond");
    }
    let retenue = bilans.iter().any(|bilan| bilan.raison.is_some());
    Ok(if retenue || muets > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl Bilan {
    fn texte(&self) -> String {
        let sujet = format!("{} {} ({})", self.service, self.code, self.genre);
        match &self.raison {
            None => {
                format!("{sujet} : {}", compte(self.faites, "rejeu demandé", "rejeux demandés"))
            }
            Some(raison) => format!(
                "{sujet} : l'éclaireuse n'est pas passée ({raison}) ; {}",
                compte(self.laissees, "autre laissée", "autres laissées")
            ),
        }
    }
}

/// What became of a replayed failure.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case", tag = "issue")]
enum Issue {
    /// It is closed, with this outcome.
    Close { comme: String },
    /// It failed again.
    Rouverte { code: String, raison: String },
    /// It was not decided in time.
    Attendue,
}

impl Issue {
    fn is_closed(&self) -> bool {
        matches!(self, Self::Close { .. })
    }

    fn code(&self) -> ExitCode {
        if self.is_closed() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn texte(&self) -> String {
        match self {
            Self::Close { comme } => format!("close ({comme})"),
            Self::Rouverte { code, raison } => format!("de nouveau en panne : {code}, {raison}"),
            Self::Attendue => format!("toujours pas décidée après {} s", DECISION.as_secs()),
        }
    }
}

/// Replays one failure and waits for what becomes of it. A call to an agency closes its failure as
/// soon as it waits to be made again: it is watched a little longer.
async fn eclairer(
    poste: &Poste,
    panne: &Panne,
    observation: Duration,
) -> Result<Issue, OperationError> {
    demander_rejeu(poste, panne.id).await?;
    let limite = Instant::now() + DECISION;
    let mut close_depuis = None;
    loop {
        let vue = une(poste, panne.id).await?;
        match vue.issue {
            None if vue.tentatives > panne.tentatives => {
                return Ok(Issue::Rouverte { code: vue.code, raison: vue.raison });
            }
            None if Instant::now() > limite => return Ok(Issue::Attendue),
            None => {}
            Some(comme) => {
                let since = *close_depuis.get_or_insert_with(Instant::now);
                if panne.origine != "ask" || since.elapsed() >= observation {
                    return Ok(Issue::Close { comme });
                }
            }
        }
        tokio::time::sleep(REGARD).await;
    }
}

async fn demander_rejeu(poste: &Poste, id: Uuid) -> Result<(), Refus> {
    poste.demander(&format!("/ops/pannes/{id}/rejeu"), &json!({})).await
}

/// Asks for the replay of each, not faster than one per `pas`; one that was closed meanwhile is
/// left. Returns how many were asked for.
async fn cadencer(poste: &Poste, pannes: &[Panne], pas: Duration) -> Result<usize, OperationError> {
    let mut horloge = tokio::time::interval(pas);
    horloge.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut faites = 0;
    for panne in pannes {
        horloge.tick().await;
        match demander_rejeu(poste, panne.id).await {
            Ok(()) => faites += 1,
            Err(Refus::Close(_)) => {}
            Err(refus) => {
                let faits = compte(faites, "rejeu demandé", "rejeux demandés");
                eprintln!("erreur : arrêt après {faits}");
                return Err(refus.into());
            }
        }
    }
    Ok(faites)
}

/// `relais failures discard`.
pub(super) async fn ecarter(args: DiscardArgs) -> Result<ExitCode, OperationError> {
    let motif = json!({ "motif": args.motif });
    let demander = async |poste: &Poste, id: Uuid| {
        poste.demander(&format!("/ops/pannes/{id}/mise-a-l-ecart"), &motif).await
    };
    let mut ecartees = Vec::new();
    if let Some(id) = args.id {
        let (poste, _) = chercher(&args.acces, id).await?;
        demander(&poste, id).await?;
        ecartees.push(id);
    } else {
        let filtres = filtres(&args.choix)?;
        for poste in Poste::tous(&args.acces)? {
            for panne in toutes(&poste, &filtres).await? {
                match demander(&poste, panne.id).await {
                    Ok(()) => ecartees.push(panne.id),
                    Err(Refus::Close(_)) => {}
                    Err(refus) => return Err(refus.into()),
                }
            }
        }
    }
    if args.acces.json {
        dire_json(&ecartees);
    } else {
        dire(&compte(ecartees.len(), "panne écartée", "pannes écartées"));
    }
    Ok(ExitCode::SUCCESS)
}
