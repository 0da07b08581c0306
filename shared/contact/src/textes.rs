//! The mails' texts: one template per [`Modele`], in French.

use askama::Template;
use kernel::mois_en_lettres;

use crate::{Lien, Modele, jours::date_en_lettres};

/// A mail's subject and text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texte {
    /// Subject; ends with the reference.
    pub objet: String,
    /// Plain text.
    pub corps: String,
}

/// What is around every text.
#[derive(Template)]
#[template(path = "courriel/enveloppe.txt")]
struct Enveloppe<'a> {
    corps: &'a str,
    reference: &'a str,
    expire: Option<String>,
}

#[derive(Template)]
#[template(ext = "txt")]
enum Corps {
    #[template(path = "courriel/verification_demandee.txt")]
    VerificationDemandee { lien: String },
    #[template(path = "courriel/verification_relance.txt")]
    VerificationRelance { rang: u32, lien: String },
    #[template(path = "courriel/activite_notifiee.txt")]
    ActiviteNotifiee,
    #[template(path = "courriel/engagement_ouvert.txt")]
    EngagementOuvert { lien: String },
    #[template(path = "courriel/numero_am_demande.txt")]
    NumeroAmDemande { lien: String },
    #[template(path = "courriel/numero_am_relance.txt")]
    NumeroAmRelance { rang: u32, lien: String },
    #[template(path = "courriel/debut_papier.txt")]
    DebutPapier,
    #[template(path = "courriel/rib_a_donner.txt")]
    RibADonner { rang: u32 },
    #[template(path = "courriel/rib_demande.txt")]
    RibDemande { rang: u32, lien: String },
    #[template(path = "courriel/agenda_ouvert.txt")]
    AgendaOuvert { lien: String },
    #[template(path = "courriel/agenda_relance.txt")]
    AgendaRelance { rang: u32, lien: String },
    #[template(path = "courriel/attestation_demandee.txt")]
    AttestationDemandee { date: String, lien: String },
    #[template(path = "courriel/attestation_relance.txt")]
    AttestationRelance { date: String, lien: String },
    #[template(path = "courriel/confirmation_demandee.txt")]
    ConfirmationDemandee { mois: String, lien: String },
    #[template(path = "courriel/confirmation_relance.txt")]
    ConfirmationRelance { mois: String, lien: String },
    #[template(path = "courriel/planning_publie.txt")]
    PlanningPublie { du: String, au: String, imprime: bool, lien: String },
    #[template(path = "courriel/escalade.txt")]
    Escalade { gabarit: String },
}

impl Texte {
    /// The text of a mail about `reference`, with the address of its link when it has one.
    ///
    /// # Panics
    /// Never: no template has a filter that fails.
    pub fn new(modele: &Modele, reference: &str, lien: Option<(&str, &Lien)>) -> Self {
        let expire = lien.map(|(_, l)| date_en_lettres(kernel::paris_date(l.expire_le)));
        let corps = Corps::of(modele, lien.map_or_else(String::new, |(url, _)| url.to_owned()));
        let corps = corps.render().expect("renders into a String");
        let enveloppe = Enveloppe { corps: corps.trim(), reference, expire };
        let corps = enveloppe.render().expect("renders into a String");
        Self { objet: format!("{} ({reference})", objet(modele)), corps }
    }
}

impl Corps {
    /// `lien` is empty when the mail has none.
    fn of(modele: &Modele, lien: String) -> Self {
        match modele {
            Modele::VerificationDemandee => Self::VerificationDemandee { lien },
            Modele::VerificationRelance { rang } => Self::VerificationRelance { rang: *rang, lien },
            Modele::ActiviteNotifiee => Self::ActiviteNotifiee,
            Modele::EngagementOuvert => Self::EngagementOuvert { lien },
            Modele::NumeroAmDemande => Self::NumeroAmDemande { lien },
            Modele::NumeroAmRelance { rang } => Self::NumeroAmRelance { rang: *rang, lien },
            Modele::DebutPapier => Self::DebutPapier,
            Modele::RibADonner { rang } => Self::RibADonner { rang: *rang },
            Modele::RibDemande { rang } => Self::RibDemande { rang: *rang, lien },
            Modele::AgendaOuvert => Self::AgendaOuvert { lien },
            Modele::AgendaRelance { rang } => Self::AgendaRelance { rang: *rang, lien },
            Modele::AttestationDemandee { date } => {
                Self::AttestationDemandee { date: date_en_lettres(*date), lien }
            }
            Modele::AttestationRelance { date } => {
                Self::AttestationRelance { date: date_en_lettres(*date), lien }
            }
            Modele::ConfirmationDemandee { mois } => {
                Self::ConfirmationDemandee { mois: mois_en_lettres(*mois), lien }
            }
            Modele::ConfirmationRelance { mois } => {
                Self::ConfirmationRelance { mois: mois_en_lettres(*mois), lien }
            }
            Modele::PlanningPublie { du, au, imprime } => {
                let (du, au) = (date_en_lettres(*du), date_en_lettres(*au));
                Self::PlanningPublie { du, au, imprime: *imprime, lien }
            }
            Modele::Escalade { gabarit } => Self::Escalade { gabarit: gabarit.clone() },
        }
    }
}

fn objet(modele: &Modele) -> String {
    match modele {
        Modele::VerificationDemandee => "Vérification demandée".to_owned(),
        Modele::VerificationRelance { rang } => {
            format!("Rappel n°\u{a0}{rang} – Vérification demandée")
        }
        Modele::ActiviteNotifiee => "Activité autorisée dans votre département".to_owned(),
        Modele::EngagementOuvert => "Votre activité est autorisée".to_owned(),
        Modele::NumeroAmDemande => "Numéro à créer pour une activité".to_owned(),
        Modele::NumeroAmRelance { rang } => {
            format!("Rappel n°\u{a0}{rang} – Numéro à créer pour une activité")
        }
        Modele::DebutPapier => "Vous pouvez commencer sur papier".to_owned(),
        Modele::RibADonner { rang: 0 } => "Votre caisse attend votre RIB".to_owned(),
        Modele::RibADonner { rang } => {
            format!("Rappel n°\u{a0}{rang} – Votre caisse attend votre RIB")
        }
        Modele::RibDemande { rang: 0 } => "RIB manquant pour une activité".to_owned(),
        Modele::RibDemande { rang } => {
            format!("Rappel n°\u{a0}{rang} – RIB manquant pour une activité")
        }
        Modele::AgendaOuvert => "Votre agenda est ouvert".to_owned(),
        Modele::AgendaRelance { rang } => {
            format!("Rappel n°\u{a0}{rang} – Votre agenda est ouvert")
        }
        Modele::AttestationDemandee { date } => {
            format!("Présence à attester – {}", date_en_lettres(*date))
        }
        Modele::AttestationRelance { date } => {
            format!("Rappel – Présence à attester – {}", date_en_lettres(*date))
        }
        Modele::ConfirmationDemandee { mois } => {
            format!("Présences à confirmer – {}", mois_en_lettres(*mois))
        }
        Modele::ConfirmationRelance { mois } => {
            format!("Rappel – Présences à confirmer – {}", mois_en_lettres(*mois))
        }
        Modele::PlanningPublie { .. } => "Planning des consultations".to_owned(),
        Modele::Escalade { .. } => "Une étape attend une personne".to_owned(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// One of each.
    pub(crate) fn modeles() -> Vec<Modele> {
        let date = "2026-03-02".parse().expect("date");
        vec![
            Modele::VerificationDemandee,
            Modele::VerificationRelance { rang: 1 },
            Modele::ActiviteNotifiee,
            Modele::EngagementOuvert,
            Modele::NumeroAmDemande,
            Modele::NumeroAmRelance { rang: 2 },
            Modele::DebutPapier,
            Modele::RibADonner { rang: 0 },
            Modele::RibADonner { rang: 2 },
            Modele::RibDemande { rang: 0 },
            Modele::RibDemande { rang: 1 },
            Modele::AgendaOuvert,
            Modele::AgendaRelance { rang: 1 },
            Modele::AttestationDemandee { date },
            Modele::AttestationRelance { date },
            Modele::ConfirmationDemandee { mois: date },
            Modele::ConfirmationRelance { mois: date },
            Modele::PlanningPublie { du: date, au: date, imprime: true },
            Modele::Escalade { gabarit: "cdom-escalade".to_owned() },
        ]
    }

    #[test]
    fn every_text_is_complete_with_and_without_a_link() {
        let lien = Lien {
            sujet: "verification".to_owned(),
            cle: "dossier/1042".to_owned(),
            question: "1".to_owned(),
            expire_le: "2026-04-01T00:00:00Z".parse().expect("instant"),
        };
        let url = "https://relais.example/r/abc.def";
        for modele in modeles() {
            for lien in [None, Some((url, &lien))] {
                let texte = Texte::new(&modele, "dossier 1042", lien);
                let both = format!("{}\n{}", texte.objet, texte.corps);
                assert!(texte.objet.ends_with("(dossier 1042)"), "{both}");
                assert!(texte.corps.contains("Référence à rappeler\u{a0}: dossier 1042"), "{both}");
                for wrong in ["{{", "}}", "{%", "'", " :", " ;", "« ", " »", "\n\n\n", "  ", "..."]
                {
                    assert!(!both.contains(wrong), "« {wrong} » in {both}");
                }
                assert!(lien.is_some() || !both.contains("lien"), "a link is announced in {both}");
            }
        }
    }

    #[test]
    fn a_text_reads_as_a_letter() {
        let texte = Texte::new(
            &Modele::AttestationRelance { date: "2026-03-02".parse().expect("date") },
            "lieu creuse-01",
            None,
        );
        assert_eq!(
            texte.objet,
            "Rappel – Présence à attester – lundi 2 mars 2026 (lieu creuse-01)"
        );
        assert_eq!(
            texte.corps,
            "Bonjour,\n\nRappel\u{a0}: votre attestation est toujours attendue pour les \
             consultations de solidarité territoriale prévues dans vos locaux le lundi 2 mars \
             2026. L’indemnité des médecins en dépend.\n\nRéférence à rappeler\u{a0}: lieu \
             creuse-01\n\nRelais, pour le programme «\u{a0}Un médecin près de chez \
             vous\u{a0}»\nMessage automatique, sans donnée personnelle."
        );
    }

    #[test]
    fn the_address_stands_alone_on_its_line_with_its_date() {
        let lien = Lien {
            sujet: "verification".to_owned(),
            cle: "dossier/1042".to_owned(),
            question: "1".to_owned(),
            // The first of April has begun in Paris.
            expire_le: "2026-03-31T23:00:00Z".parse().expect("instant"),
        };
        let url = "https://relais.example/r/abc.def";
        let texte = Texte::new(&Modele::VerificationDemandee, "dossier 1042", Some((url, &lien)));
        assert!(texte.corps.lines().any(|line| line == url), "{}", texte.corps);
        assert!(
            texte.corps.contains("valable jusqu’au mercredi 1er avril 2026."),
            "{}",
            texte.corps
        );
    }
}
