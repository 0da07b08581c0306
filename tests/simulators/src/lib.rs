//! The outside world of Relais, simulated: the mail server and the people here, the agencies in the
//! crates of their services; and what must come out of it all.

pub mod courtier;
pub mod modele;
pub mod monde;
pub mod population;
pub mod registre;
pub mod smtp;

pub use courtier::Courtier;
pub use monde::{Monde, Options};
