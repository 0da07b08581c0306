//! The bench of the end-to-end tests: servers named by the environment, the services' own binaries
//! as separate processes, the simulated world in the test's process, and what must be found at the
//! end. Nothing is left behind, even by a test that panics.

mod banc;
mod doubles;
mod processus;
mod serveurs;

pub use banc::{Banc, SERVICES, Scenario};
pub use doubles::{doubles, par_type};
pub use processus::{Processus, binaire};
pub use serveurs::{Serveurs, gestion, graine};
