//! The rules that the layout of the workspace keeps, as functions from what is there to what is
//! wrong. `tests/workspace.rs` applies them to this workspace.

pub mod alertes;
pub mod dependencies;
pub mod sources;
pub mod workspace;

pub use workspace::{Package, Workspace};
