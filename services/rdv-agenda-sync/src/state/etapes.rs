//! The stages that the metrics count.

use contracts::messages::Situation;
use service::Etape as Avancement;

use super::{Acces, Etape, Etat};

impl Etat {
    /// Where a site or an engagement stands, for the metrics.
    pub fn etape(&self) -> Option<Avancement> {
        Some(match self {
            Self::Planning(_) | Self::Titulaires(_) => return None,
            Self::Compte(compte) => match compte.blocage {
                Some(_) => Avancement::Attente("compte-bloque"),
                None if compte.verifie => Avancement::Acquise("compte-connecte"),
                None => return None,
            },
            Self::Lieu(lieu) if lieu.veille.tache.is_some() => {
                Avancement::Attente("site-silencieux")
            }
            Self::Lieu(lieu) => match lieu.etape {
                Etape::Organisation { .. } => Avancement::Attente("site-organisation"),
                Etape::Webhook(_) => Avancement::Attente("site-webhook"),
                Etape::Lieu(_) => Avancement::Attente("site-lieu"),
                Etape::Motif(_) => Avancement::Attente("site-motif"),
                Etape::Pret { .. } => Avancement::Acquise("site-pret"),
            },
            Self::Engagement(engagement) => match engagement.activite.situation {
                Situation::Suspendue | Situation::Terminee => Avancement::Acquise("agenda-ferme"),
                Situation::Ouverte => match engagement.acces {
                    Acces::AttendLieu => Avancement::Attente("site-attendu"),
                    Acces::Invitation { .. } => Avancement::Attente("invitation"),
                    Acces::Invite { .. } => Avancement::Attente("acceptation-medecin"),
                    Acces::Actif { .. } => Avancement::Acquise("agenda-actif"),
                    Acces::Retire { .. } => Avancement::Attente("acces-retire"),
                },
            },
        })
    }
}
