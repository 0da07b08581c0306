//! Faults, caused for real: a small service on the frame ([`Victime`]), what happens to it, and a
//! reference count of its effects. Every input has exactly one effect, whatever is killed, cut,
//! stopped or filled up meanwhile.

mod agence;
mod banc;
mod cable;
mod enfant;
mod entree;
mod gestion;
mod recolte;
mod victime;

pub use agence::Agence;
pub use banc::{Banc, FACTEUR, JETON, PATIENCE, Replique};
pub use cable::Cable;
pub use enfant::mourir;
pub use entree::{Attendu, Entree, melange};
pub use gestion::Gestion;
pub use recolte::Recolte;
pub use victime::{Appel, Etat, Evenement, Genre, Reglages, Victime};
