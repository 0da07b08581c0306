//! Queues, exchanges and bindings made by the client itself, where the topology is not applied
//! beforehand (demo, tests): limits are then arguments of the queue instead of policies.

use contracts::Flux;
use lapin::{
    Channel, ExchangeKind,
    options::{
        ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions,
        QueueDeleteOptions,
    },
    types::{AMQPValue, FieldTable},
};

use super::{
    decode::short,
    link::{dismiss, patiently, refusal},
};
use crate::{
    BusError, QueueSpec, is_dead_letter_queue,
    limits::{DEAD_LETTER_DELIVERY_LIMIT, DELIVERY_LIMIT, MAX_LENGTH_BYTES},
};

/// The three exchanges.
pub(super) const EXCHANGES: [Flux; 3] = [Flux::Evenements, Flux::Demandes, Flux::Reponses];

/// Creates the three exchanges, or only checks that they exist.
pub(super) async fn exchanges(
    channel: &Channel,
    prefix: &str,
    create: bool,
) -> Result<(), BusError> {
    for flux in EXCHANGES {
        let name = format!("{prefix}{}", flux.exchange());
        let options = ExchangeDeclareOptions {
            passive: !create,
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        let declared = channel.exchange_declare(
            named(&name)?,
            ExchangeKind::Topic,
            options,
            FieldTable::default(),
        );
        patiently(declared).await.map_err(|e| explain(e, "exchange", &name))?;
    }
    Ok(())
}

/// Creates a queue with its limits, its dead-letter queue and its bindings.
pub(super) async fn queue(
    channel: &Channel,
    prefix: &str,
    spec: &QueueSpec,
) -> Result<(), BusError> {
    let name = format!("{prefix}{}", spec.name);
    if is_dead_letter_queue(&spec.name) {
        return declare(channel, &name, dead_letter_arguments()).await;
    }
    let morts = format!("{prefix}{}", spec.morts().name);
    declare(channel, &morts, dead_letter_arguments()).await?;
    declare(channel, &name, arguments(&morts)).await?;
    for (flux, pattern) in &spec.bindings {
        let exchange = named(&format!("{prefix}{}", flux.exchange()))?;
        let bound = channel.queue_bind(
            named(&name)?,
            exchange,
            named(pattern)?,
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        patiently(bound).await.map_err(|e| explain(e, "queue", &name))?;
    }
    Ok(())
}

/// Messages in a queue that nobody has been given yet; closes the channel.
pub(super) async fn waiting(channel: &Channel, name: &str) -> Result<u32, BusError> {
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let declared = channel.queue_declare(named(name)?, options, FieldTable::default());
    let queue = patiently(declared).await.map_err(|e| explain(e, "queue", name))?;
    dismiss(channel).await;
    Ok(queue.message_count())
}

/// Deletes queues with their dead letters, and the three exchanges.
pub(super) async fn erase(
    channel: &Channel,
    prefix: &str,
    queues: &[QueueSpec],
) -> Result<(), BusError> {
    for spec in queues {
        for name in [&spec.name, &spec.morts().name] {
            let name = named(&format!("{prefix}{name}"))?;
            patiently(channel.queue_delete(name, QueueDeleteOptions::default())).await?;
        }
    }
    for flux in EXCHANGES {
        let name = named(&format!("{prefix}{}", flux.exchange()))?;
        patiently(channel.exchange_delete(name, ExchangeDeleteOptions::default())).await?;
    }
    Ok(())
}

/// Says what to do about a refusal: of a missing queue, of an argument that differs.
pub(super) fn explain(error: BusError, kind: &str, name: &str) -> BusError {
    match refusal(&error) {
        Some(404) => {
            BusError::Topology(format!("{kind} {name} does not exist: run `relais topology apply`"))
        }
        Some(403) => BusError::Topology(format!(
            "no permission on {kind} {name}: run `relais topology verify`"
        )),
        Some(406) => BusError::Topology(format!(
            "{kind} {name} exists with other arguments: run `relais topology verify`"
        )),
        Some(_) | None => error,
    }
}

async fn declare(channel: &Channel, name: &str, arguments: FieldTable) -> Result<(), BusError> {
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let declared = channel.queue_declare(named(name)?, options, arguments);
    patiently(declared).await.map(|_| ()).map_err(|e| explain(e, "queue", name))
}

pub(super) fn named(name: &str) -> Result<lapin::types::ShortString, BusError> {
    short(name).ok_or_else(|| BusError::Topology(format!("{name} is over 255 bytes")))
}

fn arguments(morts: &str) -> FieldTable {
    let mut table = FieldTable::default();
    put_text(&mut table, "x-queue-type", "quorum");
    put_number(&mut table, "x-delivery-limit", DELIVERY_LIMIT);
    put_text(&mut table, "x-dead-letter-exchange", "");
    put_text(&mut table, "x-dead-letter-routing-key", morts);
    put_text(&mut table, "x-dead-letter-strategy", "at-least-once");
    put_text(&mut table, "x-overflow", "reject-publish");
    put_number(&mut table, "x-max-length-bytes", MAX_LENGTH_BYTES);
    table
}

fn dead_letter_arguments() -> FieldTable {
    let mut table = FieldTable::default();
    put_text(&mut table, "x-queue-type", "quorum");
    put_number(&mut table, "x-delivery-limit", DEAD_LETTER_DELIVERY_LIMIT);
    put_text(&mut table, "x-overflow", "reject-publish");
    put_number(&mut table, "x-max-length-bytes", MAX_LENGTH_BYTES);
    table
}

fn put_text(table: &mut FieldTable, name: &str, value: &str) {
    table.insert(name.into(), AMQPValue::LongString(value.into()));
}

fn put_number(table: &mut FieldTable, name: &str, value: i64) {
    table.insert(name.into(), AMQPValue::LongLongInt(value));
}
