//! Limits of every queue, as policies (`relais topology apply`) or as arguments (declared queues).

/// Deliveries without a settlement after which a message is dead-lettered: only a guard against
/// crashes, retries live in the store. Never -1: RabbitMQ 3.10 then drops at the first failure.
pub(crate) const DELIVERY_LIMIT: i64 = 50;

/// Dead letters are read, stored and acknowledged; RabbitMQ 4 drops them after 20 deliveries
/// unless it is told otherwise, and nothing is behind them.
pub(crate) const DEAD_LETTER_DELIVERY_LIMIT: i64 = 1_000_000;

/// Bytes in a queue above which publications are refused: 1 GiB, some 500 000 messages of 2 kB.
pub(crate) const MAX_LENGTH_BYTES: i64 = 1 << 30;
