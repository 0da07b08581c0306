//! The shapes of RDV Service Public: API answers and requests, webhook bodies. Only the fields
//! that Relais may hold are read: a patient's data has no field here to land in.
//!
//! Its answers vary from one endpoint and version to the next (a root key or none, `object` beside
//! a `warning`): they are read leniently.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, de};

/// A day that can be one of an agenda: outside these years it is a mistake, or a trap for the
/// computation of recurrences.
fn de_jour<'de, D: Deserializer<'de>>(source: D) -> Result<NaiveDate, D::Error> {
    let day = NaiveDate::deserialize(source)?;
    if (2000..2200).contains(&day.year()) {
        return Ok(day);
    }
    Err(de::Error::custom("not a day of an agenda"))
}

fn de_jour_ou_rien<'de, D: Deserializer<'de>>(source: D) -> Result<Option<NaiveDate>, D::Error> {
    #[derive(Deserialize)]
    struct Jour(#[serde(deserialize_with = "de_jour")] NaiveDate);
    Ok(Option::<Jour>::deserialize(source)?.map(|jour| jour.0))
}

/// An instant as RDV Service Public writes it: `2024-10-03 12:44:33 +0200`, or ISO 8601.
pub fn instant(text: &str) -> Option<DateTime<Utc>> {
    let spaced = DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S %z");
    spaced.or_else(|_| DateTime::parse_from_rfc3339(text)).ok().map(|t| t.to_utc())
}

fn de_instant<'de, D: Deserializer<'de>>(source: D) -> Result<DateTime<Utc>, D::Error> {
    let text = String::deserialize(source)?;
    instant(&text).ok_or_else(|| de::Error::custom("not an instant"))
}

fn de_heure<'de, D: Deserializer<'de>>(source: D) -> Result<NaiveTime, D::Error> {
    let text = String::deserialize(source)?;
    let short = NaiveTime::parse_from_str(&text, "%H:%M");
    short.or_else(|_| text.parse()).map_err(|_| de::Error::custom("not a time of day"))
}

/// Why an answer cannot be read, and where. Never serde's own words: they quote what they read,
/// which may be a patient or a token, and reasons are stored and logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{genre:?} at line {ligne}, column {colonne}")]
pub struct Illisible {
    genre: serde_json::error::Category,
    ligne: usize,
    colonne: usize,
}

impl From<serde_json::Error> for Illisible {
    fn from(error: serde_json::Error) -> Self {
        Self { genre: error.classify(), ligne: error.line(), colonne: error.column() }
    }
}

/// An answer under its root key, without one, or under `object`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Racine {
    /// `{"lieu": {"id": 1}}`: the root key is the model's name.
    Sous {
        /// The record.
        #[serde(
            alias = "agent",
            alias = "lieu",
            alias = "motif",
            alias = "object",
            alias = "webhook_endpoint"
        )]
        objet: Identifie,
    },
    /// `{"id": 1}`.
    Nu(Identifie),
}

impl Racine {
    /// The record's id.
    pub fn id(&self) -> i64 {
        match self {
            Self::Sous { objet } | Self::Nu(objet) => objet.id,
        }
    }
}

/// What has an id.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Identifie {
    /// The id.
    pub id: i64,
}

/// One page of a list; the root key is the collection's name.
#[derive(Debug, Deserialize)]
#[serde(bound = "T: Deserialize<'de>")]
pub struct Page<T> {
    /// The records, 100 a page.
    #[serde(
        alias = "absences",
        alias = "agents",
        alias = "lieux",
        alias = "motifs",
        alias = "organisations",
        alias = "rdvs",
        alias = "webhook_endpoints"
    )]
    pub collection: Vec<T>,
    /// Where the page stands.
    #[serde(default)]
    pub meta: PageMeta,
}

/// Where a page stands.
#[derive(Debug, Default, Deserialize)]
pub struct PageMeta {
    /// The next page's number, if there is one.
    pub next_page: Option<u32>,
}

/// A record of a list, with what ours are recognised by.
#[derive(Debug, Deserialize)]
pub struct Nomme {
    /// Its id.
    pub id: i64,
    /// Its name.
    #[serde(default)]
    pub name: Option<String>,
    /// Where it posts: a webhook endpoint.
    #[serde(default)]
    pub target_url: Option<String>,
    /// Its external reference, where the version in service shows it.
    #[serde(default)]
    pub external_reference: Option<ReferenceExterne>,
}

impl Nomme {
    /// Whether it shows this reference.
    pub fn est(&self, reference: &ReferenceExterne) -> bool {
        self.external_reference.as_ref().is_some_and(|r| r.external_id == reference.external_id)
    }
}

/// Our own reference of a record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReferenceExterne {
    /// Our id.
    pub external_id: String,
}

/// An agent: id and address only, names are not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Its id.
    pub id: i64,
    /// Its address; `null` for an « intervenant ».
    #[serde(default)]
    pub email: Option<String>,
}

/// The token endpoint's answer (Doorkeeper).
#[derive(Deserialize)]
pub struct JetonRecu {
    /// Bearer token.
    pub access_token: String,
    /// Seconds until it expires: 7200 by default, always believed.
    pub expires_in: i64,
    /// The next refresh token; the one presented dies when the new access token is used.
    pub refresh_token: Option<String>,
}

/// The token endpoint's refusal (RFC 6749, 5.2).
#[derive(Debug, Deserialize)]
pub struct JetonRefuse {
    /// `invalid_grant`, `invalid_client`, …
    pub error: String,
}

/// `POST /organisations/{id}/webhook_endpoints`.
#[derive(Serialize)]
pub struct NouveauWebhook<'a> {
    /// Where to post.
    pub target_url: &'a str,
    /// What signs.
    pub secret: &'a str,
    /// What about.
    pub subscriptions: &'a [&'a str],
}

/// `POST /lieux`.
#[derive(Serialize)]
pub struct NouveauLieu<'a> {
    /// The organisation.
    pub organisation_id: i64,
    /// Its name.
    pub name: &'a str,
    /// Its address, with the commune.
    pub address: &'a str,
    /// Degrees north: required by their model.
    pub latitude: f64,
    /// Degrees east: required by their model.
    pub longitude: f64,
    /// Ours.
    pub external_reference: ReferenceExterne,
}

/// `POST /motifs`.
#[derive(Serialize)]
pub struct NouveauMotif<'a> {
    /// The organisation.
    pub organisation_id: i64,
    /// Its name.
    pub name: &'a str,
    /// Minutes of an appointment.
    pub default_duration_in_min: u32,
    /// `public_office`: on site.
    pub location_type: &'static str,
    /// `everyone`: patients book by themselves.
    pub bookable_by: &'static str,
    /// Colour in their interface: required by their model.
    pub color: &'static str,
    /// The service of the territory, when the DNS has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_id: Option<i64>,
    /// Ours.
    pub external_reference: ReferenceExterne,
}

/// `POST /agents`.
#[derive(Serialize)]
pub struct NouvelAgent<'a> {
    /// Whom to invite.
    pub email: &'a str,
    /// Where.
    pub organisation_ids: [i64; 1],
    /// `basic` or `admin`.
    pub access_level: &'a str,
}

/// `meta` of a webhook body.
#[derive(Debug, Deserialize)]
pub struct Meta {
    /// Class name: `Rdv`, `PlageOuverture`, `AgentRole`, …
    pub model: String,
    /// `created`, `updated` or `destroyed`.
    pub event: String,
    /// `rgpd` when a purge removed the record.
    #[serde(default)]
    pub webhook_reason: Option<String>,
    /// When the body was rendered.
    #[serde(deserialize_with = "de_instant")]
    pub timestamp: DateTime<Utc>,
}

/// What is read first: which model it is.
#[derive(Debug, Deserialize)]
pub struct Entete {
    /// The envelope.
    pub meta: Meta,
}

/// The body of one model.
#[derive(Debug, Deserialize)]
pub struct Corps<T> {
    /// The record.
    pub data: T,
}

/// `PlageOuverture`.
#[derive(Debug, Deserialize)]
pub struct PlageRecue {
    /// Its id.
    pub id: i64,
    /// Whose.
    pub agent: Agent,
    /// First day.
    #[serde(deserialize_with = "de_jour")]
    pub first_day: NaiveDate,
    /// Start, in Paris.
    #[serde(deserialize_with = "de_heure")]
    pub start_time: NaiveTime,
    /// End, in Paris.
    #[serde(deserialize_with = "de_heure")]
    pub end_time: NaiveTime,
    /// Its recurrence.
    #[serde(default)]
    pub rrule: Option<String>,
}

/// `Absence`; also an element of `GET /absences`.
#[derive(Debug, Deserialize)]
pub struct AbsenceRecue {
    /// Its id.
    pub id: i64,
    /// Whose. (`organisation` is the agent's first one, not a link: not read.)
    pub agent: Agent,
    /// First day.
    #[serde(deserialize_with = "de_jour")]
    pub first_day: NaiveDate,
    /// Last day.
    #[serde(default, deserialize_with = "de_jour_ou_rien")]
    pub end_day: Option<NaiveDate>,
    /// Start, in Paris.
    #[serde(deserialize_with = "de_heure")]
    pub start_time: NaiveTime,
    /// End, in Paris.
    #[serde(deserialize_with = "de_heure")]
    pub end_time: NaiveTime,
    /// Its recurrence, for a single day only.
    #[serde(default)]
    pub rrule: Option<String>,
}

/// `Rdv`, without a word about who comes; also an element of `GET /organisations/{id}/rdvs`.
#[derive(Debug, Deserialize)]
pub struct RdvRecu {
    /// Its id.
    pub id: i64,
    /// With whom: may change.
    #[serde(default)]
    pub agents: Vec<Agent>,
    /// Start.
    #[serde(deserialize_with = "de_instant")]
    pub starts_at: DateTime<Utc>,
    /// End.
    #[serde(deserialize_with = "de_instant")]
    pub ends_at: DateTime<Utc>,
    /// Its status.
    pub status: StatutRdv,
}

/// `AgentRole`.
#[derive(Debug, Deserialize)]
pub struct RoleRecu {
    /// Its id.
    pub id: i64,
    /// Whose.
    pub agent: Agent,
}

/// Status of an appointment. Cancelled is `excused` or `revoked`, never « `cancelled_at` is set »,
/// which a no-show has too (`rdv/updatable.rb`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatutRdv {
    /// To come, or past and not filled in.
    Unknown,
    /// Honoured.
    Seen,
    /// The patient did not come.
    Noshow,
    /// Cancelled by the patient.
    Excused,
    /// Cancelled by the service.
    Revoked,
    /// Any other (`waiting` existed before 2024).
    #[serde(other)]
    Autre,
}
