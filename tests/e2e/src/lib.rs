//! The bench of the end-to-end tests: the services' own binaries
//! as separate processes, the simulated world in the test's process, and what must be found at the
//! end. Nothing is left behind, even by a test that panics.

mod banc;
mod cellule;
mod doubles;
mod envoyeur;
mod porte;
mod service;
mod temoin;

pub use banc::{Banc, SERVICES, Scenario};
pub use cellule::{Cellule, code_et_texte};
pub use doubles::{doubles, par_type};
pub use envoyeur::{Bilan, Envoyeur, PATIENT, Rdv, corps, rdv_json};
pub use porte::{Porte, depot, reglages_ds};
pub use service::Poste;
pub use temoin::Temoin;
