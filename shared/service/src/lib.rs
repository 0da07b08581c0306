//! The frame of every service: the trait [`Service`], and what runs it.
//!
//! A service is its states, its pure decisions and its agency client. Everything else (batches,
//! inbox, outbox, asks, wake-ups, failures, metrics, lifecycle) is here, once.

pub mod api;
#[allow(dead_code)]
mod engine;
pub mod ingress;
#[allow(dead_code)]
mod metrics;
pub mod telemetry;

pub use api::{
    AskKind, Attempt, Context, Decision, Effect, Equipment, Input, Limit, Meta, OperatorAction,
    Outgoing, Refusal, Repeat, Service,
};
pub use ingress::Ingress;
