//! Where the extracts come from: served over HTTP, or dropped in a folder; as text or zipped.
//!
//! Source: data.gouv.fr, data set « Annuaire santé, extractions en libre accès » (fixed URL per
//! file, no authentication, replaced daily).

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use agency::{HttpClient, HttpError, HttpSettings};
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use crate::{
    config::Config,
    extraction::{LectureError, Refus},
    vue::Titre,
    wire::{self, Extrait},
};

mod archive;
mod telechargement;

use telechargement::Arrivee;

/// Where the extracts come from.
#[derive(Debug)]
pub struct Source {
    lieu: Lieu,
    taille_max: u64,
}

#[derive(Debug)]
enum Lieu {
    Http { client: HttpClient, chemins: [String; 3] },
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
    Reponse(Box<Arrivee>),
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
                chemins: Extrait::TOUS.map(|extrait| config.chemin(extrait).to_owned()),
            },
            (None, Some(folder)) => Lieu::Repertoire(folder.clone()),
            (Some(_), Some(_)) | (None, None) => {
                return Err("rpps-flux : donnez soit base_url, soit repertoire".to_owned());
            }
        };
        Ok(Self { lieu, taille_max: config.taille_max_octets })
    }

    /// The newest extract; over HTTP only the headers were read yet, of the rest of it when a part
    /// is at `destination` already.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn dernier(
        &self,
        extrait: Extrait,
        destination: &Path,
    ) -> Result<Dernier, SourceError> {
        match &self.lieu {
            Lieu::Http { client, chemins } => {
                let [activites, savoir_faire, cartes] = chemins;
                let chemin = match extrait {
                    Extrait::Activites => activites,
                    Extrait::SavoirFaire => savoir_faire,
                    Extrait::Cartes => cartes,
                };
                let (titre, arrivee) =
                    telechargement::demander(client, extrait, chemin, destination).await?;
                Ok(Dernier { titre, contenu: Contenu::Reponse(Box::new(arrivee)) })
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
        match dernier.contenu {
            Contenu::Fichier(path) if fs::metadata(&path)?.len() > self.taille_max => {
                Err(SourceError::Refus(dernier.titre.fichier, Refus::TropGrande))
            }
            Contenu::Fichier(path) => Ok(path),
            Contenu::Reponse(arrivee) => {
                arrivee.recevoir(&dernier.titre, self.taille_max, destination).await?;
                Ok(destination.to_owned())
            }
        }
    }

    /// Largest extract that is read, in bytes, once it is text.
    pub fn taille_max(&self) -> u64 {
        self.taille_max
    }
}

/// The extract as text: the file itself, or what the archive holds, written to `destination`.
///
/// # Errors
/// [`LectureError`].
pub fn en_clair(
    extrait: Extrait,
    fichier: &Path,
    taille_max: u64,
    destination: &Path,
) -> Result<PathBuf, LectureError> {
    if archive::est_zip(fichier)? {
        archive::extraire(extrait, fichier, taille_max, destination)?;
        return Ok(destination.to_owned());
    }
    Ok(fichier.to_owned())
}

/// The SHA-256 of a file, in hexadecimal.
///
/// # Errors
/// When it cannot be read.
pub fn somme(fichier: &Path) -> io::Result<String> {
    struct Somme(Sha256);
    impl io::Write for Somme {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.update(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut somme = Somme(Sha256::new());
    io::copy(&mut io::BufReader::with_capacity(1 << 16, fs::File::open(fichier)?), &mut somme)?;
    Ok(hex::encode(somme.0.finalize()))
}

fn sans_date(extrait: Extrait) -> SourceError {
    SourceError::Refus(format!("{}.txt", extrait.prefixe()), Refus::SansHorodatage)
}

fn titre(extrait: Extrait, nom: &str) -> Option<Titre> {
    let horodatage = wire::horodatage(nom).filter(|_| extrait.est_dans(nom))?;
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
        let known = Path::new(&nom).extension().is_some_and(|e| e == "txt" || e == "zip");
        if !known || !extrait.est_dans(&nom) {
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

#[cfg(test)]
mod tests;
