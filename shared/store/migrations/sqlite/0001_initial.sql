-- Instants are integer microseconds since 1970 UTC; JSON is text; ids are hyphenated text.
-- `lease` is a fencing token: 0 while nobody ever claimed the row, else greater than
-- seq * 2^20, so that a row inserted again under the same id never repeats a token.

create table inbox (
    jour text not null,
    source text not null,
    id text not null,
    primary key (jour, source, id)
) strict, without rowid;

create table state (
    key text primary key,
    version integer not null,
    body text not null,
    -- the machine's clock, for people only
    updated_at integer not null
) strict;

create table input (
    seq integer primary key autoincrement,
    id text not null unique,
    key text not null,
    kind text not null check (kind in ('wake', 'event', 'replay')),
    name text not null,
    due_at integer not null,
    body text not null,
    cause text not null,
    traceparent text,
    correlation_id text,
    lease integer not null default 0,
    lease_until integer
) strict;
create unique index input_wake on input (key, name) where kind = 'wake';
create index input_due on input (due_at, seq);
create index input_leased on input (lease_until) where lease_until is not null;

create table outbox (
    seq integer primary key autoincrement,
    id text not null unique,
    exchange text not null,
    routing_key text not null,
    mandatory integer not null,
    -- the envelope's attributes
    head text not null,
    -- the envelope's body, byte for byte
    data blob not null,
    written_at integer not null,
    due_at integer not null,
    lease integer not null default 0,
    lease_until integer
) strict;
create index outbox_due on outbox (due_at, seq);
create index outbox_leased on outbox (lease_until) where lease_until is not null;

create table ask (
    seq integer primary key autoincrement,
    id text not null unique,
    key text not null,
    kind text not null,
    agency text not null,
    body text not null,
    due_at integer not null,
    created_at integer not null,
    attempts integer not null,
    ambiguous integer not null,
    last_error text,
    cause text not null,
    traceparent text,
    correlation_id text,
    answer text,
    lease integer not null default 0,
    lease_until integer
) strict;
create index ask_key on ask (key, kind) where answer is null;
create index ask_due on ask (due_at, seq, agency) where answer is null;
create index ask_answered on ask (due_at, seq) where answer is not null;
create index ask_leased on ask (lease_until) where lease_until is not null;

create table failure (
    seq integer primary key autoincrement,
    id text not null unique,
    key text,
    origin text not null,
    kind text not null,
    code text not null,
    reason text not null,
    body blob not null,
    meta text not null,
    first_seen integer not null,
    attempts integer not null,
    outcome text
) strict;
create index failure_seen on failure (first_seen, seq);
create index failure_open on failure (first_seen, seq, code) where outcome is null;

create table credential (
    name text primary key,
    version integer not null,
    value blob not null
) strict, without rowid;

create table budget (
    agency text primary key,
    started_at integer not null,
    used integer not null
) strict, without rowid;
