//! The Annuaire Santé in open access: integrates the daily extracts into a local view, and answers
//! what the view says of one doctor. Decides nothing.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use contracts::{Rpps, messages::SourceRpps};
use kernel::Fault;
use tokio::sync::Mutex;

use crate::{
    Answer, Integration, Lot,
    config::Config,
    extraction::{self, LectureError, Refus},
    source::{self, Source, SourceError},
    state::{Fiche, Observation},
    vue::{self, Chantier, Comptes, Titre, Vue},
    wire::{self, Extrait},
};

/// Doctors told at a time: bounds the size of an answer, about 300 bytes each.
const LOT: usize = 200;

/// The client.
#[derive(Debug)]
pub struct Annuaire {
    source: Source,
    data_dir: PathBuf,
    regles: Regles,
    // One integration at a time per extract; look-ups go on meanwhile, on the previous view.
    activites: Mutex<()>,
    savoir_faire: Mutex<()>,
    cartes: Mutex<()>,
}

/// When an extract is refused.
#[derive(Clone, Copy, Debug)]
struct Regles {
    ecart_max_pour_cent: u64,
    ecart_lignes_min: u64,
    illisibles_max_pour_mille: u64,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AnnuaireError {
    /// The source.
    #[error("source of the extracts")]
    Source(#[from] SourceError),
    /// The local view cannot be read or written.
    #[error("local view")]
    Local(#[from] io::Error),
    /// No extract was integrated yet.
    #[error("no extract integrated yet")]
    SansExtraction,
    /// The work was cut short by a stop of the service.
    #[error("interrupted")]
    Interrompu,
}

impl From<AnnuaireError> for Fault {
    fn from(error: AnnuaireError) -> Self {
        match error {
            // Shared classes: 408, 425, 429, 5xx and lost connections pass, other 4xx do not.
            AnnuaireError::Source(SourceError::Http(http)) => http.into(),
            // The folder is filled by a job outside Relais, which may be late.
            AnnuaireError::Source(SourceError::Absent) => Self::transient("rpps-absent", error),
            // Refusals are answers; one that arrives here is a file of which no day is known.
            AnnuaireError::Source(SourceError::Refus(..)) => Self::transient("rpps-refus", error),
            // A full disk is emptied by somebody; the same work then succeeds.
            AnnuaireError::Source(SourceError::Local(_)) | AnnuaireError::Local(_) => {
                Self::transient("rpps-disque", error)
            }
            // The first extract is read at start: it comes.
            AnnuaireError::SansExtraction => Self::transient("rpps-sans-extraction", error),
            AnnuaireError::Interrompu => Self::transient("rpps-interrompu", error),
        }
    }
}

impl Annuaire {
    /// A client that keeps its view in `data_dir`.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn new(config: &Config, data_dir: &Path) -> Result<Self, String> {
        fs::create_dir_all(data_dir)
            .map_err(|e| format!("rpps-flux : dossier de travail inutilisable : {e}"))?;
        if !config.savoir_faire {
            // A view that is not renewed any more would say for ever what it said once.
            vue::oublier(data_dir, Extrait::SavoirFaire)
                .map_err(|e| format!("rpps-flux : dossier de travail inutilisable : {e}"))?;
        }
        Ok(Self {
            source: Source::new(config)?,
            data_dir: data_dir.to_owned(),
            regles: Regles {
                ecart_max_pour_cent: u64::from(config.ecart_max_pour_cent),
                ecart_lignes_min: config.ecart_lignes_min,
                illisibles_max_pour_mille: config.illisibles_max_pour_mille,
            },
            activites: Mutex::new(()),
            savoir_faire: Mutex::new(()),
            cartes: Mutex::new(()),
        })
    }

    /// Integrates the newest extract if it is newer than the view. `deja` is the file that the
    /// service knows to be integrated; `accepter` one whose differences an operator accepts.
    ///
    /// # Errors
    /// [`AnnuaireError`].
    pub async fn integrer(
        &self,
        extrait: Extrait,
        deja: Option<&str>,
        accepter: Option<&str>,
    ) -> Result<Answer, AnnuaireError> {
        let verrou = match extrait {
            Extrait::Activites => &self.activites,
            Extrait::SavoirFaire => &self.savoir_faire,
            Extrait::Cartes => &self.cartes,
        };
        let _un_seul = verrou.lock().await;
        let provisoire = self.data_dir.join(format!("{}.telechargement", extrait.as_str()));
        let dernier = match self.source.dernier(extrait, &provisoire).await {
            Ok(dernier) => dernier,
            Err(SourceError::Refus(fichier, refus)) => {
                return Ok(Answer::refusee(extrait, fichier, refus));
            }
            Err(e) => return Err(e.into()),
        };
        if let Some(vue) = Vue::ouvrir(&self.data_dir, extrait)?
            && vue.manifeste.horodatage >= dernier.titre.horodatage
        {
            if deja == Some(vue.manifeste.fichier.as_str()) {
                return Ok(Answer::Inchangee { extrait, jour: vue.manifeste.jour });
            }
            // Integrated by an attempt whose answer was lost.
            return self.rendre(extrait).await;
        }
        let titre = dernier.titre.clone();
        let fichier = match self.source.rapatrier(dernier, &provisoire).await {
            Ok(path) => path,
            Err(SourceError::Refus(fichier, refus)) => {
                return Ok(Answer::refusee(extrait, fichier, refus));
            }
            Err(error @ (SourceError::Http(_) | SourceError::Absent | SourceError::Local(_))) => {
                return Err(error.into());
            }
        };
        let taille_max = self.source.taille_max();
        let accepte = accepter == Some(titre.fichier.as_str());
        let (regles, data_dir, copy) = (self.regles, self.data_dir.clone(), titre.clone());
        let built = en_marge(move || {
            let texte = data_dir.join(format!("{}.extrait", extrait.as_str()));
            let built = source::en_clair(extrait, &fichier, taille_max, &texte).and_then(|clair| {
                let recu = Recu { titre: copy, sha256: source::somme(&fichier)?, texte: clair };
                construire(regles, &data_dir, &recu, accepte)
            });
            // A download is kept no longer than its integration.
            let _ = fs::remove_file(provisoire);
            let _ = fs::remove_file(texte);
            built
        })
        .await?;
        match built {
            Ok(()) => self.rendre(extrait).await,
            Err(LectureError::Refus(refus)) => Ok(Answer::refusee(extrait, titre.fichier, refus)),
            Err(LectureError::Local(e)) => Err(e.into()),
        }
    }

    /// The next doctors told of an extract; none when a newer one was integrated meanwhile.
    ///
    /// # Errors
    /// [`AnnuaireError`].
    pub async fn suite(
        &self,
        extrait: Extrait,
        fichier: &str,
        depuis: u64,
    ) -> Result<Answer, AnnuaireError> {
        let (data_dir, attendu) = (self.data_dir.clone(), fichier.to_owned());
        let lot = en_marge(move || match Vue::ouvrir(&data_dir, extrait)? {
            Some(vue) if vue.manifeste.fichier == attendu => lot(&data_dir, extrait, &vue, depuis),
            Some(_) | None => Ok(Lot::default()),
        });
        Ok(Answer::Suite { lot: lot.await?? })
    }

    /// What the extracts say of one number.
    ///
    /// # Errors
    /// [`AnnuaireError::SansExtraction`] before the first integration.
    pub async fn chercher(&self, rpps: Rpps) -> Result<Observation, AnnuaireError> {
        let data_dir = self.data_dir.clone();
        en_marge(move || {
            let activites = Vue::ouvrir(&data_dir, Extrait::Activites)?;
            let activites = activites.ok_or(AnnuaireError::SansExtraction)?;
            Ok(observer(&activites, &Complements::ouvrir(&data_dir)?, rpps)?)
        })
        .await?
    }

    /// The view in place, as the answer to its integration.
    async fn rendre(&self, extrait: Extrait) -> Result<Answer, AnnuaireError> {
        let data_dir = self.data_dir.clone();
        en_marge(move || {
            let vue = Vue::ouvrir(&data_dir, extrait)?.ok_or(AnnuaireError::SansExtraction)?;
            let lot = lot(&data_dir, extrait, &vue, 0)?;
            let m = vue.manifeste;
            Ok(Answer::Integree(Integration {
                extrait,
                fichier: m.fichier,
                jour: m.jour,
                lignes: m.lignes,
                ajouts: m.ajouts,
                retraits: m.retraits,
                modifications: m.modifications,
                sha256: m.sha256,
                lot,
            }))
        })
        .await?
    }
}

/// Runs work on files away from the loops that answer the network.
async fn en_marge<T: Send + 'static>(
    travail: impl FnOnce() -> T + Send + 'static,
) -> Result<T, AnnuaireError> {
    tokio::task::spawn_blocking(travail).await.map_err(|_| AnnuaireError::Interrompu)
}

/// An extract that came, as text.
struct Recu {
    titre: Titre,
    sha256: String,
    texte: PathBuf,
}

/// Reads an extract, compares it with the view in use, and takes that view's place.
fn construire(
    regles: Regles,
    data_dir: &Path,
    recu: &Recu,
    accepte: bool,
) -> Result<(), LectureError> {
    let titre = &recu.titre;
    let precedente = Vue::ouvrir(data_dir, titre.extrait)?;
    let mut chantier = Chantier::new(data_dir, titre)?;
    let source = File::open(&recu.texte)?;
    let max = regles.illisibles_max_pour_mille;
    let result = extraction::parcourir(titre.extrait, &source, max, |l| chantier.ajouter(&l))
        .and_then(|releve| {
            let trie = chantier.trier()?;
            let mut comptes = match &precedente {
                Some(vue) => Comptes::comparer(vue.entrees()?, &trie.index)?,
                None => Comptes::default(),
            };
            comptes.lignes = releve.lignes;
            if let Some(vue) = &precedente
                && !accepte
                && excessif(regles, vue.manifeste.lignes, &comptes)
            {
                return Err(LectureError::Refus(Refus::EcartExcessif));
            }
            if releve.windows_1252 || releve.illisibles > 0 {
                tracing::warn!(
                    fichier = titre.fichier,
                    windows_1252 = releve.windows_1252,
                    illisibles = releve.illisibles,
                    "extract integrated with reservations"
                );
            }
            Ok(trie.installer(data_dir, titre, &comptes, recu.sha256.clone())?)
        });
    if result.is_err() {
        let garder = precedente.as_ref().map(|vue| vue.manifeste.horodatage.as_str());
        vue::nettoyer(data_dir, titre.extrait, garder)?;
    }
    result
}

fn excessif(regles: Regles, lignes_avant: u64, comptes: &Comptes) -> bool {
    let ecart = comptes.ajouts + comptes.retraits + comptes.modifications;
    lignes_avant >= regles.ecart_lignes_min
        && ecart * 100 > lignes_avant * regles.ecart_max_pour_cent
}

/// The doctors among the numbers that changed, from a rank on.
fn lot(data_dir: &Path, extrait: Extrait, vue: &Vue, depuis: u64) -> io::Result<Lot> {
    let (changes, suite) = vue.changements(depuis, LOT)?;
    let mut lot = Lot { observations: Vec::new(), suite };
    let Some(activites) = Vue::ouvrir(data_dir, Extrait::Activites)? else {
        return Ok(lot);
    };
    let complements = Complements::ouvrir(data_dir)?;
    for numero in changes {
        // A number with a wrong key is nobody's: no application carries it.
        let Ok(rpps) = format!("{numero:011}").parse::<Rpps>() else { continue };
        let observation = observer(&activites, &complements, rpps)?;
        // Cards do not say whose profession it is; activities only list those with a doctor's row.
        let medecin = observation.fiche.as_ref().is_some_and(Fiche::est_medecin);
        if extrait == Extrait::Activites || medecin {
            lot.observations.push(observation);
        }
    }
    Ok(lot)
}

/// The views that say more of who is in the activities.
struct Complements {
    savoir_faire: Option<Vue>,
    cartes: Option<Vue>,
}

impl Complements {
    fn ouvrir(data_dir: &Path) -> io::Result<Self> {
        let ouvrir = |extrait| Vue::ouvrir(data_dir, extrait);
        Ok(Self { savoir_faire: ouvrir(Extrait::SavoirFaire)?, cartes: ouvrir(Extrait::Cartes)? })
    }
}

fn observer(activites: &Vue, plus: &Complements, rpps: Rpps) -> io::Result<Observation> {
    // 11 digits always fit.
    let numero = rpps.as_str().parse().unwrap_or_default();
    let lignes = |vue: &Option<Vue>| match vue {
        Some(vue) => vue.lignes_de(numero),
        None => Ok(Vec::new()),
    };
    let (savoir_faire, cartes) = (lignes(&plus.savoir_faire)?, lignes(&plus.cartes)?);
    let fiche = wire::fiche(&activites.lignes_de(numero)?, &savoir_faire, &cartes);
    let (jour, source) = (activites.manifeste.jour, SourceRpps::Extraction);
    Ok(Observation { rpps, jour, source, fiche })
}

pub mod fhir;

#[cfg(test)]
mod tests;
