//! The frame of every service: the trait [`Service`], and what runs it.
//!
//! A service is its states, its pure decisions and its agency client. Everything else (batches,
//! inbox, outbox, asks, wake-ups, failures, metrics, lifecycle) is here, once.

pub mod api;
pub mod backends;
pub mod config;
mod engine;
mod http;
pub mod ingress;
mod lifecycle;
mod metrics;
mod operators;
mod ops;
mod program;
pub mod telemetry;

#[cfg(feature = "banc")]
pub use engine::banc;

pub use api::{
    AskKind, Attempt, Context, Decision, Effect, Equipment, Etape, Input, Limit, Meta,
    OperatorAction, Outgoing, Refusal, Repeat, Service,
};
pub use config::{EngineConfig, FrameConfig};
pub use ingress::Ingress;
pub use lifecycle::{Host, Running, StartError, runtime, start, stop_signal};
pub use operators::Operators;
pub use program::{EX_USAGE, Launch, Program};
