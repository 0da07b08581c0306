//! The stages that the metrics count.

use service::Etape;

use super::{Attente, Phase, State};

impl State {
    /// Where an application stands, for the metrics.
    pub fn etape(&self) -> Option<Etape> {
        let dossier = match self {
            Self::Dossier(dossier) => dossier,
            Self::Demarche(_) | Self::Engagement(_) | Self::Medecin(_) => return None,
        };
        Some(match &dossier.phase {
            Phase::Reception if dossier.averti.is_some() => Etape::Attente("correction-medecin"),
            Phase::Reception => Etape::Attente("reception"),
            Phase::Instruction { attente: None, .. } => Etape::Attente("instruction"),
            Phase::Instruction { attente: Some(attente), .. } => match attente {
                Attente::Correction | Attente::Identite | Attente::Doublon => {
                    Etape::Attente("correction-medecin")
                }
                Attente::Complement { .. } => Etape::Attente("complement-medecin"),
            },
            Phase::Autorisee => Etape::Acquise("autorisee"),
            Phase::Refusee => Etape::Acquise("refusee"),
            Phase::Retiree { .. } => Etape::Acquise("retiree"),
        })
    }
}
