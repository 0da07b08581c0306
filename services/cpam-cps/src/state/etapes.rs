//! The stages that the metrics count.

use contracts::{Rib, messages::ModeFacturation};
use service::Etape as Avancement;

use super::{Engagement, Etape, State, Suivi};

impl State {
    /// Where an engagement stands, for the metrics.
    pub fn etape(&self) -> Option<Avancement> {
        match self {
            Self::Engagement(engagement) => Some(match &**engagement {
                Engagement::Attendu { .. } => Avancement::Attente("activite-attendue"),
                Engagement::Connu(suivi) => suivi.avancement(),
            }),
            Self::Medecin(_) | Self::Numero(_) | Self::Depot(_) => None,
        }
    }
}

impl Suivi {
    fn avancement(&self) -> Avancement {
        match &self.etape {
            Etape::Constat | Etape::CpamManquante | Etape::Demandee { .. }
                if !self.a_pu_exercer() =>
            {
                Avancement::Acquise("sans-objet")
            }
            Etape::Constat => Avancement::Attente("constat-rpps"),
            Etape::CpamManquante => Avancement::Attente("cpam-manquante"),
            Etape::Demandee { refus: None, .. } => Avancement::Attente("numero-am"),
            Etape::Demandee { refus: Some(_), .. } => Avancement::Attente("numero-am-refuse"),
            Etape::Ouverte(_) if !self.actif() => Avancement::Acquise("facturation-close"),
            Etape::Ouverte(facturation) => match (facturation.rib, facturation.mode) {
                (Rib::Inconnu | Rib::Manquant, _) => Avancement::Attente("rib"),
                (Rib::Present, ModeFacturation::Papier) => Avancement::Attente("carte-cps"),
                (Rib::Present, ModeFacturation::Teletransmission) => {
                    Avancement::Acquise("teletransmission")
                }
            },
        }
    }
}
