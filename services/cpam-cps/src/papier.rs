//! The notice « vous pouvez commencer sur papier »: one page for the doctor, an accessible PDF. It
//! holds neither name nor RPPS number: it goes by mail.
//!
//! Source: ARS Hauts-de-France, CDOM 93 and URPS Auvergne-Rhône-Alpes (2025): the activity may
//! begin before the card, on paper feuilles de soins; secteur 1, no fee above the tariff.

use chrono::NaiveDate;
use contact::date_en_lettres;
use contracts::{NumeroAm, Rib};
use documents::{Bloc, Document};
use serde::{Deserialize, Serialize};

/// What the notice says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fiche {
    /// The number.
    pub numero_am: NumeroAm,
    /// Name of the site.
    pub lieu: String,
    /// Its address.
    pub adresse: String,
    /// Name of the CPAM, or its code.
    pub cpam: String,
    /// What is known of the bank details.
    pub rib: Rib,
    /// The day the card is expected, at the latest.
    pub carte_attendue_le: NaiveDate,
    /// The day of the notice.
    pub faite_le: NaiveDate,
}

/// The notice.
pub fn document(fiche: &Fiche) -> Document {
    let champ = |libelle: &str, valeur: String| (libelle.to_owned(), valeur);
    let rib = match fiche.rib {
        Rib::Present => "connu de la caisse : vous n’avez rien à faire",
        Rib::Manquant => "à transmettre directement à la caisse : rien n’est payé sans lui",
        Rib::Inconnu => "la caisse vous le demandera s’il lui manque",
    };
    let paragraphe = |texte: &str| Bloc::Paragraphe(texte.to_owned());
    Document {
        title: "Vous pouvez commencer sur papier".to_owned(),
        subject: "Premières consultations de solidarité territoriale avant la carte CPS".to_owned(),
        author: "Relais, pour le programme « Un médecin près de chez vous »".to_owned(),
        date: fiche.faite_le,
        blocs: vec![
            paragraphe(
                "Votre numéro propre à la mission est créé. Vous pouvez consulter dès maintenant, \
                 sur feuilles de soins papier, sans attendre votre nouvelle carte CPS.",
            ),
            Bloc::Titre("À reporter sur chaque feuille de soins".to_owned()),
            Bloc::Champs(vec![
                champ("Numéro AM de la mission", fiche.numero_am.to_string()),
                champ("Lieu", fiche.lieu.clone()),
                champ("Adresse", fiche.adresse.clone()),
                champ("Caisse", fiche.cpam.clone()),
                champ("Relevé d’identité bancaire", rib.to_owned()),
            ]),
            Bloc::Titre("Comment faire".to_owned()),
            Bloc::Liste(vec![
                "Utilisez ce numéro, et lui seul, pour les consultations de ce lieu : un autre lieu \
                 a son propre numéro."
                    .to_owned(),
                "Appliquez les tarifs opposables, sans dépassement.".to_owned(),
                "N’utilisez pas votre carte CPS actuelle : elle ne connaît pas cette activité."
                    .to_owned(),
                "Vos demi-journées sont comptées dès la première, carte reçue ou non.".to_owned(),
            ]),
            Bloc::Titre("Et ensuite".to_owned()),
            Bloc::Paragraphe(format!(
                "Votre nouvelle carte CPS arrive habituellement en deux à trois semaines, au plus \
                 tard vers le {}. Elle ouvre la télétransmission. Si elle tarde, vous n’avez rien \
                 à faire : son retard est suivi, et vous continuez sur papier.",
                date_en_lettres(fiche.carte_attendue_le)
            )),
            Bloc::Mention(
                "Cette fiche ne porte ni votre nom ni votre numéro RPPS, parce qu’elle voyage par \
                 courriel. La caisse reste votre interlocutrice pour la facturation."
                    .to_owned(),
            ),
        ],
    }
}

/// The notice as a PDF.
///
/// # Errors
/// [`documents::Error`].
pub fn pdf(fiche: &Fiche) -> Result<Vec<u8>, documents::Error> {
    documents::pdf(&document(fiche))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pages of a PDF, as its page tree says (ISO 32000-1, 7.7.3.2).
    fn pages(bytes: &[u8]) -> usize {
        let text: String = bytes.iter().map(|b| char::from(*b)).collect();
        let count = text.split("/Count ").nth(1).expect("a page tree");
        count
            .chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>()
            .parse()
            .expect("a number")
    }

    #[test]
    fn the_notice_is_one_page_and_holds_what_is_needed_and_no_name() {
        for rib in [Rib::Inconnu, Rib::Manquant, Rib::Present] {
            let fiche = Fiche {
                numero_am: "631990017".parse().expect("number"),
                lieu: "Maison de santé pluriprofessionnelle intercommunale du Livradois".to_owned(),
                adresse: "14 bis avenue du Maréchal-Foch, bâtiment B, 63600 Ambert".to_owned(),
                cpam: "CPAM du Puy-de-Dôme".to_owned(),
                rib,
                carte_attendue_le: "2026-03-23".parse().expect("date"),
                faite_le: "2026-03-02".parse().expect("date"),
            };
            let text = format!("{:?}", document(&fiche));
            for needle in ["631990017", "lundi 23 mars 2026", "du Livradois", "sur papier"] {
                assert!(text.contains(needle), "{needle} in {text}");
            }
            let bytes = pdf(&fiche).expect("a PDF");
            assert!(bytes.starts_with(b"%PDF-"));
            assert_eq!(pages(&bytes), 1);
            assert_eq!(bytes, pdf(&fiche).expect("a PDF"), "the same notice, the same bytes");
        }
    }
}
