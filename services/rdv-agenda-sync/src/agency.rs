//! The client of RDV Service Public's API v1.
//!
//! Before a creation is repeated, what an earlier attempt may have made is looked for; a 422 is
//! settled by reading too, never by matching a French sentence.

use agency::{HttpClient, HttpError};
use kernel::{Clock, Fault, Secret};
use reqwest::Method;
use serde::{Serialize, de::DeserializeOwned};
use service::{Attempt, Equipment};
use tokio::sync::Mutex;

use self::lectures::ToutesAbsences;
use crate::{
    config::{Config, NiveauAcces},
    jetons::{Guichet, bloque},
    state::{Question, Reponse},
    webhook::{ABONNEMENTS, adresse, secret},
    wire::{
        Agent, Illisible, Nomme, NouveauLieu, NouveauMotif, NouveauWebhook, NouvelAgent, Page,
        Racine, ReferenceExterne,
    },
};

mod lectures;

/// Why RDV Service Public gave nothing usable.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{appel}")]
    Http {
        appel: &'static str,
        #[source]
        source: HttpError,
    },
    #[error("{appel}: the answer cannot be read")]
    Illisible {
        appel: &'static str,
        #[source]
        source: Illisible,
    },
    #[error("{appel}: refused (422), and nothing of ours is there")]
    Refuse { appel: &'static str },
    #[error("{appel}: the invitation was taken, but the agent is not in the list yet")]
    AgentAbsent { appel: &'static str },
    #[error("no access token")]
    Jeton(#[source] Fault),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            // The token's own verdict.
            Error::Jeton(fault) => fault,
            // A new access token is refused as well: the service agent was removed.
            Error::Http { source: HttpError::Status { status: 401, .. }, .. } => {
                bloque("rdv-agent-refuse", error)
            }
            // The service agent has no rights there, or the organisation's number is wrong (since
            // 2026 an unknown organisation answers 403 too): corrected by a person.
            Error::Http { source: HttpError::Status { status: 403 | 404, .. }, .. } => {
                Self::permanent("rdv-droits-ou-organisation", error)
            }
            Error::Http { source, .. } => Self::from(source),
            // A maintenance page instead of JSON.
            Error::Illisible { .. } => Self::transient("rdv-reponse-illisible", error),
            // Validation of their models: the values must change.
            Error::Refuse { .. } => Self::permanent("rdv-refus", error),
            // Lists are read from a replica that may be late.
            Error::AgentAbsent { .. } => Self::transient("rdv-agent-absent", error),
        }
    }
}

/// Collections that are read whole, page by page, never beyond this.
const PAGES_MAX: u32 = 200;

/// Where to look for a record.
struct Liste<'a> {
    appel: &'static str,
    path: &'a str,
    query: &'a [(&'a str, String)],
}

/// The client.
pub(crate) struct Client {
    http: HttpClient,
    guichet: Guichet,
    config: Config,
    clock: Clock,
    absences: Mutex<Option<ToutesAbsences>>,
}

impl Client {
    pub(crate) fn new(config: &Config, equipment: &Equipment) -> Result<Self, String> {
        let http = HttpClient::new(config.api.clone())?.with_clock(equipment.clock.clone());
        let guichet = Guichet::new(http.clone(), config.clone(), equipment.clone());
        let (config, clock) = (config.clone(), equipment.clock.clone());
        Ok(Self { http, guichet, config, clock, absences: Mutex::default() })
    }

    /// Makes a call; mail is not its business.
    pub(crate) async fn demander(
        &self,
        question: &Question,
        attempt: Attempt,
    ) -> Result<Reponse, Fault> {
        // A time limit that ran out is a clean end for the frame, yet it may have had its effect.
        let relire = attempt != Attempt::First;
        let reponse = match question {
            Question::EnregistrerWebhook { lieu, organisation } => {
                Reponse::Webhook(self.enregistrer(lieu, *organisation, relire).await?)
            }
            Question::Resynchroniser { organisation, webhook } => {
                let path = format!("/organisations/{organisation}/webhook_endpoints/{webhook}");
                let body = serde_json::json!({ "subscriptions": ABONNEMENTS });
                let appel = "PATCH webhook_endpoints";
                self.appeler(appel, Method::PATCH, &path, &[], Some(&body)).await?;
                Reponse::Resynchronise
            }
            Question::CreerLieu { organisation, lieu, nom, adresse, latitude, longitude } => {
                let nouveau = NouveauLieu {
                    organisation_id: *organisation,
                    name: nom,
                    address: adresse,
                    latitude: *latitude,
                    longitude: *longitude,
                    external_reference: reference("lieu", lieu.as_str(), *organisation),
                };
                Reponse::Lieu(self.creer_lieu(&nouveau, relire).await?)
            }
            Question::CreerMotif { organisation, lieu } => {
                Reponse::Motif(self.creer_motif(*organisation, lieu.as_str(), relire).await?)
            }
            Question::Inviter { organisation, courriel, niveau } => {
                let niveau = niveau.unwrap_or(self.config.niveau_acces);
                self.inviter(*organisation, courriel, niveau, relire).await?
            }
            Question::VerifierCompte => self.verifier().await?,
            Question::Consentir { jetons } => self.consentir(jetons).await?,
            Question::Constater(constat) => self.constater(constat).await?,
            Question::Relever { organisation, du, au } => {
                self.relever(*organisation, *du, *au).await?
            }
            Question::Courriel(_) | Question::Planning { .. } => {
                return Err(Fault::permanent("question-deplacee", "a mail is not for the API"));
            }
        };
        Ok(reponse)
    }

    async fn enregistrer(
        &self,
        lieu: &contracts::LieuId,
        organisation: i64,
        relire: bool,
    ) -> Result<i64, Error> {
        let path = format!("/organisations/{organisation}/webhook_endpoints");
        let target_url = adresse(&self.config, lieu);
        let secret = secret(&self.config, lieu);
        let nouveau = NouveauWebhook {
            target_url: &target_url,
            secret: secret.expose(),
            subscriptions: &ABONNEMENTS,
        };
        let liste = Liste { appel: "GET webhook_endpoints", path: &path, query: &[] };
        let ours = |w: &Nomme| w.target_url.as_deref() == Some(&target_url);
        self.creer("POST webhook_endpoints", &path, &nouveau, relire, liste, &[&ours]).await
    }

    async fn creer_lieu(&self, nouveau: &NouveauLieu<'_>, relire: bool) -> Result<i64, Error> {
        let query = [("organisation_id", nouveau.organisation_id.to_string())];
        let liste = Liste { appel: "GET lieux", path: "/lieux", query: &query };
        let ours = |l: &Nomme| l.est(&nouveau.external_reference);
        let named = |l: &Nomme| l.name.as_deref() == Some(nouveau.name);
        self.creer("POST lieux", "/lieux", nouveau, relire, liste, &[&ours, &named]).await
    }

    async fn creer_motif(&self, organisation: i64, lieu: &str, relire: bool) -> Result<i64, Error> {
        let motif = &self.config.motif;
        let nouveau = NouveauMotif {
            organisation_id: organisation,
            name: &motif.nom,
            default_duration_in_min: motif.duree_min,
            location_type: "public_office",
            bookable_by: "everyone",
            color: "#000091",
            service_id: motif.service_id,
            external_reference: reference("motif", lieu, organisation),
        };
        let path = format!("/organisations/{organisation}/motifs");
        let liste = Liste { appel: "GET motifs", path: &path, query: &[] };
        let ours = |m: &Nomme| m.est(&nouveau.external_reference);
        let named = |m: &Nomme| m.name.as_deref() == Some(&motif.nom);
        self.creer("POST motifs", "/motifs", &nouveau, relire, liste, &[&ours, &named]).await
    }

    /// Invites, then reads what the list says of the agent: the answer's shape is not documented.
    async fn inviter(
        &self,
        organisation: i64,
        courriel: &str,
        niveau: NiveauAcces,
        relire: bool,
    ) -> Result<Reponse, Error> {
        let connu = if relire { self.agent(organisation, courriel).await? } else { None };
        let agent = match connu {
            Some(agent) => agent,
            None => self.inviter_nouveau(organisation, courriel, niveau).await?,
        };
        self.agent_absences(agent).await
    }

    async fn inviter_nouveau(
        &self,
        organisation: i64,
        courriel: &str,
        niveau: NiveauAcces,
    ) -> Result<i64, Error> {
        const APPEL: &str = "POST agents";
        let access_level = niveau.as_str();
        let organisation_ids = [organisation];
        let nouveau = NouvelAgent { email: courriel, organisation_ids, access_level };
        let invite = self.appeler(APPEL, Method::POST, "/agents", &[], Some(&nouveau)).await;
        let refuse = match invite {
            Ok(_) => false,
            // « fait déjà partie », « a déjà été invité »: the list decides.
            Err(error) if statut(&error) == Some(422) => true,
            Err(error) => return Err(error),
        };
        match self.agent(organisation, courriel).await? {
            Some(agent) => Ok(agent),
            None if refuse => Err(Error::Refuse { appel: APPEL }),
            None => Err(Error::AgentAbsent { appel: APPEL }),
        }
    }

    async fn agent(&self, organisation: i64, courriel: &str) -> Result<Option<i64>, Error> {
        let query = [("organisation_id", organisation.to_string())];
        let all: Vec<Agent> = self.liste("GET agents", "/agents", &query).await?;
        let same = |a: &Agent| a.email.as_ref().is_some_and(|e| e.eq_ignore_ascii_case(courriel));
        Ok(all.into_iter().find(same).map(|a| a.id))
    }

    /// Creates what is not there yet; `ours` recognise it in the list, the surest first.
    async fn creer(
        &self,
        appel: &'static str,
        path: &str,
        nouveau: &(impl Serialize + Sync),
        relire: bool,
        liste: Liste<'_>,
        ours: &[&(dyn Fn(&Nomme) -> bool + Sync)],
    ) -> Result<i64, Error> {
        if relire && let Some(id) = self.chercher(&liste, ours).await? {
            return Ok(id);
        }
        match self.appeler(appel, Method::POST, path, &[], Some(nouveau)).await {
            Ok(body) => {
                let racine: Racine = serde_json::from_slice(&body)
                    .map_err(|e| Error::Illisible { appel, source: e.into() })?;
                Ok(racine.id())
            }
            // `external_id est déjà utilisé`, or any other refusal: what is there decides.
            Err(error) if statut(&error) == Some(422) => {
                self.chercher(&liste, ours).await?.ok_or(Error::Refuse { appel })
            }
            Err(error) => Err(error),
        }
    }

    async fn chercher(
        &self,
        liste: &Liste<'_>,
        ours: &[&(dyn Fn(&Nomme) -> bool + Sync)],
    ) -> Result<Option<i64>, Error> {
        let all: Vec<Nomme> = self.liste(liste.appel, liste.path, liste.query).await?;
        let found = ours.iter().find_map(|is_ours| all.iter().find(|n| is_ours(n)));
        Ok(found.map(|n| n.id))
    }

    /// Reads a whole collection, 100 records a page.
    async fn liste<T: DeserializeOwned>(
        &self,
        appel: &'static str,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<Vec<T>, Error> {
        let (mut all, mut page) = (Vec::new(), 1);
        while page <= PAGES_MAX {
            let mut query = query.to_vec();
            query.push(("page", page.to_string()));
            let body = self.appeler(appel, Method::GET, path, &query, None::<&()>).await?;
            let read: Page<T> = serde_json::from_slice(&body)
                .map_err(|e| Error::Illisible { appel, source: e.into() })?;
            all.extend(read.collection);
            match read.meta.next_page {
                // A page number that does not grow would read the same page for ever.
                Some(next) if next > page => page = next,
                Some(_) | None => break,
            }
        }
        Ok(all)
    }

    /// One call, repeated once with a new token after a 401.
    async fn appeler(
        &self,
        appel: &'static str,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<Vec<u8>, Error> {
        let mut refuse: Option<Secret> = None;
        loop {
            let jeton = self.guichet.acces(refuse.as_ref()).await.map_err(Error::Jeton)?;
            let path = format!("/api/v1{path}");
            let request = self.http.request(method.clone(), &path).bearer_auth(jeton.expose());
            let request = if query.is_empty() { request } else { request.query(query) };
            let request = match body {
                Some(body) => request.json(body),
                None => request,
            };
            match self.http.send(request).await {
                Ok(response) => return Ok(response.body),
                Err(HttpError::Status { status: 401, .. }) if refuse.is_none() => {
                    refuse = Some(jeton);
                }
                Err(source) => return Err(Error::Http { appel, source }),
            }
        }
    }
}

fn statut(error: &Error) -> Option<u16> {
    match error {
        Error::Http { source: HttpError::Status { status, .. }, .. } => Some(*status),
        Error::Http { .. }
        | Error::Illisible { .. }
        | Error::Refuse { .. }
        | Error::AgentAbsent { .. }
        | Error::Jeton(_) => None,
    }
}

/// Unique over all organisations: a site whose organisation was corrected has two.
fn reference(genre: &str, lieu: &str, organisation: i64) -> ReferenceExterne {
    ReferenceExterne { external_id: format!("relais-{genre}-{lieu}-{organisation}") }
}
