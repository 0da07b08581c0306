//! The services as an operator reaches them: address, token, name.

use std::{collections::BTreeMap, fs, net::SocketAddr};

use agency::{HttpClient, HttpError, HttpSettings};
use kernel::Secret;
use reqwest::Method;
use serde::{Serialize, de::DeserializeOwned};

use super::{OperationError, cli::Acces};
use crate::plateforme::noms;

/// Real time limit of one call.
const TIMEOUT_MS: u64 = 15_000;
/// Largest answer: a page of a thousand failures, or the body of one.
const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;

/// One service, and the token that opens it.
pub(super) struct Poste {
    /// Its name, or its address when the name was not said.
    pub(super) nom: String,
    client: HttpClient,
    jeton: Secret,
    par: Option<String>,
}

/// Why a service did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refus {
    /// It does not have it.
    #[error("{0}")]
    Inconnu(String),
    /// It is closed already.
    #[error("{0}")]
    Close(String),
    /// Anything else.
    #[error("{0}")]
    Autre(String),
}

impl Poste {
    /// The services that the options and the configuration name.
    pub(super) fn tous(acces: &Acces) -> Result<Vec<Self>, OperationError> {
        let usage = OperationError::Usage;
        let source = service::config::load(acces.config.as_deref()).map_err(usage)?;
        let jeton = jeton(acces, &source)?;
        if acces.par.as_ref().is_some_and(|par| par.trim().is_empty() || !par.is_ascii()) {
            return Err(usage("--par : un nom sans accent est attendu".to_owned()));
        }
        let poste = |(nom, base_url): (String, String)| {
            let settings =
                HttpSettings { base_url, timeout_ms: TIMEOUT_MS, max_body_bytes: MAX_BODY_BYTES };
            let client = HttpClient::new(settings).map_err(usage)?;
            Ok(Self { nom, client, jeton: jeton.clone(), par: acces.par.clone() })
        };
        let connus = connus(&source).map_err(usage)?;
        choisir(&acces.services, &connus).map_err(usage)?.into_iter().map(poste).collect()
    }

    /// The one that a command speaks to: the service of that name, else the only one that is said.
    pub(super) fn du_service(acces: &Acces, nom: &str) -> Result<Self, OperationError> {
        let mut acces = acces.clone();
        if acces.services.is_empty() {
            acces.services.push(nom.to_owned());
        }
        let mut postes = Self::tous(&acces)?;
        let known = postes.iter().position(|poste| poste.nom == nom);
        let index = known
            .or((postes.len() == 1).then_some(0))
            .ok_or_else(|| OperationError::Usage(format!("--service {nom}=URL est attendu")))?;
        Ok(postes.swap_remove(index))
    }

    /// Reads JSON.
    pub(super) async fn lire<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T, Refus> {
        let body = self.appeler(self.client.request(Method::GET, path).query(query)).await?;
        serde_json::from_slice(&body)
            .map_err(|_| Refus::Autre(format!("{} : réponse inattendue de {path}", self.nom)))
    }

    /// Reads bytes.
    pub(super) async fn octets(&self, path: &str) -> Result<Vec<u8>, Refus> {
        self.appeler(self.client.request(Method::GET, path)).await
    }

    /// Asks for something.
    pub(super) async fn demander(&self, path: &str, body: &impl Serialize) -> Result<(), Refus> {
        self.appeler(self.client.request(Method::POST, path).json(body)).await.map(|_| ())
    }

    async fn appeler(&self, request: reqwest::RequestBuilder) -> Result<Vec<u8>, Refus> {
        let mut request = request.bearer_auth(self.jeton.expose());
        if let Some(par) = &self.par {
            request = request.header("relais-operateur", par.trim());
        }
        match self.client.send(request).await {
            Ok(response) => Ok(response.body),
            Err(HttpError::Status { status, body, .. }) => Err(self.refus(status, &body)),
            Err(HttpError::Connect(_)) => {
                Err(Refus::Autre(format!("{} est injoignable", self.nom)))
            }
            Err(HttpError::Interrupted(_) | HttpError::TooLarge { .. }) => {
                Err(Refus::Autre(format!("{} n'a pas répondu jusqu'au bout", self.nom)))
            }
        }
    }

    fn refus(&self, status: u16, body: &[u8]) -> Refus {
        let text = String::from_utf8_lossy(body);
        let said = text.lines().next().unwrap_or_default().trim();
        let said = if said.is_empty() { format!("réponse {status}") } else { said.to_owned() };
        let text = format!("{} : {said}", self.nom);
        match status {
            404 => Refus::Inconnu(text),
            409 => Refus::Close(text),
            _ => Refus::Autre(text),
        }
    }
}

fn jeton(acces: &Acces, source: &config::Config) -> Result<Secret, OperationError> {
    let usage = OperationError::Usage;
    let jeton = if let Some(path) = &acces.operator_token_file {
        let text =
            fs::read_to_string(path).map_err(|e| usage(format!("{} : {e}", path.display())))?;
        text.trim().to_owned()
    } else if let Some(jeton) = &acces.operator_token {
        jeton.trim().to_owned()
    } else {
        source.get_string("operator_token").unwrap_or_default()
    };
    if jeton.is_empty() {
        let text = "aucun jeton d'opérateur : --operator-token-file, --operator-token, la variable \
                    RELAIS_OPERATOR_TOKEN, ou operator_token de la configuration";
        return Err(usage(text.to_owned()));
    }
    Ok(Secret::new(jeton))
}

/// Where each service is: the table `services`, else where `relais run` puts them.
fn connus(source: &config::Config) -> Result<BTreeMap<String, String>, String> {
    match source.get::<BTreeMap<String, String>>("services") {
        // A variable of the environment cannot hold a hyphen.
        Ok(table) => Ok(table.into_iter().map(|(nom, url)| (nom.replace('_', "-"), url)).collect()),
        Err(config::ConfigError::NotFound(_)) => {
            let first = match source.get::<SocketAddr>("listen") {
                Ok(first) => first,
                Err(config::ConfigError::NotFound(_)) => SocketAddr::from(([127, 0, 0, 1], 8080)),
                Err(error) => return Err(error.to_string()),
            };
            let host =
                if first.ip().is_unspecified() { "127.0.0.1".to_owned() } else { host(first) };
            let ports = first.port()..;
            let url = |(port, nom): (u16, &str)| (nom.to_owned(), format!("http://{host}:{port}"));
            Ok(ports.zip(noms()).map(url).collect())
        }
        Err(error) => Err(format!("[services] {error}")),
    }
}

fn host(address: SocketAddr) -> String {
    match address.ip() {
        std::net::IpAddr::V4(ip) => ip.to_string(),
        std::net::IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// (name, address) of each service asked for; every known one by default.
fn choisir(
    demandes: &[String],
    connus: &BTreeMap<String, String>,
) -> Result<Vec<(String, String)>, String> {
    if demandes.is_empty() {
        return Ok(connus.clone().into_iter().collect());
    }
    let un = |demande: &String| match demande.split_once('=') {
        Some((nom, url)) => Ok((nom.to_owned(), url.to_owned())),
        None if demande.contains("://") => Ok((demande.clone(), demande.clone())),
        None => match connus.get(demande) {
            Some(url) => Ok((demande.clone(), url.clone())),
            None => Err(format!(
                "--service {demande} : service inconnu (connus : {})",
                connus.keys().cloned().collect::<Vec<_>>().join(", ")
            )),
        },
    };
    demandes.iter().map(un).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> config::Config {
        let file = config::File::from_str(text, config::FileFormat::Toml);
        config::Config::builder().add_source(file).build().expect("TOML")
    }

    #[test]
    fn services_come_from_the_configuration_else_from_this_machine() {
        let here = connus(&source("listen = \"0.0.0.0:9000\"")).expect("addresses");
        assert_eq!(here["ds-intake"], "http://127.0.0.1:9000");
        assert_eq!(here["indemnite"], "http://127.0.0.1:9005");
        let told = connus(&source("[services]\ncpam_cps = \"https://a\"\n")).expect("a table");
        assert_eq!(told.into_iter().collect::<Vec<_>>(), [("cpam-cps".into(), "https://a".into())]);
        assert!(connus(&source("services = 3")).is_err());
    }

    #[test]
    fn services_are_asked_for_by_name_or_address() {
        let connus = BTreeMap::from([("cpam-cps".to_owned(), "http://127.0.0.1:1".to_owned())]);
        let choisir = |asked: &[&str]| {
            let asked: Vec<_> = asked.iter().map(|s| (*s).to_owned()).collect();
            choisir(&asked, &connus)
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(choisir(&[]), Ok(vec![pair("cpam-cps", "http://127.0.0.1:1")]));
        assert_eq!(choisir(&["cpam-cps"]), choisir(&[]));
        assert_eq!(choisir(&["x=https://y"]), Ok(vec![pair("x", "https://y")]));
        assert_eq!(choisir(&["https://y"]), Ok(vec![pair("https://y", "https://y")]));
        assert!(choisir(&["cpam"]).is_err_and(|text| text.contains("connus : cpam-cps")));
    }
}
