//! What a form must hold to be an application. Judged at the date of its deposit, not of its
//! reading: the same version always gets the same verdict.

use chrono::{Days, Months, NaiveDate};
use contracts::{
    Civilite, CodeCdom, Creneau, DemiJournee, Departement, DossierId, IdError, LieuId, Medecin,
    ModeExercice, Referentiel, Rpps,
    messages::{Candidature, Manque},
};

use super::lieux::{plain, reconnaitre};
use crate::{
    config::{Champ, Config},
    wire::{CreneauBrut, Formulaire, Lecture},
};

/// The application of a dossier, or everything that is missing or wrong.
pub(super) fn controler(
    numero: u64,
    lecture: &Lecture,
    config: &Config,
    referentiel: &Referentiel,
) -> Result<Candidature, Vec<Manque>> {
    let mut c = Controle { config, referentiel, manques: Vec::new() };
    let form = &lecture.formulaire;
    let soumis_le = kernel::paris_date(lecture.soumis_le);
    let lieux_souhaites = c.lieux(form);
    let creneaux_souhaites = c.creneaux(form, soumis_le);
    let medecin = c.medecin(form);
    match medecin {
        Some(medecin) if c.manques.is_empty() => Ok(Candidature {
            dossier: DossierId(numero),
            medecin,
            lieux_souhaites,
            creneaux_souhaites,
            remplacement_souhaite: form.remplacement.unwrap_or(false),
            depose_le: lecture.depose_le,
        }),
        Some(_) | None => {
            c.manques.sort_by_key(|m| m.champ.parse::<Champ>().ok());
            c.manques.dedup();
            Err(c.manques)
        }
    }
}

/// Longest value of a field, in characters: nobody's name, and no address (RFC 5321), is longer.
const LONGUEUR_MAX: usize = 254;

/// Gathers every error before it answers: the doctor is told once.
struct Controle<'a> {
    config: &'a Config,
    referentiel: &'a Referentiel,
    manques: Vec<Manque>,
}

impl Controle<'_> {
    fn manque(&mut self, champ: Champ, code: &str) {
        let manque = Manque { champ: champ.as_str().to_owned(), code: code.to_owned() };
        if !self.manques.contains(&manque) {
            self.manques.push(manque);
        }
    }

    fn is_mapped(&self, champ: Champ) -> bool {
        self.config.champs.contains_key(&champ)
    }

    /// A text that must be there and pass `parse`.
    fn lire<T>(
        &mut self,
        champ: Champ,
        text: Option<&String>,
        parse: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> Option<T> {
        let Some(text) = text else {
            self.manque(champ, "manquant");
            return None;
        };
        if text.chars().count() > LONGUEUR_MAX {
            self.manque(champ, "trop-long");
            return None;
        }
        parse(text).map_err(|code| self.manque(champ, code)).ok()
    }

    fn medecin(&mut self, form: &Formulaire) -> Option<Medecin> {
        let rpps = self.lire(Champ::Rpps, form.rpps.as_ref(), rpps);
        let civilite = self.lire(Champ::Civilite, form.civilite.as_ref(), civilite);
        let nom = self.lire(Champ::Nom, form.nom.as_ref(), |t| Ok(t.to_owned()));
        let prenom = self.lire(Champ::Prenom, form.prenom.as_ref(), |t| Ok(t.to_owned()));
        let courriel = self.lire(Champ::Courriel, form.courriel.as_ref(), courriel);
        let telephone = self.lire(Champ::Telephone, form.telephone.as_ref(), telephone);
        let mode = self.lire(Champ::ModeExercice, form.mode_exercice.as_ref(), mode_exercice);
        let departement =
            self.lire(Champ::DepartementExercicePrincipal, form.departement.as_ref(), |t| {
                first_code(t).ok_or("departement-invalide")
            });
        let cdom = if self.is_mapped(Champ::CdomInscription) {
            self.lire(Champ::CdomInscription, form.cdom.as_ref(), |t| {
                first_code(t).ok_or("cdom-invalide")
            })
        } else {
            departement.clone()
        };
        Some(Medecin {
            rpps: rpps?,
            civilite: civilite?,
            nom: nom?,
            prenom: prenom?,
            courriel: courriel?,
            telephone: telephone?,
            mode_exercice: mode?,
            departement_exercice_principal: departement?,
            cdom_inscription: cdom?.as_str().parse::<CodeCdom>().ok()?,
        })
    }

    fn lieux(&mut self, form: &Formulaire) -> Vec<LieuId> {
        if form.lieux.is_empty() {
            self.manque(Champ::LieuxSouhaites, "manquant");
        }
        let mut found = Vec::new();
        for text in &form.lieux {
            match reconnaitre(text, self.config, self.referentiel) {
                Some(id) if found.contains(&id) => {}
                Some(id) => found.push(id),
                None => self.manque(Champ::LieuxSouhaites, "lieu-inconnu"),
            }
        }
        found
    }

    fn creneaux(&mut self, form: &Formulaire, soumis_le: NaiveDate) -> Vec<Creneau> {
        if !self.is_mapped(Champ::Creneaux) {
            return Vec::new();
        }
        if form.creneaux.is_empty() {
            self.manque(Champ::Creneaux, "creneaux-manquants");
        }
        let latest = soumis_le + Months::new(12);
        let mut found = Vec::new();
        for brut in &form.creneaux {
            match creneau(brut) {
                None => self.manque(Champ::Creneaux, "creneau-illisible"),
                Some((date, _)) if date < soumis_le => {
                    self.manque(Champ::Creneaux, "creneau-passe");
                }
                Some((date, _)) if date > latest => {
                    self.manque(Champ::Creneaux, "creneau-lointain");
                }
                Some((date, halves)) => {
                    found.extend(halves.iter().map(|h| Creneau { date, demi_journee: *h }));
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

fn rpps(text: &str) -> Result<Rpps, &'static str> {
    text.parse().map_err(|e| match e {
        IdError::RppsForme | IdError::Forme { .. } => "rpps-forme",
        IdError::RppsCle => "rpps-cle",
        IdError::RppsAdeli => "rpps-adeli",
        IdError::RppsSiret => "rpps-siret",
    })
}

fn civilite(text: &str) -> Result<Civilite, &'static str> {
    match plain(text).as_str() {
        "m" | "monsieur" => Ok(Civilite::M),
        "mme" | "madame" => Ok(Civilite::Mme),
        _ => Err("civilite-invalide"),
    }
}

/// One `@`, a domain with a dot, nothing blank, at most 254 characters (RFC 5321, 4.5.3.1).
fn courriel(text: &str) -> Result<String, &'static str> {
    let (local, domain) = text.split_once('@').ok_or("courriel-invalide")?;
    let ok = !local.is_empty()
        && text.len() <= 254
        && !text.chars().any(char::is_whitespace)
        && !domain.contains('@')
        && domain.contains('.')
        && domain.split('.').all(|label| {
            !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        });
    if ok { Ok(text.to_owned()) } else { Err("courriel-invalide") }
}

/// 10 digits from 01 to 09, or an international number of 8 to 15 digits (ITU-T E.164).
fn telephone(text: &str) -> Result<String, &'static str> {
    let compact: String = text
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '.' | '-' | '(' | ')' | '/' | '\u{a0}'))
        .collect();
    let digits = compact.strip_prefix('+').unwrap_or(&compact);
    let numeric = digits.bytes().all(|b| b.is_ascii_digit());
    let ok = if compact.starts_with('+') {
        (8..=15).contains(&digits.len())
    } else {
        digits.len() == 10 && digits.starts_with('0') && !digits.starts_with("00")
    };
    if ok && numeric { Ok(text.to_owned()) } else { Err("telephone-invalide") }
}

/// The most particular word wins: « libéral retraité » is retired.
fn mode_exercice(text: &str) -> Result<ModeExercice, &'static str> {
    let text = plain(text);
    let words = [
        ("retrait", ModeExercice::Retraite),
        ("remplac", ModeExercice::Remplacant),
        ("hospital", ModeExercice::Hospitalier),
        ("salari", ModeExercice::Salarie),
        ("liberal", ModeExercice::Liberal),
    ];
    let found = words.into_iter().find(|(word, _)| text.contains(word));
    found.map(|(_, mode)| mode).ok_or("mode-inconnu")
}

/// The first département code of « 63 - Puy-de-Dôme », « CDOM 63 » or « 63 ».
fn first_code(text: &str) -> Option<Departement> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter(|w| w.starts_with(|c: char| c.is_ascii_digit())).find_map(|w| w.parse().ok())
}

fn creneau(brut: &CreneauBrut) -> Option<(NaiveDate, &'static [DemiJournee])> {
    let date = NaiveDate::parse_from_str(&brut.date, "%Y-%m-%d")
        .or_else(|_| NaiveDate::parse_from_str(&brut.date, "%d/%m/%Y"))
        .ok()
        // Far outside what a calendar of people holds: a typing error, and dates are added to.
        .filter(|d| *d < NaiveDate::MAX - Days::new(1000))?;
    let text = plain(&brut.demi_journee);
    let halves: &'static [DemiJournee] = match text.as_str() {
        t if t.contains("journee") && !t.contains("demi") => {
            &[DemiJournee::Matin, DemiJournee::ApresMidi]
        }
        t if t.contains("matin") && t.contains("apres") => {
            &[DemiJournee::Matin, DemiJournee::ApresMidi]
        }
        t if t.contains("matin") => &[DemiJournee::Matin],
        t if t.contains("apres") => &[DemiJournee::ApresMidi],
        _ => return None,
    };
    Some((date, halves))
}

#[cfg(test)]
mod tests;
