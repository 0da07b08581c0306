//! Opens agendas on RDV Service Public and follows what doctors open there.
//!
//! What its API can do is automatic, what it cannot is a task for the DNS. It decides neither who
//! may practise (ordinal-adapter does) nor what is payable (indemnite does).

mod affiche;
mod agency;
pub mod config;
mod decide;
mod ics;
mod jetons;
pub mod planning;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod state;
pub mod webhook;
pub mod wire;

use std::time::Duration;

use contact::{Lien, Mailer};
use contracts::{LieuId, Referentiel};
use kernel::Fault;
use service::{
    Attempt, Context, Decision, Equipment, Etape, Ingress, Input, Limit, OperatorAction, Program,
    Refusal, Service,
};
use uuid::Uuid;

use crate::{
    agency::Client,
    config::Config,
    state::{
        AGENCE, AGENCE_COMPTE, CLE_COMPTE, Entrant, Etat, Evenement, Question, Reponse,
        cle_engagement,
    },
};

pub use affiche::pdf;
pub use ics::ics;
pub use jetons::connexion::{Connexion, Consentement, RetourError};

/// The service.
pub struct RdvAgendaSync {
    client: Client,
    mailer: Mailer,
}

/// The service, for the programs that run it.
pub static PROGRAM: Program = Program::of::<RdvAgendaSync>();

impl Service for RdvAgendaSync {
    const NAME: &'static str = "rdv-agenda-sync";
    type Config = Config;
    type State = Etat;
    type Message = Entrant;
    type Event = Evenement;
    type Ask = Question;
    type Answer = Reponse;

    fn new(config: &Config, equipment: &Equipment) -> Result<Self, String> {
        config.check()?;
        let client = Client::new(config, equipment)?;
        Ok(Self { client, mailer: equipment.mailer.clone() })
    }

    fn key(message: &Entrant) -> String {
        cle_engagement(&message.activite().engagement)
    }

    fn decide(
        state: Option<&Etat>,
        input: Input<Self>,
        cx: &Context<'_, Self>,
    ) -> Result<Decision<Self>, Refusal> {
        decide::decide(state, input, cx)
    }

    async fn ask(&self, ask: &Question, id: Uuid, attempt: Attempt) -> Result<Reponse, Fault> {
        match ask {
            Question::Courriel(courriel) => {
                self.mailer.send(id, courriel).await?;
                Ok(Reponse::Envoye)
            }
            Question::Planning { courriel, planning, lieu } => {
                let (modele, planning) = (courriel.modele.clone(), planning.clone());
                let lieu = lieu.clone();
                let make = move || affiche::fichiers(&modele, &planning, &lieu);
                self.mailer.send_making(id, courriel, make).await?;
                Ok(Reponse::Envoye)
            }
            Question::EnregistrerWebhook { .. }
            | Question::Resynchroniser { .. }
            | Question::CreerLieu { .. }
            | Question::CreerMotif { .. }
            | Question::VerifierCompte
            | Question::Consentir { .. }
            | Question::Constater(_)
            | Question::Relever { .. }
            | Question::Inviter { .. } => self.client.demander(ask, attempt).await,
        }
    }

    fn limits(config: &Config) -> Vec<(&'static str, Limit)> {
        let calls = config.operations_par_minute;
        let window = Duration::from_mins(1);
        vec![
            (AGENCE, Limit { in_flight: 4, calls, window }),
            (AGENCE_COMPTE, Limit { in_flight: 1, calls: 6, window }),
        ]
    }

    fn boot(_: &Config) -> Vec<(String, Evenement)> {
        vec![(CLE_COMPTE.to_owned(), Evenement::VerifierCompte)]
    }

    fn routes(config: &Config, ingress: &Ingress<Self>) -> axum::Router {
        webhook::routes(config, ingress)
    }

    fn question(state: Option<&Etat>, lien: &Lien, _: &Referentiel) -> Option<contact::Question> {
        match state? {
            Etat::Planning(etat) => decide::planning::page(etat, lien),
            Etat::Lieu(_) | Etat::Titulaires(_) | Etat::Engagement(_) | Etat::Compte(_) => None,
        }
    }

    fn etape(state: &Etat) -> Option<Etape> {
        state.etape()
    }

    fn operator(action: &OperatorAction) -> Result<(String, Evenement), String> {
        let organisation = || {
            let value = action.champs.get("organisation_id");
            let value = value.ok_or("champ organisation_id manquant")?;
            let number = value.trim().parse::<i64>().ok().filter(|n| *n > 0);
            number.ok_or("organisation_id : un nombre positif est attendu")
        };
        let evenement = match action.action.as_str() {
            "fermer-tache" => {
                if action.champs.contains_key("organisation_id") {
                    organisation()?;
                }
                let tache = action.champs.get("tache").and_then(|t| t.parse().ok());
                Evenement::TacheFaite {
                    tache: tache.ok_or("champ tache : l'identifiant de la tâche est attendu")?,
                    champs: action.champs.clone(),
                    par: action.par.clone(),
                }
            }
            "corriger-organisation" => {
                Evenement::CorrigerOrganisation { organisation: organisation()? }
            }
            "resynchroniser" => Evenement::Resynchroniser,
            "reconcilier" if action.cle == CLE_COMPTE => Evenement::ReconcilierTout,
            "reconcilier" => Evenement::Reconcilier,
            "consentir" if action.cle == CLE_COMPTE => {
                let jetons = action.champs.get("jetons").ok_or("champ jetons manquant")?;
                Evenement::Consentement { jetons: jetons.clone() }
            }
            autre => return Err(format!("{} ne connaît pas l'action « {autre} »", Self::NAME)),
        };
        let site = action.cle.strip_prefix("lieu/").is_some_and(|l| l.parse::<LieuId>().is_ok());
        if !site && action.cle != CLE_COMPTE && !matches!(evenement, Evenement::TacheFaite { .. }) {
            return Err("cette action concerne un lieu : clé lieu/<identifiant>".to_owned());
        }
        Ok((action.cle.clone(), evenement))
    }
}
