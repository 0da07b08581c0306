//! What Relais and the agencies say to each other: identifiers, the envelope, the catalogue of
//! messages and the reference data. Pure types; no I/O but the loading of the register.

pub mod envelope;
pub mod ids;
pub mod messages;
pub mod referentiel;
pub mod valeurs;

pub use envelope::{Envelope, EnvelopeError};
pub use ids::{
    Centimes, CodeCdom, CodeCpam, Departement, DossierId, EngagementId, Finess, IdError, LieuId,
    Mois, NumeroAm, Rpps, RppsRang, VacationId,
};
pub use messages::{Agence, DecodeError, Famille, Flux, Incoming, Message};
pub use referentiel::Referentiel;
pub use valeurs::{
    Civilite, Creneau, Demande, DemiJournee, Lieu, Medecin, ModeExercice, Plage, Rib,
};
