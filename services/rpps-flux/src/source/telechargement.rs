//! Downloads an extract, and goes on where it broke off: a gigabyte over a slow line does not
//! begin again. What was received is only used when the server says that its file is the same
//! (RFC 9110, sections 13.1.5 and 14: `If-Range` with a strong validator).

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use agency::{HttpClient, HttpError, HttpStream};
use chrono::{DateTime, NaiveDate, Utc};
use reqwest::{Method, header};
use serde::{Deserialize, Serialize};
use tokio::{
    fs::{File, OpenOptions},
    io::{AsyncSeekExt, AsyncWriteExt},
};

use super::{SourceError, sans_date, titre, titre_date};
use crate::{extraction::Refus, vue::Titre, wire::Extrait};

/// Bytes after which what was received is made durable and noted.
const PALIER: u64 = 32 * 1024 * 1024;

/// An answer whose body is to come, after what is already there.
#[derive(Debug)]
pub(super) struct Arrivee {
    reponse: HttpStream,
    deja: u64,
    validateur: Option<String>,
}

/// What is known of a download that broke off, in a file beside it.
#[derive(Debug, Serialize, Deserialize)]
struct Partiel {
    fichier: String,
    horodatage: String,
    jour: NaiveDate,
    /// Of the server's file: its `ETag`, or else its `Last-Modified`.
    validateur: String,
    /// Bytes received and durable.
    recus: u64,
}

fn note(destination: &Path) -> PathBuf {
    destination.with_extension("telechargement.json")
}

impl Partiel {
    /// What is left of an earlier try; nothing when it cannot serve.
    fn lire(destination: &Path) -> Option<Self> {
        let partiel: Self = serde_json::from_slice(&fs::read(note(destination)).ok()?).ok()?;
        let there = fs::metadata(destination).ok()?.len();
        (partiel.recus > 0 && there >= partiel.recus).then_some(partiel)
    }

    fn titre(&self, extrait: Extrait) -> Titre {
        let (fichier, horodatage) = (self.fichier.clone(), self.horodatage.clone());
        Titre { extrait, fichier, horodatage, jour: self.jour }
    }
}

/// Forgets what was received.
pub(super) fn oublier(destination: &Path) {
    // Neither may exist; a file that stays is written over by the next download.
    let _ = fs::remove_file(note(destination));
    let _ = fs::remove_file(destination);
}

/// Asks for the newest extract, or for the rest of one.
pub(super) async fn demander(
    client: &HttpClient,
    extrait: Extrait,
    chemin: &str,
    destination: &Path,
) -> Result<(Titre, Arrivee), SourceError> {
    if let Some(partiel) = Partiel::lire(destination) {
        let request = client
            .request(Method::GET, chemin)
            .header(header::RANGE, format!("bytes={}-", partiel.recus))
            .header(header::IF_RANGE, &partiel.validateur);
        match client.stream(request).await {
            Ok(reponse) if debut(&reponse) == Some(partiel.recus) => {
                let titre = partiel.titre(extrait);
                let (deja, validateur) = (partiel.recus, Some(partiel.validateur));
                return Ok((titre, Arrivee { reponse, deja, validateur }));
            }
            // The file changed, or this server does not do parts: all of it comes.
            Ok(reponse) if debut(&reponse).is_none() => {
                return tout(extrait, chemin, reponse);
            }
            // Nothing is left to be sent, or another part came: what is here is of no use.
            Ok(_) | Err(HttpError::Status { status: 416, .. }) => oublier(destination),
            Err(e) => return Err(e.into()),
        }
    }
    tout(extrait, chemin, client.stream(client.request(Method::GET, chemin)).await?)
}

fn tout(
    extrait: Extrait,
    chemin: &str,
    reponse: HttpStream,
) -> Result<(Titre, Arrivee), SourceError> {
    let titre = titre_http(extrait, chemin, &reponse).ok_or_else(|| sans_date(extrait))?;
    let validateur = validateur(&reponse);
    Ok((titre, Arrivee { reponse, deja: 0, validateur }))
}

fn texte(reponse: &HttpStream, nom: header::HeaderName) -> Option<&str> {
    reponse.headers().get(nom).and_then(|v| v.to_str().ok())
}

/// What names this very content. A weak `ETag` does not (RFC 9110, section 13.1.5).
fn validateur(reponse: &HttpStream) -> Option<String> {
    let etag = texte(reponse, header::ETAG).filter(|etag| !etag.starts_with("W/"));
    etag.or_else(|| texte(reponse, header::LAST_MODIFIED)).map(str::to_owned)
}

/// The first byte of a partial answer; `None` of a whole one.
fn debut(reponse: &HttpStream) -> Option<u64> {
    let range = texte(reponse, header::CONTENT_RANGE)?.strip_prefix("bytes ")?;
    range.split_once('-')?.0.parse().ok()
}

/// The day of a served file: from the name it is served under, from its address, or else from its
/// date of modification.
fn titre_http(extrait: Extrait, chemin: &str, reponse: &HttpStream) -> Option<Titre> {
    let served =
        texte(reponse, header::CONTENT_DISPOSITION).and_then(|v| v.split_once("filename="));
    let served = served.map(|(_, rest)| rest.split(';').next().unwrap_or(rest).trim_matches('"'));
    let named = [served, chemin.rsplit('/').next()];
    named.into_iter().flatten().find_map(|nom| titre(extrait, nom)).or_else(|| {
        let modified = texte(reponse, header::LAST_MODIFIED)?;
        let modified = DateTime::parse_from_rfc2822(modified).ok()?;
        titre_date(extrait, modified.with_timezone(&Utc))
    })
}

impl Arrivee {
    /// Writes the body to `destination`, after what is there already.
    ///
    /// # Errors
    /// [`SourceError`]; what was received is kept only when the connection is what failed.
    pub(super) async fn recevoir(
        mut self,
        titre: &Titre,
        taille_max: u64,
        destination: &Path,
    ) -> Result<(), SourceError> {
        let result = self.ecrire(titre, taille_max, destination).await;
        match &result {
            Ok(()) => {
                // What was noted is of an unfinished file.
                let _ = fs::remove_file(note(destination));
            }
            Err(SourceError::Http(_)) => {}
            // It may be what fills the disk.
            Err(SourceError::Absent | SourceError::Refus(..) | SourceError::Local(_)) => {
                oublier(destination);
            }
        }
        result
    }

    async fn ecrire(
        &mut self,
        titre: &Titre,
        taille_max: u64,
        destination: &Path,
    ) -> Result<(), SourceError> {
        let mut options = OpenOptions::new();
        let mut fichier =
            options.create(true).truncate(false).write(true).open(destination).await?;
        fichier.set_len(self.deja).await?;
        fichier.seek(io::SeekFrom::Start(self.deja)).await?;
        let (mut recus, mut notes) = (self.deja, self.deja);
        loop {
            let chunk = match self.reponse.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(error) => {
                    self.noter(titre, &mut fichier, recus, destination).await?;
                    return Err(error.into());
                }
            };
            recus += chunk.len() as u64;
            if recus > taille_max {
                return Err(SourceError::Refus(titre.fichier.clone(), Refus::TropGrande));
            }
            fichier.write_all(&chunk).await?;
            if recus - notes >= PALIER {
                self.noter(titre, &mut fichier, recus, destination).await?;
                notes = recus;
            }
        }
        fichier.flush().await?;
        Ok(())
    }

    /// Notes what is durable of the file, so that a later try goes on from there.
    async fn noter(
        &self,
        titre: &Titre,
        fichier: &mut File,
        recus: u64,
        destination: &Path,
    ) -> io::Result<()> {
        let Some(validateur) = self.validateur.clone() else { return Ok(()) };
        fichier.flush().await?;
        fichier.sync_data().await?;
        let partiel = Partiel {
            fichier: titre.fichier.clone(),
            horodatage: titre.horodatage.clone(),
            jour: titre.jour,
            validateur,
            recus,
        };
        let provisoire = note(destination).with_extension("nouveau");
        fs::write(&provisoire, serde_json::to_vec(&partiel)?)?;
        fs::rename(provisoire, note(destination))
    }
}
