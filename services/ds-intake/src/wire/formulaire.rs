//! The form: raw values of the fields of the mapping, by name. Nothing is checked here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    champs::{ChampLu, propre},
    dossier::DossierLu,
};
use crate::config::Champ;

/// What the form says; a field that is absent, hidden by a condition or blank is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Formulaire {
    /// RPPS number, as typed.
    pub rpps: Option<String>,
    /// `M` or `Mme`.
    pub civilite: Option<String>,
    /// Family name.
    pub nom: Option<String>,
    /// First name.
    pub prenom: Option<String>,
    /// E-mail.
    pub courriel: Option<String>,
    /// Phone number, as typed.
    pub telephone: Option<String>,
    /// Label of the list.
    pub mode_exercice: Option<String>,
    /// Code, or a label that begins with it.
    pub departement: Option<String>,
    /// Code, or a label that contains it.
    pub cdom: Option<String>,
    /// Ids, names or labels of sites.
    pub lieux: Vec<String>,
    /// Half-days.
    pub creneaux: Vec<CreneauBrut>,
    /// Wants to be replaced meanwhile.
    pub remplacement: Option<bool>,
}

/// A half-day as typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreneauBrut {
    /// The day, `aaaa-mm-jj` or `jj/mm/aaaa`.
    pub date: String,
    /// « Matin », « Après-midi » or « Journée ».
    pub demi_journee: String,
}

impl Formulaire {
    /// Takes the fields of the mapping out of a dossier.
    pub fn de_ds(dossier: &DossierLu, mapping: &BTreeMap<Champ, String>) -> Self {
        let by_id = |champs: &[ChampLu], champ: Champ| -> Option<ChampLu> {
            let id = mapping.get(&champ)?;
            champs.iter().find(|c| c.est(id)).cloned()
        };
        let champs = dossier.champs.as_slice();
        let texte = |champ: Champ| by_id(champs, champ).and_then(|c| c.texte());
        let personne = &dossier.demandeur;
        // When somebody else filed the dossier, the usager's address is not the doctor's.
        let usager =
            if dossier.depose_par_un_tiers { None } else { propre(Some(&dossier.usager.email)) };
        Self {
            rpps: texte(Champ::Rpps),
            civilite: texte(Champ::Civilite).or_else(|| propre(personne.civilite.as_deref())),
            nom: texte(Champ::Nom).or_else(|| propre(personne.nom.as_deref())),
            prenom: texte(Champ::Prenom).or_else(|| propre(personne.prenom.as_deref())),
            courriel: texte(Champ::Courriel)
                .or_else(|| propre(personne.email.as_deref()))
                .or(usager),
            telephone: texte(Champ::Telephone),
            mode_exercice: texte(Champ::ModeExercice),
            departement: texte(Champ::DepartementExercicePrincipal),
            cdom: texte(Champ::CdomInscription),
            lieux: by_id(champs, Champ::LieuxSouhaites).map(|c| c.choix()).unwrap_or_default(),
            creneaux: by_id(champs, Champ::Creneaux)
                .map(|c| creneaux(&c, &by_id))
                .unwrap_or_default(),
            remplacement: by_id(champs, Champ::RemplacementSouhaite).and_then(|c| c.oui_non()),
        }
    }
}

fn creneaux(
    champ: &ChampLu,
    by_id: &impl Fn(&[ChampLu], Champ) -> Option<ChampLu>,
) -> Vec<CreneauBrut> {
    if let Some(rows) = &champ.rows {
        let row = |champs: &[ChampLu]| {
            let texte = |name| by_id(champs, name).and_then(|c| c.texte()).unwrap_or_default();
            let creneau = CreneauBrut {
                date: texte(Champ::CreneauDate),
                demi_journee: texte(Champ::CreneauDemiJournee),
            };
            // An empty row is what the form shows before anything is typed.
            let empty = creneau.date.is_empty() && creneau.demi_journee.is_empty();
            (!empty).then_some(creneau)
        };
        return rows.iter().filter_map(|r| row(&r.champs)).collect();
    }
    let line = |text: &str| {
        let (date, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        CreneauBrut { date: date.to_owned(), demi_journee: rest.trim().to_owned() }
    };
    let text = champ.texte().unwrap_or_default();
    text.split(['\n', ';']).map(str::trim).filter(|l| !l.is_empty()).map(line).collect()
}
