//! The API of the Annuaire Santé: one call per question, so that the limit of calls of the frame is
//! the one of the agency.

use agency::{HttpClient, HttpError, HttpSettings};
use chrono::{DateTime, SecondsFormat, Utc};
use contracts::Rpps;
use kernel::{Fault, Secret};
use reqwest::{Method, RequestBuilder};

use crate::{
    Answer, Ressource,
    config::Fhir,
    wire::{PROFESSION_MEDECIN, fhir::Bundle},
};

/// The header that carries the key (Gravitee portal of the ANS).
const CLE: &str = "ESANTE-API-KEY";

/// The nomenclature of the professions, as the API names it.
const PROFESSIONS: &str =
    "https://mos.esante.gouv.fr/NOS/TRE_G15-ProfessionSante/FHIR/TRE-G15-ProfessionSante";

/// Largest answer, in bytes: a page of 200 people has about 1 MB.
const REPONSE_MAX: usize = 32 * 1024 * 1024;

/// The client.
#[derive(Debug)]
pub struct Api {
    client: HttpClient,
    base_url: String,
    cle: Secret,
    page: u16,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The server's answer.
    #[error("API of the Annuaire Santé")]
    Http(#[from] HttpError),
    /// The answer is not a page of results.
    #[error("not a page of results")]
    Forme,
    /// The next page is said to be elsewhere.
    #[error("the next page is not under the configured address")]
    PageEtrangere,
}

impl From<ApiError> for Fault {
    fn from(error: ApiError) -> Self {
        match error {
            // Shared classes; 429 is the gateway's, above 17 calls per second.
            ApiError::Http(http) => http.into(),
            // A page of maintenance: the same question has an answer later.
            ApiError::Forme => Self::transient("fhir-forme", error),
            // The key would be sent to somebody else.
            ApiError::PageEtrangere => Self::permanent("fhir-page-etrangere", error),
        }
    }
}

impl Api {
    /// A client.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn new(config: &Fhir, timeout_ms: u64) -> Result<Self, String> {
        let base_url = config.base_url.trim_end_matches('/').to_owned();
        let settings =
            HttpSettings { base_url: base_url.clone(), timeout_ms, max_body_bytes: REPONSE_MAX };
        let client = HttpClient::new(settings)?;
        Ok(Self { client, base_url, cle: config.cle.clone(), page: config.page })
    }

    /// Who has a number.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn praticien(&self, rpps: &Rpps) -> Result<Answer, ApiError> {
        let request = self.client.request(Method::GET, "/Practitioner");
        let bundle = self.lire(request.query(&[("identifier", rpps.as_str())])).await?;
        Ok(match bundle.praticien(rpps) {
            Some((ids, fiche)) => Answer::Praticien { ids, fiche: Some(fiche) },
            None => Answer::Praticien { ids: Vec::new(), fiche: None },
        })
    }

    /// Where somebody practises: the first page, or the next one.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn situations(&self, ids: &[String], page: Option<&str>) -> Result<Answer, ApiError> {
        let request = match page {
            Some(page) => self.page(page)?,
            None => self.client.request(Method::GET, "/PractitionerRole").query(&[
                ("practitioner", ids.join(",").as_str()),
                ("_include", "PractitionerRole:organization"),
            ]),
        };
        let bundle = self.lire(request).await?;
        let structures = bundle.structures();
        Ok(Answer::Situations { structures, suite: bundle.suite().map(str::to_owned) })
    }

    /// Who changed since an instant, or every doctor: the first page, or the next one.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn changements(
        &self,
        ressource: Ressource,
        depuis: Option<DateTime<Utc>>,
        page: Option<&str>,
    ) -> Result<Answer, ApiError> {
        let request = match page {
            Some(page) => self.page(page)?,
            None => self.premiere(ressource, depuis),
        };
        let bundle = match self.lire(request).await {
            Ok(bundle) => bundle,
            // A page is kept for some time only.
            Err(ApiError::Http(HttpError::Status { status: 404 | 410, .. })) if page.is_some() => {
                return Ok(Answer::PagePerimee);
            }
            Err(e) => return Err(e),
        };
        let numeros = bundle.numeros().into_iter().collect();
        Ok(Answer::Changements { numeros, suite: bundle.suite().map(str::to_owned) })
    }

    fn premiere(&self, ressource: Ressource, depuis: Option<DateTime<Utc>>) -> RequestBuilder {
        let count = self.page.to_string();
        let request = match ressource {
            Ressource::Praticiens => self.client.request(Method::GET, "/Practitioner"),
            Ressource::Situations => self
                .client
                .request(Method::GET, "/PractitionerRole")
                .query(&[("_include", "PractitionerRole:practitioner")]),
        };
        let request = request.query(&[("_count", count)]);
        if let Some(at) = depuis {
            let at = at.to_rfc3339_opts(SecondsFormat::Secs, true);
            return request.query(&[("_lastUpdated", format!("ge{at}"))]);
        }
        request.query(&[("qualification-code", format!("{PROFESSIONS}|{PROFESSION_MEDECIN}"))])
    }

    /// The page that an answer named: followed as it is, but only under the configured address.
    fn page(&self, url: &str) -> Result<RequestBuilder, ApiError> {
        let path = url.strip_prefix(&self.base_url).filter(|path| path.starts_with('/'));
        Ok(self.client.request(Method::GET, path.ok_or(ApiError::PageEtrangere)?))
    }

    async fn lire(&self, request: RequestBuilder) -> Result<Bundle, ApiError> {
        let request = request.header(CLE, self.cle.expose());
        let request = request.header(reqwest::header::ACCEPT, "application/fhir+json");
        let response = self.client.send(request).await?;
        Bundle::lire(&response.body).ok_or(ApiError::Forme)
    }
}
