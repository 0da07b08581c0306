//! Decisions of cpam-cps: the whole table of an engagement, stories, properties.

// The same bench for both services that speak to agencies over the bus.
#[path = "../../../ordinal-adapter/tests/decisions/banc.rs"]
mod banc;
mod canaux;
mod delais;
mod depots;
mod histoires;
mod monde;
mod proprietes;
mod table;
