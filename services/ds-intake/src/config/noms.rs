//! The names that settings use: fields of the form, annotations, milestones.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

macro_rules! names {
    ($(#[$doc:meta])* $name:ident($quoi:literal) { $($(#[$vdoc:meta])* $variant:ident = $text:literal, $label:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every name.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in settings and messages.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// What people read.
            pub fn libelle(self) -> &'static str {
                match self { $(Self::$variant => $label),+ }
            }
        }

        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                let found = Self::ALL.iter().find(|n| n.as_str() == text);
                found.copied().ok_or_else(|| {
                    let known: Vec<_> = Self::ALL.iter().map(|n| n.as_str()).collect();
                    format!(concat!($quoi, " inconnu : « {} » (connus : {})"), text, known.join(", "))
                })
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

names! {
    /// A value that the form gives.
    Champ("champ") {
        /// RPPS number, text.
        Rpps = "rpps", "Numéro RPPS";
        /// Civility; from the demandeur unless mapped.
        Civilite = "civilite", "Civilité";
        /// Family name; from the demandeur unless mapped.
        Nom = "nom", "Nom";
        /// First name; from the demandeur unless mapped.
        Prenom = "prenom", "Prénom";
        /// E-mail; from the demandeur or the usager unless mapped.
        Courriel = "courriel", "Adresse électronique";
        /// Phone number.
        Telephone = "telephone", "Téléphone";
        /// How the doctor practises: a list.
        ModeExercice = "mode_exercice", "Mode d’exercice";
        /// Département of the main practice.
        DepartementExercicePrincipal = "departement_exercice_principal",
            "Département d’exercice principal";
        /// CDOM of registration; the main practice's département unless mapped.
        CdomInscription = "cdom_inscription", "Conseil départemental d’inscription à l’Ordre";
        /// The sites: a list with several choices, or a repetition.
        LieuxSouhaites = "lieux_souhaites", "Lieux souhaités";
        /// The half-days: a repetition of the next two, or a text with one a line.
        Creneaux = "creneaux", "Créneaux souhaités";
        /// In the repetition: the day.
        CreneauDate = "creneau_date", "Date du créneau";
        /// In the repetition: the half-day.
        CreneauDemiJournee = "creneau_demi_journee", "Demi-journée du créneau";
        /// Wants to be replaced meanwhile: yes or no.
        RemplacementSouhaite = "remplacement_souhaite", "Remplacement souhaité";
    }
}

names! {
    /// A private annotation that Relais can fill.
    Annotation("annotation") {
        /// Where the application stands.
        Avancement = "avancement", "Avancement";
        /// What the RPPS says.
        Identite = "identite", "Identité RPPS";
        /// Whether the doctor can bill.
        Facturation = "facturation", "Facturation";
        /// Whether the agenda is open, and its address.
        Agenda = "agenda", "Agenda";
    }
}

names! {
    /// A milestone of which the doctor may be told in the thread of the dossier.
    Jalon("message") {
        /// An activity is authorised.
        Autorisation = "autorisation", "Autorisation";
        /// The agenda is open.
        Agenda = "agenda", "Ouverture de l’agenda";
        /// The numéro AM exists: billing on paper is possible.
        Facturation = "facturation", "Facturation sur papier";
        /// The card is known: billing by télétransmission is possible.
        Teletransmission = "teletransmission", "Télétransmission";
    }
}
