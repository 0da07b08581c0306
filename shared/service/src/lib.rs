//! The frame of every service: the trait [`Service`], and what runs it.
//!
//! A service is its states, its pure decisions and its agency client. Everything else (batches,
//! inbox, outbox, asks, wake-ups, failures, metrics, lifecycle) is here, once.

pub mod api;
pub mod ingress;

pub use api::{
    AskKind, Attempt, Context, Decision, Effect, Equipment, Input, Limit, Meta, OperatorAction,
    Outgoing, Refusal, Repeat, Service,
};
pub use ingress::Ingress;
