//! What is read: whether the account acts, what a person made, what is at a site. Lists are bounded
//! by dates and told apart by id: pages shift while they are read.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, NaiveDate, SubsecRound, TimeDelta, Utc};
use kernel::Fault;
use reqwest::Method;

use super::{Client, Error, Liste, statut};
use crate::{
    jetons::BLOCAGES,
    state::{Constat, Releve, Reponse},
    webhook::{Observation, absence_de, absence_vue, adresse, rdv_vu},
    wire::{AbsenceRecue, Agent, Nomme, RdvRecu},
};

/// How long the list of absences is that of the sites that are read one after the other: the API
/// only gives those of everybody.
const PARTAGE: TimeDelta = TimeDelta::minutes(5);

/// The absences of everybody whom the account sees.
#[derive(Clone)]
pub(super) struct ToutesAbsences {
    /// Before they were read, in seconds.
    lues_le: DateTime<Utc>,
    absences: Arc<Vec<AbsenceRecue>>,
}

impl Client {
    /// Says whether the account acts.
    pub(super) async fn verifier(&self) -> Result<Reponse, Fault> {
        let called = self.appeler("GET agents/me", Method::GET, "/agents/me", &[], None::<&()>);
        match called.await.map_err(Fault::from) {
            Ok(_) => Ok(Reponse::Compte { blocage: None }),
            Err(fault) if BLOCAGES.contains(&fault.code()) => {
                Ok(Reponse::Compte { blocage: Some(fault.code().to_owned()) })
            }
            Err(fault) => Err(fault),
        }
    }

    /// Keeps a new consent, and says whether it acts.
    pub(super) async fn consentir(&self, jetons: &str) -> Result<Reponse, Fault> {
        self.guichet.consentir(jetons).await?;
        self.verifier().await
    }

    /// Looks for what a person was asked to make.
    pub(super) async fn constater(&self, constat: &Constat) -> Result<Reponse, Error> {
        let found = match constat {
            Constat::Organisation { nom } => {
                let liste =
                    Liste { appel: "GET organisations", path: "/organisations", query: &[] };
                self.nomme(liste, nom).await.map(|id| id.map(Reponse::Organisation))
            }
            Constat::Webhook { lieu, organisation } => {
                let path = format!("/organisations/{organisation}/webhook_endpoints");
                let liste = Liste { appel: "GET webhook_endpoints", path: &path, query: &[] };
                let ours = adresse(&self.config, lieu);
                let is_ours = |w: &Nomme| w.target_url.as_deref() == Some(&ours);
                self.chercher(&liste, &[&is_ours]).await.map(|id| id.map(Reponse::Webhook))
            }
            Constat::Lieu { organisation, nom } => {
                let query = [("organisation_id", organisation.to_string())];
                let liste = Liste { appel: "GET lieux", path: "/lieux", query: &query };
                self.nomme(liste, nom).await.map(|id| id.map(Reponse::Lieu))
            }
            Constat::Motif { organisation } => {
                let path = format!("/organisations/{organisation}/motifs");
                let liste = Liste { appel: "GET motifs", path: &path, query: &[] };
                let nom = &self.config.motif.nom;
                self.nomme(liste, nom).await.map(|id| id.map(Reponse::Motif))
            }
            Constat::Agent { organisation, courriel } => {
                match self.agent(*organisation, courriel).await {
                    Ok(Some(agent)) => self.agent_absences(agent).await.map(Some),
                    Ok(None) => Ok(None),
                    Err(error) => Err(error),
                }
            }
        };
        match found {
            Ok(found) => Ok(found.unwrap_or(Reponse::PasEncore)),
            // What may not be seen is closed by the operator.
            Err(error) if matches!(statut(&error), Some(403 | 404)) => Ok(Reponse::PasEncore),
            Err(error) => Err(error),
        }
    }

    /// The one record of that name; none when several have it.
    async fn nomme(&self, liste: Liste<'_>, nom: &str) -> Result<Option<i64>, Error> {
        let all: Vec<Nomme> = self.liste(liste.appel, liste.path, liste.query).await?;
        let wanted = nom.trim().to_lowercase();
        let same = |n: &&Nomme| n.name.as_ref().is_some_and(|n| n.trim().to_lowercase() == wanted);
        let mut found = all.iter().filter(same).map(|n| n.id);
        Ok(found.next().filter(|_| found.next().is_none()))
    }

    /// Reads agents, absences and appointments of an organisation.
    pub(super) async fn relever(
        &self,
        organisation: i64,
        du: NaiveDate,
        au: NaiveDate,
    ) -> Result<Reponse, Error> {
        // In seconds, as their instants: what is told while it is read is fresher.
        let lu_le = self.clock.now().trunc_subsecs(0);
        let query = [("organisation_id", organisation.to_string())];
        let agents: Vec<Agent> = self.liste("GET agents", "/agents", &query).await?;
        let ours = |a: &Agent| agents.iter().any(|known| known.id == a.id);
        let ToutesAbsences { lues_le, absences } = self.toutes_absences().await?;
        let absences = absences.iter().filter(|a| ours(&a.agent));
        let absences = par_id(absences.filter_map(|a| absence_vue(a, lues_le)));
        let path = format!("/organisations/{organisation}/rdvs");
        let query = [("starts_after", du.to_string()), ("starts_before", au.to_string())];
        let rdvs: Vec<RdvRecu> = self.liste("GET rdvs", &path, &query).await?;
        let rdvs = par_id(rdvs.into_iter().map(|rdv| rdv_vu(rdv, lu_le)));
        Ok(Reponse::Releve(Box::new(Releve { lu_le, agents, absences, rdvs })))
    }

    /// What is known of an agent once its id is.
    pub(super) async fn agent_absences(&self, agent: i64) -> Result<Reponse, Error> {
        // An agent that existed before may be away: absences are the agent's, not the site's.
        let ToutesAbsences { lues_le, absences } = self.toutes_absences().await?;
        let absences = absences.iter().filter(|a| a.agent.id == agent);
        let absences = absences.filter_map(|a| absence_de(a).map(|absence| (a.id, absence)));
        Ok(Reponse::Agent { agent, lu_le: lues_le, absences: absences.collect() })
    }

    /// Read once for the sites that follow each other.
    async fn toutes_absences(&self) -> Result<ToutesAbsences, Error> {
        let mut known = self.absences.lock().await;
        let now = self.clock.now().trunc_subsecs(0);
        if let Some(fresh) = known.as_ref().filter(|k| now - k.lues_le < PARTAGE) {
            return Ok(fresh.clone());
        }
        let absences = Arc::new(self.liste("GET absences", "/absences", &[]).await?);
        Ok(known.insert(ToutesAbsences { lues_le: now, absences }).clone())
    }
}

fn par_id(seen: impl Iterator<Item = Observation>) -> Vec<Observation> {
    seen.map(|o| (o.id, o)).collect::<BTreeMap<_, _>>().into_values().collect()
}
