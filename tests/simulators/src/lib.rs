//! The outside world of Relais, simulated: the mail server here, the agencies in the crates of
//! their services.

pub mod smtp;
