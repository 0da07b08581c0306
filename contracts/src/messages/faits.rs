//! Facts (`relais.evenements`). Each carries the whole state of its subject; a reader that knows
//! a later `sequence` of the same (source, subject) ignores it.

mod activites;
mod agenda;
mod dossiers;
mod facturation;
mod indemnites;
mod rpps;
mod suivi;

pub use activites::*;
pub use agenda::*;
pub use dossiers::*;
pub use facturation::*;
pub use indemnites::*;
pub use rpps::*;
pub use suivi::*;

macro_rules! snapshot {
    ($(#[$doc:meta])* $name:ident($inner:ident)) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub $inner);
    };
}

macro_rules! data {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type),* }
    };
}
pub(super) use data;
use snapshot;
