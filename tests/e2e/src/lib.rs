//! The bench of the end-to-end tests: the services' own binaries
//! as separate processes, the simulated world in the test's process, and what must be found at the
//! end. Nothing is left behind, even by a test that panics.

mod banc;
mod cellule;
mod doubles;
mod porte;
mod service;

pub use banc::{Banc, SERVICES, Scenario};
pub use cellule::{Cellule, code_et_texte};
pub use doubles::{doubles, par_type};
pub use porte::{Porte, reglages_ds};
pub use service::Poste;
