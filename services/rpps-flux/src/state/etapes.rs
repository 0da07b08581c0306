//! The stages that the metrics count.

use service::Etape;

use super::{Extraction, Medecin, State, Veille};

impl State {
    /// Where an identification or a registration stands, for the metrics.
    pub fn etape(&self) -> Option<Etape> {
        match self {
            Self::Extraction(extraction) => extraction.attend(),
            Self::Fhir(_) => None,
            Self::Dossier(dossier) if dossier.attendue => Some(Etape::Attente("identification")),
            Self::Dossier(_) => Some(Etape::Acquise("identifie")),
            Self::DossierClos => Some(Etape::Acquise("dossier-clos")),
            Self::Medecin(medecin) if medecin.attend() => Some(Etape::Attente("enregistrement")),
            Self::Medecin(medecin) => medecin.veille().then_some(Etape::Acquise("suivi")),
        }
    }
}

impl Extraction {
    /// A refused file waits for a person until a later one is integrated, whatever else is awaited.
    fn attend(&self) -> Option<Etape> {
        if self.extraits.values().any(|suivi| suivi.refuse.is_some()) {
            return Some(Etape::Attente("extraction-refusee"));
        }
        (!self.attendus.is_empty()).then_some(Etape::Attente("extraction-attendue"))
    }
}

impl Medecin {
    /// Says whether the RPPS must still show an engagement that it can show.
    fn attend(&self) -> bool {
        let awaited = |v: &Veille| !v.close && v.enregistree.is_none() && !v.structures.is_empty();
        self.engagements.values().any(awaited)
    }
}
