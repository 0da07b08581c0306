//! The stages that the metrics count.

use contracts::messages::Situation;
use service::Etape;

use super::{Dossier, Engagement, Motif, State};

impl State {
    /// Where an application or an engagement stands, for the metrics.
    pub fn etape(&self) -> Option<Etape> {
        Some(match self {
            Self::Dossier(dossier) => dossier.etape(),
            Self::Engagement(engagement) => match &**engagement {
                Engagement::Attendu { .. } => return None,
                Engagement::Connu(connu) => match connu.activite.situation {
                    Situation::Ouverte => Etape::Acquise("activite-ouverte"),
                    Situation::Suspendue => Etape::Acquise("activite-suspendue"),
                    Situation::Terminee => Etape::Acquise("activite-terminee"),
                },
            },
            Self::Medecin(_) => return None,
        })
    }
}

impl Dossier {
    fn etape(&self) -> Etape {
        match self {
            Self::Attendu { .. } => Etape::Attente("candidature-attendue"),
            Self::Identification { attente, .. } => match attente.motif {
                Motif::Identite | Motif::Anterieure => Etape::Attente("identification"),
                Motif::Correction => Etape::Attente("correction-medecin"),
            },
            Self::Verification { .. } => Etape::Attente("verification"),
            Self::Complement { .. } => Etape::Attente("complement-medecin"),
            Self::Autorise { .. } => Etape::Acquise("autorise"),
            Self::Refuse { .. } => Etape::Acquise("refuse"),
            Self::Retire { .. } => Etape::Acquise("retire"),
        }
    }
}
