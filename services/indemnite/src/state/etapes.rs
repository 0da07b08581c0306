//! The stages that the metrics count.

use service::Etape;

use super::{LigneEmise, MedecinMois, Reglement, Sort, State};

impl State {
    /// Where a doctor's month, a site's day or a statement stands, for the metrics. A site that does
    /// not answer keeps nobody waiting: the rule without an attestation decides.
    pub fn etape(&self) -> Option<Etape> {
        Some(match self {
            Self::Engagement(_) => return None,
            Self::MedecinMois(month) => month.etape(),
            Self::Attestation(day) if day.questions.iter().any(|q| !q.close) => {
                Etape::Acquise("attestation-ouverte")
            }
            Self::Attestation(_) => Etape::Acquise("attestation-close"),
            Self::Etat(etat) if etat.en_attente.is_empty() => return None,
            Self::Etat(_) => Etape::Attente("etat-a-clore"),
            Self::EtatEmis(emis) if emis.lignes.values().any(LigneEmise::attendue) => {
                Etape::Attente("paiement")
            }
            Self::EtatEmis(_) => Etape::Acquise("etat-regle"),
        })
    }
}

impl MedecinMois {
    fn etape(&self) -> Etape {
        if self.lignes.values().any(|ligne| matches!(ligne.sort, Sort::Rejetee { .. })) {
            Etape::Attente("ligne-rejetee")
        } else if !self.attentes.is_empty() {
            Etape::Attente("facturation-attendue")
        } else if !self.taches.is_empty() {
            Etape::Attente("a-verifier")
        } else {
            Etape::Acquise("mois-suivi")
        }
    }
}

impl LigneEmise {
    fn attendue(&self) -> bool {
        self.reglement == Reglement::Attendu
    }
}
