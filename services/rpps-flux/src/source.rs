//! Where the extracts come from: served over HTTP, or dropped in a folder.
//!
//! Source: data.gouv.fr, data set « Annuaire santé, extractions en libre accès » (fixed URL per
//! file, no authentication, replaced daily).

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use agency::{HttpClient, HttpError, HttpSettings, HttpStream};
use chrono::{DateTime, Utc};
use reqwest::{Method, header};
use tokio::io::AsyncWriteExt;

use crate::{
    config::Config,
    extraction::Refus,
    vue::Titre,
    wire::{self, Extrait},
};

/// Where the extracts come from.
#[derive(Debug)]
pub struct Source {
    lieu: Lieu,
    taille_max: u64,
}

#[derive(Debug)]
enum Lieu {
    Http { client: HttpClient, chemins: [String; 2] },
    Repertoire(PathBuf),
}

/// The newest extract, not read yet.
#[derive(Debug)]
pub struct Dernier {
    /// What it is.
    pub titre: Titre,
    contenu: Contenu,
}

#[derive(Debug)]
enum Contenu {
    Reponse(Box<HttpStream>),
    Fichier(PathBuf),
}

/// Why there is no extract to read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The server's answer.
    #[error("source of the extracts")]
    Http(#[from] HttpError),
    /// The folder has none.
    #[error("no extract in the folder")]
    Absent,
    /// What it holds cannot be an extract.
    #[error("extract refused: {}", .1.code())]
    Refus(String, Refus),
    /// A file cannot be read or written.
    #[error("local file")]
    Local(#[from] io::Error),
}

impl Source {
    /// The configured source.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn new(config: &Config) -> Result<Self, String> {
        let lieu = match (&config.base_url, &config.repertoire) {
            (Some(base_url), None) => Lieu::Http {
                client: HttpClient::new(HttpSettings {
                    base_url: base_url.trim_end_matches('/').to_owned(),
                    timeout_ms: config.timeout_ms,
                    max_body_bytes: 0,
                })?,
                chemins: [config.chemin_activites.clone(), config.chemin_cartes.clone()],
            },
            (None, Some(folder)) => Lieu::Repertoire(folder.clone()),
            (Some(_), Some(_)) | (None, None) => {
                return Err("rpps-flux : donnez soit base_url, soit repertoire".to_owned());
            }
        };
        Ok(Self { lieu, taille_max: config.taille_max_octets })
    }

    /// The newest extract; over HTTP only the headers were read yet.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn dernier(&self, extrait: Extrait) -> Result<Dernier, SourceError> {
        match &self.lieu {
            Lieu::Http { client, chemins } => {
                let [activites, cartes] = chemins;
                let chemin = match extrait {
                    Extrait::Activites => activites,
                    Extrait::Cartes => cartes,
                };
                let response = client.stream(client.request(Method::GET, chemin)).await?;
                let titre =
                    titre_http(extrait, chemin, &response).ok_or_else(|| sans_date(extrait))?;
                Ok(Dernier { titre, contenu: Contenu::Reponse(Box::new(response)) })
            }
            Lieu::Repertoire(folder) => dernier_du_repertoire(folder, extrait),
        }
    }

    /// The extract as a local file, downloaded to `destination` if need be.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn rapatrier(
        &self,
        dernier: Dernier,
        destination: &Path,
    ) -> Result<PathBuf, SourceError> {
        let trop = || SourceError::Refus(dernier.titre.fichier.clone(), Refus::TropGrande);
        let mut response = match dernier.contenu {
            Contenu::Fichier(path) if fs::metadata(&path)?.len() > self.taille_max => {
                return Err(trop());
            }
            Contenu::Fichier(path) => return Ok(path),
            Contenu::Reponse(response) => response,
        };
        let mut fichier = tokio::fs::File::create(destination).await?;
        let mut recus = 0_u64;
        while let Some(chunk) = response.chunk().await? {
            recus += chunk.len() as u64;
            if recus > self.taille_max {
                return Err(trop());
            }
            fichier.write_all(&chunk).await?;
        }
        fichier.flush().await?;
        Ok(destination.to_owned())
    }
}

fn sans_date(extrait: Extrait) -> SourceError {
    SourceError::Refus(format!("{}.txt", extrait.prefixe()), Refus::SansHorodatage)
}

/// The day of a served file: from the name it is served under, from its address, or else from its
/// date of modification.
fn titre_http(extrait: Extrait, chemin: &str, response: &HttpStream) -> Option<Titre> {
    let text = |name| response.headers().get(name).and_then(|v| v.to_str().ok());
    let served = text(header::CONTENT_DISPOSITION).and_then(|v| v.split_once("filename="));
    let served = served.map(|(_, rest)| rest.split(';').next().unwrap_or(rest).trim_matches('"'));
    let named = [served, chemin.rsplit('/').next()];
    named.into_iter().flatten().find_map(|nom| titre(extrait, nom)).or_else(|| {
        let modified = DateTime::parse_from_rfc2822(text(header::LAST_MODIFIED)?).ok()?;
        titre_date(extrait, modified.with_timezone(&Utc))
    })
}

fn titre(extrait: Extrait, nom: &str) -> Option<Titre> {
    let horodatage = wire::horodatage(nom).filter(|_| nom.starts_with(extrait.prefixe()))?;
    let jour = wire::jour(&horodatage[..8])?;
    let fichier = format!("{}_{horodatage}.txt", extrait.prefixe());
    Some(Titre { extrait, fichier, horodatage: horodatage.to_owned(), jour })
}

fn titre_date(extrait: Extrait, modified: DateTime<Utc>) -> Option<Titre> {
    let stamp = kernel::paris_time(modified).format("%Y%m%d%H%M");
    titre(extrait, &format!("{}_{stamp}.txt", extrait.prefixe()))
}

fn dernier_du_repertoire(folder: &Path, extrait: Extrait) -> Result<Dernier, SourceError> {
    let mut candidats = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let nom = entry.file_name().to_string_lossy().into_owned();
        let text = Path::new(&nom).extension().is_some_and(|e| e == "txt");
        if !text || Extrait::de_fichier(&nom) != Some(extrait) {
            continue;
        }
        let modified = entry.metadata()?.modified().ok().map(DateTime::<Utc>::from);
        let titre = titre(extrait, &nom)
            .or_else(|| modified.and_then(|modified| titre_date(extrait, modified)));
        candidats.push((titre.ok_or_else(|| sans_date(extrait))?, entry.path()));
    }
    let newest = candidats.into_iter().max_by(|(a, _), (b, _)| a.horodatage.cmp(&b.horodatage));
    let (titre, path) = newest.ok_or(SourceError::Absent)?;
    Ok(Dernier { titre, contenu: Contenu::Fichier(path) })
}
