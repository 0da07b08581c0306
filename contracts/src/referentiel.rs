//! Reference data: sites, CPAM and CDOM, loaded from `referentiel/*.csv`.
//!
//! A field that no source gives stays empty; the loader lists what is missing, and a step that
//! needs it becomes a task for the DNS. Site → CPAM is a table, never computed.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    ids::{CodeCdom, CodeCpam, LieuId},
    messages::{Agence, Famille},
    valeurs::Lieu,
};

/// How an agency is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Canal {
    /// Its own queue on the broker.
    File,
    /// E-mail with an answer link.
    Courriel,
    /// Démarches simplifiées itself: e-mail, the decision is taken on DS.
    Ds,
    /// Files dropped in a folder.
    Fichier,
}

/// One agency of the register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FicheAgence {
    /// Its code.
    pub code: String,
    /// Its name.
    pub nom: String,
    /// How it is reached.
    pub canal: Canal,
    /// Where it reads its mail.
    pub courriel: Option<String>,
    /// Where this row comes from.
    pub source: String,
}

/// One site of the register, with what a [`Lieu`] does not carry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FicheLieu {
    /// What messages carry.
    #[serde(flatten)]
    pub lieu: Lieu,
    /// The intercommunalité.
    pub intercommunalite: String,
    /// Degrees north.
    pub latitude: Option<f64>,
    /// Degrees east.
    pub longitude: Option<f64>,
    /// Where this row comes from.
    pub source: String,
}

/// The register; immutable once loaded, shared by every decision.
#[derive(Clone, Debug, Default)]
pub struct Referentiel {
    lieux: BTreeMap<LieuId, FicheLieu>,
    cpam: BTreeMap<CodeCpam, FicheAgence>,
    cdom: BTreeMap<CodeCdom, FicheAgence>,
}

/// Why the register could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ReferentielError {
    /// A file cannot be read or parsed.
    #[error("{fichier}, ligne {ligne} : {raison}")]
    Ligne {
        /// The file.
        fichier: String,
        /// The line, 1 being the header; 0 when the file itself cannot be read.
        ligne: u64,
        /// What is wrong.
        raison: String,
    },
}

impl Referentiel {
    /// A register from its parts.
    pub fn new(
        lieux: impl IntoIterator<Item = FicheLieu>,
        cpam: impl IntoIterator<Item = (CodeCpam, FicheAgence)>,
        cdom: impl IntoIterator<Item = (CodeCdom, FicheAgence)>,
    ) -> Self {
        Self {
            lieux: lieux.into_iter().map(|f| (f.lieu.id.clone(), f)).collect(),
            cpam: cpam.into_iter().collect(),
            cdom: cdom.into_iter().collect(),
        }
    }

    /// The register of public facts (`contracts/referentiel/`): what no source gives is absent.
    ///
    /// # Panics
    /// Never: a test parses the embedded files.
    pub fn public() -> Self {
        Self::parse(
            include_str!("../referentiel/lieux.csv"),
            include_str!("../referentiel/cpam.csv"),
            include_str!("../referentiel/cdom.csv"),
        )
        .expect("the embedded register is tested")
    }

    /// The fictive register of the demonstration (`contracts/referentiel/demo/`): complete, with a
    /// CDOM for every département.
    ///
    /// # Panics
    /// Never: a test parses the embedded files.
    pub fn demo() -> Self {
        Self::parse(
            include_str!("../referentiel/demo/lieux.csv"),
            include_str!("../referentiel/demo/cpam.csv"),
            include_str!("../referentiel/demo/cdom.csv"),
        )
        .expect("the embedded register is tested")
    }

    /// Loads `lieux.csv`, `cpam.csv` and `cdom.csv` of a folder.
    ///
    /// # Errors
    /// [`ReferentielError`] names the file, the line and what is wrong.
    pub fn load(folder: &Path) -> Result<Self, ReferentielError> {
        let read = |name: &str| {
            std::fs::read_to_string(folder.join(name)).map_err(|e| ReferentielError::Ligne {
                fichier: name.to_owned(),
                ligne: 0,
                raison: e.to_string(),
            })
        };
        Self::parse(&read("lieux.csv")?, &read("cpam.csv")?, &read("cdom.csv")?)
    }

    /// Parses the three files' contents.
    ///
    /// # Errors
    /// [`ReferentielError`] names the file, the line and what is wrong.
    pub fn parse(lieux: &str, cpam: &str, cdom: &str) -> Result<Self, ReferentielError> {
        Ok(Self::new(
            rows::<LigneLieu>("lieux.csv", lieux)?.into_iter().map(FicheLieu::from),
            agences("cpam.csv", cpam)?,
            agences("cdom.csv", cdom)?,
        ))
    }

    /// A site.
    pub fn lieu(&self, id: &LieuId) -> Option<&Lieu> {
        self.lieux.get(id).map(|f| &f.lieu)
    }

    /// Every site, by id.
    pub fn lieux(&self) -> impl Iterator<Item = &FicheLieu> {
        self.lieux.values()
    }

    /// A CPAM.
    pub fn cpam(&self, code: &CodeCpam) -> Option<&FicheAgence> {
        self.cpam.get(code)
    }

    /// The code of every CPAM, in order.
    pub fn cpams(&self) -> impl Iterator<Item = &CodeCpam> {
        self.cpam.keys()
    }

    /// A CDOM.
    pub fn cdom(&self, code: &CodeCdom) -> Option<&FicheAgence> {
        self.cdom.get(code)
    }

    /// Every agency with its row.
    pub fn agences(&self) -> impl Iterator<Item = (Agence, &FicheAgence)> {
        let of = |famille: Famille, f: &FicheAgence| Agence { famille, code: f.code.clone() };
        let cpam = self.cpam.values().map(move |f| (of(Famille::Cpam, f), f));
        cpam.chain(self.cdom.values().map(move |f| (of(Famille::Cdom, f), f)))
    }

    /// What no source gives, one line each: what an operator must complete.
    pub fn lacunes(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for fiche in self.lieux.values() {
            let l = &fiche.lieu;
            let missing = [
                ("adresse", l.adresse.is_empty()),
                ("commune", l.commune.is_empty()),
                ("finess ou rpps_rang", l.finess.is_none() && l.rpps_rang.is_none()),
                ("cpam", l.cpam.is_none()),
                ("cdom", l.cdom.is_none()),
                ("contact_courriel", l.contact_courriel.is_none()),
                ("latitude et longitude", fiche.latitude.is_none() || fiche.longitude.is_none()),
            ];
            let names: Vec<_> = missing.iter().filter(|(_, m)| *m).map(|(n, _)| *n).collect();
            if !names.is_empty() {
                lines.push(format!("lieu {} : {}", l.id, names.join(", ")));
            }
            if l.cpam.as_ref().is_some_and(|c| !self.cpam.contains_key(c)) {
                lines.push(format!("lieu {} : sa CPAM est absente de cpam.csv", l.id));
            }
        }
        lines
    }
}

#[derive(Deserialize)]
struct LigneLieu {
    id: LieuId,
    nom: String,
    adresse: String,
    commune: String,
    departement: crate::ids::Departement,
    intercommunalite: String,
    finess: Option<crate::ids::Finess>,
    rpps_rang: Option<crate::ids::RppsRang>,
    cpam: Option<CodeCpam>,
    cdom: Option<CodeCdom>,
    contact_courriel: Option<String>,
    latitude: Option<f64>,
    longitude: Option<f64>,
    source: String,
}

impl From<LigneLieu> for FicheLieu {
    fn from(l: LigneLieu) -> Self {
        Self {
            lieu: Lieu {
                id: l.id,
                nom: l.nom,
                adresse: l.adresse,
                commune: l.commune,
                departement: l.departement,
                finess: l.finess,
                rpps_rang: l.rpps_rang,
                cpam: l.cpam,
                cdom: l.cdom,
                contact_courriel: l.contact_courriel,
            },
            intercommunalite: l.intercommunalite,
            latitude: l.latitude,
            longitude: l.longitude,
            source: l.source,
        }
    }
}

fn agences<K: std::str::FromStr<Err = crate::ids::IdError>>(
    fichier: &str,
    text: &str,
) -> Result<Vec<(K, FicheAgence)>, ReferentielError> {
    let keyed = numbered_rows::<FicheAgence>(fichier, text)?.into_iter().map(|(ligne, fiche)| {
        let code = fiche.code.parse::<K>().map_err(|e| ReferentielError::Ligne {
            fichier: fichier.to_owned(),
            ligne,
            raison: e.to_string(),
        })?;
        Ok((code, fiche))
    });
    keyed.collect()
}

fn rows<T: DeserializeOwned>(fichier: &str, text: &str) -> Result<Vec<T>, ReferentielError> {
    Ok(numbered_rows(fichier, text)?.into_iter().map(|(_, row)| row).collect())
}

/// The rows with their line in the file, comments counted.
fn numbered_rows<T: DeserializeOwned>(
    fichier: &str,
    text: &str,
) -> Result<Vec<(u64, T)>, ReferentielError> {
    let at = |ligne: u64, raison: String| ReferentielError::Ligne {
        fichier: fichier.to_owned(),
        ligne,
        raison,
    };
    let failed = |e: &csv::Error| at(e.position().map_or(0, csv::Position::line), e.to_string());
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|e| failed(&e))?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| failed(&e))?;
        let ligne = record.position().map_or(0, csv::Position::line);
        let row = record.deserialize(Some(&header)).map_err(|e| at(ligne, e.to_string()))?;
        rows.push((ligne, row));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_register_is_complete_and_says_that_it_is_fictive() {
        let demo = Referentiel::demo();
        assert_eq!(demo.lacunes(), Vec::<String>::new());
        assert_eq!(demo.lieux().count(), 17);
        for fiche in demo.lieux() {
            assert!(fiche.source.contains("fictif, pour la démonstration"), "{}", fiche.lieu.id);
            assert!(fiche.lieu.finess.as_ref().is_none_or(crate::Finess::key_is_valid));
            let cdom = fiche.lieu.cdom.as_ref().expect("complete");
            assert!(demo.cdom(cdom).is_some());
            let contact = fiche.lieu.contact_courriel.as_deref();
            assert!(contact.is_some_and(|c| c.ends_with(".example")));
        }
        assert_eq!(demo.lieux().filter(|f| f.lieu.rpps_rang.is_some()).count(), 1);
        for (agence, fiche) in demo.agences() {
            assert!(fiche.source.contains("fictif, pour la démonstration"), "{agence}");
            assert!(fiche.courriel.as_deref().is_some_and(|c| c.ends_with(".example")));
            assert!(agence.famille == Famille::Cdom || fiche.canal == Canal::File);
        }
    }

    #[test]
    fn every_registration_has_its_cdom_in_the_demo() {
        let demo = Referentiel::demo();
        let metropole = (1..=95).filter(|n| *n != 20).map(|n| format!("{n:02}"));
        let corse = ["2A", "2B"].map(str::to_owned);
        for code in metropole.chain(corse).chain((971..=976).map(|n| n.to_string())) {
            assert!(demo.cdom(&code.parse().expect("a département")).is_some(), "{code}");
        }
    }

    #[test]
    fn the_public_register_says_what_is_missing() {
        let public = Referentiel::public();
        assert_eq!(public.lieux().count(), 17);
        assert_eq!(public.lacunes().len(), 17);
        let thiers = public.lieu(&"thiers-centre-departemental".parse().expect("an id"));
        let thiers = thiers.expect("in the register");
        assert_eq!(thiers.adresse, "20 rue des Docteurs Dumas");
        assert!(thiers.cpam.is_none() && thiers.finess.is_none());
        assert!(thiers.contact_courriel.is_none());
    }

    #[test]
    fn errors_name_the_line_of_the_file_and_comments_count() {
        let lieux = "id,nom,adresse,commune,departement,intercommunalite,finess,rpps_rang,cpam,\
                     cdom,contact_courriel,latitude,longitude,source\n";
        let cdom =
            "# commentaire\ncode,nom,canal,courriel,source\n63,CDOM,file,,x\n99,CDOM,file,,x\n";
        let cpam = "code,nom,canal,courriel,source\n";
        let error = Referentiel::parse(lieux, cpam, cdom).expect_err("99 is no département");
        assert!(error.to_string().starts_with("cdom.csv, ligne 4 : "), "{error}");
        let cpam = "code,nom,canal,courriel,source\n631,CPAM,pigeon,,x\n";
        let error = Referentiel::parse(lieux, cpam, "code\n").expect_err("no such channel");
        assert!(error.to_string().starts_with("cpam.csv, ligne 2 : "), "{error}");
    }
}
