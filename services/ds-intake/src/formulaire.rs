//! Compares the settings with the form that DS describes: which field is missing, of another type,
//! or in the wrong place; and which CDOM nobody works for on DS.

use std::collections::BTreeMap;

use contracts::{Famille, Referentiel, referentiel::Canal};

use crate::{
    config::{Annotation, Champ, Config},
    decide::reconnaitre,
    wire::{ChampDecrit, FormulaireDs},
};

mod proposition;

pub use proposition::proposer;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gravite {
    /// Doctors would be told wrong things: nothing is read before it is put right.
    Erreur,
    /// Somebody should look.
    Attention,
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constat {
    /// How bad it is.
    pub gravite: Gravite,
    /// What is wrong, and the remedy, in French.
    pub texte: String,
}

/// Everything that does not fit, errors first.
pub fn examiner(
    config: &Config,
    formulaire: &FormulaireDs,
    referentiel: Option<&Referentiel>,
) -> Vec<Constat> {
    let mut examen = Examen { config, formulaire, constats: Vec::new() };
    examen.champs();
    examen.annotations();
    examen.groupes();
    if let Some(referentiel) = referentiel {
        examen.lieux(referentiel);
        examen.cdom(referentiel);
    }
    if formulaire.etat != "publiee" {
        examen.attention(format!("la démarche est « {} », pas « publiee »", formulaire.etat));
    }
    examen.constats.sort_by_key(|c| c.gravite);
    examen.constats
}

/// Types of field that Relais knows how to read, by the name of DS without `ChampDescriptor`.
fn genres(champ: Champ) -> &'static [&'static str] {
    const TEXTE: &[&str] = &["Text"];
    match champ {
        Champ::Rpps => &["Text", "Formatted", "Referentiel", "Rppsante"],
        Champ::Civilite => &["Civilite", "DropDownList", "Text"],
        Champ::Nom | Champ::Prenom => TEXTE,
        Champ::Courriel => &["Email", "Text"],
        Champ::Telephone => &["Phone", "Text"],
        Champ::ModeExercice => &["DropDownList", "Text"],
        Champ::DepartementExercicePrincipal | Champ::CdomInscription => {
            &["Departement", "DropDownList", "LinkedDropDownList", "Text"]
        }
        Champ::LieuxSouhaites => {
            &["MultipleDropDownList", "DropDownList", "LinkedDropDownList", "Repetition", "Commune"]
        }
        Champ::Creneaux => &["Repetition", "Textarea", "Text"],
        Champ::CreneauDate => &["Date", "Datetime", "Text"],
        Champ::CreneauDemiJournee => &["DropDownList", "MultipleDropDownList", "Text"],
        Champ::RemplacementSouhaite => &["YesNo", "Checkbox"],
    }
}

/// Says whether Relais asks for a value where DS may leave it empty.
fn est_exige(champ: Champ) -> bool {
    match champ {
        Champ::Rpps
        | Champ::Telephone
        | Champ::ModeExercice
        | Champ::DepartementExercicePrincipal
        | Champ::CdomInscription
        | Champ::LieuxSouhaites
        | Champ::Creneaux
        | Champ::CreneauDate
        | Champ::CreneauDemiJournee => true,
        Champ::Civilite
        | Champ::Nom
        | Champ::Prenom
        | Champ::Courriel
        | Champ::RemplacementSouhaite => false,
    }
}

struct Examen<'a> {
    config: &'a Config,
    formulaire: &'a FormulaireDs,
    constats: Vec<Constat>,
}

impl Examen<'_> {
    fn erreur(&mut self, texte: String) {
        self.constats.push(Constat { gravite: Gravite::Erreur, texte });
    }

    fn attention(&mut self, texte: String) {
        self.constats.push(Constat { gravite: Gravite::Attention, texte });
    }

    fn champs(&mut self) {
        let mapping = self.config.champs_de(Some(&self.formulaire.revision));
        let by_id: BTreeMap<&str, &ChampDecrit> =
            self.formulaire.champs.iter().map(|c| (c.id.as_str(), c)).collect();
        let repetition = mapping.get(&Champ::Creneaux).and_then(|id| by_id.get(id.as_str()));
        let repetition = repetition.filter(|c| c.genre == "Repetition").map(|c| c.id.clone());
        for (champ, id) in &mapping {
            let Some(decrit) = by_id.get(id.as_str()) else {
                self.erreur(format!(
                    "champs.{champ} : le formulaire n’a pas de champ {id} ; relais ds schema donne \
                     les identifiants"
                ));
                continue;
            };
            if !genres(*champ).contains(&decrit.genre.as_str()) {
                self.erreur(format!(
                    "champs.{champ} : « {} » est de type {} ; attendu : {}",
                    decrit.libelle,
                    decrit.genre,
                    genres(*champ).join(", ")
                ));
            }
            let inside = matches!(champ, Champ::CreneauDate | Champ::CreneauDemiJournee);
            let wanted = repetition.as_deref().filter(|_| inside);
            if decrit.dans.as_deref() != wanted {
                self.erreur(format!(
                    "champs.{champ} : « {} » {}",
                    decrit.libelle,
                    if wanted.is_some() {
                        "n’est pas dans le bloc répétable de champs.creneaux"
                    } else {
                        "est dans un bloc répétable"
                    }
                ));
            }
            if est_exige(*champ) && !decrit.obligatoire {
                self.attention(format!(
                    "champs.{champ} : « {} » est facultatif dans le formulaire, mais Relais demande \
                     au médecin de le remplir ; rendez-le obligatoire",
                    decrit.libelle
                ));
            }
        }
    }

    fn annotations(&mut self) {
        for (name, id) in &self.config.annotations {
            let found = self.formulaire.annotations.iter().find(|a| a.id == *id);
            match found {
                None => self.erreur(manquante(*name, id)),
                Some(a) if a.genre != "Text" => self.erreur(format!(
                    "annotations.{name} : « {} » est de type {} ; attendu : Text",
                    a.libelle, a.genre
                )),
                Some(_) => {}
            }
        }
        let mandatory = self.formulaire.annotations.iter().filter(|a| a.obligatoire);
        for libelle in mandatory.map(|a| a.libelle.clone()).collect::<Vec<_>>() {
            self.attention(format!(
                "l’annotation « {libelle} » est obligatoire : tant qu’elle est vide, DS n’accepte \
                 aucun dossier"
            ));
        }
    }

    /// The robot must be in every group: DS refuses what it writes in another one.
    fn groupes(&mut self) {
        let robot = &self.config.instructeur_id;
        let without = self.formulaire.groupes.iter().filter(|g| !g.instructeurs.contains(robot));
        let labels: Vec<_> = without.map(|g| g.libelle.clone()).collect();
        if !labels.is_empty() {
            self.attention(format!(
                "le robot instructeur manque à {} groupe(s) : {}",
                labels.len(),
                labels.join(", ")
            ));
        }
    }

    /// Choices of the form that are no site of the register: their doctors would be told so.
    fn lieux(&mut self, referentiel: &Referentiel) {
        let mapping = self.config.champs_de(Some(&self.formulaire.revision));
        let id = mapping.get(&Champ::LieuxSouhaites);
        let inside =
            |c: &&ChampDecrit| Some(&c.id) == id || (c.dans.is_some() && c.dans.as_ref() == id);
        let options = self.formulaire.champs.iter().filter(inside).flat_map(|c| &c.options);
        let unknown = options.filter(|o| reconnaitre(o, self.config, referentiel).is_none());
        let unknown: Vec<_> = unknown.map(|o| format!("« {o} »")).collect();
        if !unknown.is_empty() {
            self.attention(format!(
                "{} choix de lieux ne correspondent à aucun lieu du référentiel : {} ; complétez le \
                 référentiel, ou la table [lieux]",
                unknown.len(),
                unknown.join(", ")
            ));
        }
    }

    /// CDOM that the register says to decide on DS, but for which nobody works there.
    fn cdom(&mut self, referentiel: &Referentiel) {
        let robot = &self.config.instructeur_id;
        let staffed = |code: &str| {
            self.formulaire.groupes.iter().any(|g| {
                let people = g.instructeurs.iter().any(|i| i != robot);
                people && mots(&g.libelle).any(|word| word == code)
            })
        };
        let cdom = referentiel.agences().filter(|(agence, _)| agence.famille == Famille::Cdom);
        let on_ds = cdom.filter(|(_, fiche)| fiche.canal == Canal::Ds).map(|(_, f)| f.code.clone());
        let absent: Vec<_> = on_ds.filter(|code| !staffed(code)).collect();
        if !absent.is_empty() {
            self.attention(format!(
                "CDOM non inscrits sur DS, que le référentiel y attend : {} ; inscrivez-les dans un \
                 groupe qui porte leur code, ou changez leur canal",
                absent.join(", ")
            ));
        }
    }
}

fn manquante(name: Annotation, id: &str) -> String {
    format!("annotations.{name} : le formulaire n’a pas d’annotation {id}")
}

/// The words of a label: « CDOM 63 - Puy-de-Dôme » has the code `63`.
fn mots(libelle: &str) -> impl Iterator<Item = &str> {
    libelle.split(|c: char| !c.is_ascii_alphanumeric())
}
