//! Inbound webhooks of RDV Service Public: signature, stripping, storage, answer.
//!
//! The body is reduced to an [`Observation`] before anything is stored or logged; patients'
//! identities, free texts and titles never leave this file's stack. One URL per site selects the
//! secret: nothing in a body names its endpoint.

pub mod epreuve;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Request, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    middleware::{Next, from_fn_with_state},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use chrono::{DateTime, NaiveDate, Utc};
use contracts::LieuId;
use hmac::{Hmac, KeyInit, Mac};
use kernel::Secret;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use service::Ingress;
use sha2::{Digest, Sha256};
use tokio::{sync::Semaphore, time::timeout};
use uuid::Uuid;

use crate::{
    RdvAgendaSync,
    config::{Config, RETOUR},
    planning::{Absence, PlageOuverte, Regle, RegleError},
    state::{Evenement, cle_lieu},
    wire::{AbsenceRecue, Agent, Corps, Entete, Meta, PlageRecue, RdvRecu, RoleRecu, StatutRdv},
};

/// Largest body accepted, in bytes: an appointment of several patients is about 10 kB, a collective
/// one of fifty patients, each of them twice, about 150 kB.
pub const CORPS_MAX: usize = 256 * 1024;

/// Webhooks in hand at a time, over all sites: with [`CORPS_MAX`], what a flood may take of the
/// memory. The others wait in their connections, their bodies unread.
const EN_MAIN: usize = 64;

/// Longest time for one webhook, the wait for its turn included: RDV Service Public gives up after
/// 10 s (`WebhookJob::TIMEOUT`), and repeats.
const DELAI: Duration = Duration::from_secs(8);

/// What is subscribed to: no patient model. `Rdv` embeds patients all the same: see [`lire`].
pub const ABONNEMENTS: [&str; 4] = ["rdv", "absence", "plage_ouverture", "agent_role"];

/// What a webhook says, without a word about patients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// Id of the record on RDV Service Public.
    pub id: i64,
    /// When its body was rendered: the greatest is the freshest.
    pub horodatage: DateTime<Utc>,
    /// The agents it names.
    pub agents: Vec<Agent>,
    /// The record.
    pub fait: Fait,
}

/// The record; `None` when it was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fait {
    /// Slots.
    Plage(Option<PlageOuverte>),
    /// An absence, of the agent, whatever the site.
    Absence(Option<Absence>),
    /// An appointment.
    Rdv(Option<Rdv>),
    /// The agent's rights in the organisation: given or removed.
    Role(bool),
}

/// An appointment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rdv {
    /// Start.
    pub debut: DateTime<Utc>,
    /// End.
    pub fin: DateTime<Utc>,
    /// Status.
    pub statut: StatutRdv,
}

/// What a body is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lecture {
    /// To be stored.
    Observation(Observation),
    /// A model that is not followed, or a purge (`rgpd`), which cancels nothing.
    SansObjet,
    /// A followed model that cannot be read: to be seen by a person. Only its name is kept.
    Illisible {
        /// The model, among those followed, or `inconnu`.
        modele: &'static str,
    },
}

/// The secret of a site's endpoint: derived, so that none is stored.
///
/// # Panics
/// Never: HMAC accepts keys of any length.
pub fn secret(config: &Config, lieu: &LieuId) -> Secret {
    if let Some(chosen) = config.webhook_secrets.get(lieu) {
        return chosen.clone();
    }
    let mut mac = cle(&config.webhook_secret);
    mac.update(lieu.as_str().as_bytes());
    Secret::new(hex::encode(mac.finalize().into_bytes()))
}

/// Where RDV Service Public posts what concerns a site.
pub fn adresse(config: &Config, lieu: &LieuId) -> String {
    format!("{}/hooks/rdvsp/{lieu}", config.public_url.trim_end_matches('/'))
}

fn cle(secret: &Secret) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret.expose().as_bytes()).expect("HMAC accepts keys of any length")
}

/// Checks `X-Lapin-Signature` (lower-case hexadecimal HMAC-SHA256 of the raw body, no prefix), in
/// constant time.
pub fn signature_valide(secret: &Secret, corps: &[u8], signature: Option<&str>) -> bool {
    let Some(Ok(given)) = signature.map(hex::decode) else { return false };
    let mut mac = cle(secret);
    mac.update(corps);
    mac.verify_slice(&given).is_ok()
}

/// Reads a body whose signature is right, and keeps what Relais may know.
pub fn lire(corps: &[u8]) -> Lecture {
    let Ok(Entete { meta }) = serde_json::from_slice(corps) else {
        return Lecture::Illisible { modele: "inconnu" };
    };
    let lecture = match meta.model.as_str() {
        "PlageOuverture" => ("PlageOuverture", plage(corps, &meta)),
        "Absence" => ("Absence", absence(corps, &meta)),
        "Rdv" => ("Rdv", rdv(corps, &meta)),
        "AgentRole" => ("AgentRole", role(corps, &meta)),
        _ => return Lecture::SansObjet,
    };
    match lecture {
        // The nightly purge removes what is old; nothing that took place is undone by it.
        _ if meta.webhook_reason.as_deref() == Some("rgpd") => Lecture::SansObjet,
        (_, Some(observation)) => Lecture::Observation(observation),
        (modele, None) => Lecture::Illisible { modele },
    }
}

fn data<T: DeserializeOwned>(corps: &[u8]) -> Option<T> {
    serde_json::from_slice::<Corps<T>>(corps).ok().map(|c| c.data)
}

fn observation(id: i64, meta: &Meta, agents: Vec<Agent>, fait: Fait) -> Observation {
    Observation { id, horodatage: meta.timestamp, agents, fait }
}

/// The content, unless the record was removed.
fn reste<T>(meta: &Meta, contenu: T) -> Option<T> {
    (meta.event != "destroyed").then_some(contenu)
}

fn regle(rrule: Option<&str>, premier_jour: NaiveDate) -> Result<Option<Regle>, RegleError> {
    let text = rrule.map(str::trim).filter(|r| !r.is_empty());
    text.map(|text| Regle::parse(text, premier_jour)).transpose()
}

fn plage(corps: &[u8], meta: &Meta) -> Option<Observation> {
    let p: PlageRecue = data(corps)?;
    let plage = PlageOuverte {
        premier_jour: p.first_day,
        debut: p.start_time,
        fin: p.end_time,
        regle: regle(p.rrule.as_deref(), p.first_day).ok()?,
    };
    Some(observation(p.id, meta, vec![p.agent], Fait::Plage(reste(meta, plage))))
}

/// An absence as a webhook or the API gives it; `None` when its recurrence cannot be read.
pub fn absence_de(a: &AbsenceRecue) -> Option<Absence> {
    Some(Absence {
        premier_jour: a.first_day,
        dernier_jour: a.end_day.unwrap_or(a.first_day),
        debut: a.start_time,
        fin: a.end_time,
        regle: regle(a.rrule.as_deref(), a.first_day).ok()?,
    })
}

/// An absence that was read; `None` when its recurrence cannot be.
pub(crate) fn absence_vue(a: &AbsenceRecue, lu_le: DateTime<Utc>) -> Option<Observation> {
    let fait = Fait::Absence(Some(absence_de(a)?));
    Some(Observation { id: a.id, horodatage: lu_le, agents: vec![a.agent.clone()], fait })
}

/// An appointment that was read.
pub(crate) fn rdv_vu(r: RdvRecu, lu_le: DateTime<Utc>) -> Observation {
    let rdv = Rdv { debut: r.starts_at, fin: r.ends_at, statut: r.status };
    Observation { id: r.id, horodatage: lu_le, agents: r.agents, fait: Fait::Rdv(Some(rdv)) }
}

fn absence(corps: &[u8], meta: &Meta) -> Option<Observation> {
    let a: AbsenceRecue = data(corps)?;
    let absence = absence_de(&a)?;
    Some(observation(a.id, meta, vec![a.agent], Fait::Absence(reste(meta, absence))))
}

fn rdv(corps: &[u8], meta: &Meta) -> Option<Observation> {
    let r: RdvRecu = data(corps)?;
    let rdv = Rdv { debut: r.starts_at, fin: r.ends_at, statut: r.status };
    Some(observation(r.id, meta, r.agents, Fait::Rdv(reste(meta, rdv))))
}

fn role(corps: &[u8], meta: &Meta) -> Option<Observation> {
    let r: RoleRecu = data(corps)?;
    Some(observation(r.id, meta, vec![r.agent], Fait::Role(meta.event != "destroyed")))
}

/// An id that is the same for the same delivery, and another for another content: the stripped
/// event holds its model, record, instant and content.
fn id_de(lieu: &LieuId, evenement: &Evenement) -> Uuid {
    let content = serde_json::to_vec(evenement).expect("events are plain data: they encode");
    kernel::derive_id(&["rdvsp", lieu.as_str(), &hex::encode(Sha256::digest(content))])
}

#[derive(Clone)]
struct Entree {
    config: Config,
    ingress: Ingress<RdvAgendaSync>,
}

/// `POST /hooks/rdvsp/{lieu}`.
pub fn routes(config: &Config, ingress: &Ingress<RdvAgendaSync>) -> Router {
    Router::new()
        .route("/hooks/rdvsp/{lieu}", post(recevoir))
        .layer(DefaultBodyLimit::max(CORPS_MAX))
        .layer(from_fn_with_state(Arc::new(Semaphore::new(EN_MAIN)), a_son_tour))
        .route(RETOUR, get(consentement))
        .with_state(Entree { config: config.clone(), ingress: ingress.clone() })
}

/// Where a consent ends in a browser: the address of this page is what `relais rdv login` waits for.
async fn consentement() -> Response {
    let texte = "Copiez l’adresse complète de cette page, telle que la montre votre navigateur, dans \
                 le terminal où la commande « relais rdv login » l’attend. Elle ne sert qu’une fois.";
    (contact::EN_TETES, Html(contact::page_erreur("Dernière étape", texte))).into_response()
}

/// Lets a few in at a time; a sender that is too slow, or comes too late, is told to come back.
async fn a_son_tour(
    State(places): State<Arc<Semaphore>>,
    request: Request,
    next: Next,
) -> Response {
    let taken = async {
        let _place = places.acquire().await;
        next.run(request).await
    };
    timeout(DELAI, taken).await.unwrap_or_else(|_| vide(StatusCode::SERVICE_UNAVAILABLE))
}

async fn recevoir(
    State(entree): State<Entree>,
    Path(lieu): Path<String>,
    headers: HeaderMap,
    corps: Result<Bytes, BytesRejection>,
) -> Response {
    let signature = headers.get("X-Lapin-Signature").and_then(|v| v.to_str().ok());
    let corps = match corps {
        Ok(corps) => corps,
        Err(refus) => {
            // Nobody knows who sent it: it is not kept, only noticed.
            tracing::warn!(status = refus.status().as_u16(), "webhook too large, or cut short");
            return vide(refus.status());
        }
    };
    // A site that is not one has no secret: the same answer as for a wrong signature.
    let Ok(lieu) = lieu.parse::<LieuId>() else { return vide(StatusCode::BAD_REQUEST) };
    if !signature_valide(&secret(&entree.config, &lieu), &corps, signature) {
        tracing::warn!(lieu = %lieu, "webhook with a wrong signature");
        return vide(StatusCode::BAD_REQUEST);
    }
    let evenement = match lire(&corps) {
        Lecture::Observation(observation) => Evenement::Webhook(observation),
        Lecture::Illisible { modele } => Evenement::Illisible {
            modele: modele.to_owned(),
            recu_le: entree.ingress.clock().now(),
        },
        Lecture::SansObjet => return vide(StatusCode::OK),
    };
    let event = (id_de(&lieu, &evenement), cle_lieu(&lieu), evenement);
    match entree.ingress.observe(vec![event]).await {
        Ok(()) => vide(StatusCode::OK),
        Err(error) => {
            tracing::warn!(lieu = %lieu, %error, "webhook not stored: its sender will repeat it");
            vide(StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}

/// A tiny JSON body: their side raises an alarm on `<html>`, and reads `message` on a failure.
fn vide(status: StatusCode) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], "{}").into_response()
}

#[cfg(test)]
mod tests;
