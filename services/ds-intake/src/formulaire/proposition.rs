//! Guesses which field is which, from types and labels: a help to write the settings, which a
//! person reads before they are used.

use std::collections::BTreeMap;

use super::genres;
use crate::{
    config::Champ,
    decide::plain,
    wire::{ChampDecrit, FormulaireDs},
};

/// The settings that the form suggests; a name without a likely field is left out.
pub fn proposer(formulaire: &FormulaireDs) -> BTreeMap<Champ, String> {
    let mut found: BTreeMap<Champ, String> = BTreeMap::new();
    // The most particular ones first: a field is given to one name only.
    for (champ, words) in INDICES {
        let repetition = found.get(&Champ::Creneaux);
        let inside = matches!(champ, Champ::CreneauDate | Champ::CreneauDemiJournee);
        let likely = |c: &&ChampDecrit| {
            let label = plain(&c.libelle);
            let place =
                if inside { c.dans.as_ref() == repetition && inside } else { c.dans.is_none() };
            let typed = c.genre == seul_genre(*champ);
            place
                && genres(*champ).contains(&c.genre.as_str())
                && !found.values().any(|id| *id == c.id)
                && (typed || words.iter().any(|word| label.contains(word)))
        };
        if let Some(field) = formulaire.champs.iter().find(likely) {
            found.insert(*champ, field.id.clone());
        }
    }
    found
}

/// Words of a label, without accents.
const INDICES: &[(Champ, &[&str])] = &[
    (Champ::Rpps, &["rpps"]),
    (Champ::Telephone, &["telephone", "portable"]),
    (Champ::Courriel, &["courriel", "mail", "adresse electronique"]),
    (Champ::ModeExercice, &["mode d exercice", "statut"]),
    (Champ::CdomInscription, &["cdom", "conseil departemental", "inscription a l ordre"]),
    (Champ::DepartementExercicePrincipal, &["departement"]),
    (Champ::LieuxSouhaites, &["lieu"]),
    (Champ::Creneaux, &["creneau", "disponibilite"]),
    (Champ::CreneauDate, &["date", "jour"]),
    (Champ::CreneauDemiJournee, &["demi", "moment"]),
    (Champ::RemplacementSouhaite, &["remplac"]),
];

/// The type that leaves no doubt; empty when there is none.
fn seul_genre(champ: Champ) -> &'static str {
    match champ {
        Champ::Rpps => "Rppsante",
        Champ::Courriel => "Email",
        Champ::Telephone => "Phone",
        Champ::CreneauDate => "Date",
        Champ::Civilite
        | Champ::Nom
        | Champ::Prenom
        | Champ::ModeExercice
        | Champ::DepartementExercicePrincipal
        | Champ::CdomInscription
        | Champ::LieuxSouhaites
        | Champ::Creneaux
        | Champ::CreneauDemiJournee
        | Champ::RemplacementSouhaite => "",
    }
}
