-- `lease` is a fencing token drawn from one sequence: 0 while nobody holds the row. Keys compare
-- as bytes, whatever the database's collation. `json` rather than `jsonb` where a value must be
-- kept as it is, or must not be refused for an escaped NUL.

create sequence lease;

create table inbox (
    jour date not null,
    source text collate "C" not null,
    id text collate "C" not null,
    primary key (jour, source, id)
);

create table state (
    key text collate "C" primary key,
    version bigint not null,
    body jsonb not null,
    -- the server's clock, for people only
    updated_at timestamptz not null default now()
);

create table input (
    seq bigint generated always as identity,
    id uuid primary key,
    key text collate "C" not null,
    kind text not null check (kind in ('wake', 'event', 'replay')),
    name text not null,
    due_at timestamptz not null,
    -- null for a wake-up
    body jsonb,
    cause text not null,
    traceparent text,
    correlation_id text,
    lease bigint not null default 0,
    lease_until timestamptz
);
create unique index input_wake on input (key, name) where kind = 'wake';
create index input_due on input (due_at, seq);
create index input_leased on input (lease_until) where lease_until is not null;

create table outbox (
    seq bigint generated always as identity,
    id uuid primary key,
    exchange text not null,
    routing_key text not null,
    mandatory boolean not null,
    -- the envelope's attributes
    head json not null,
    -- the envelope's body, byte for byte
    data bytea not null,
    written_at timestamptz not null,
    due_at timestamptz not null,
    lease bigint not null default 0,
    lease_until timestamptz
);
create index outbox_due on outbox (due_at, seq);
create index outbox_leased on outbox (lease_until) where lease_until is not null;

create table ask (
    seq bigint generated always as identity,
    id uuid primary key,
    key text collate "C" not null,
    kind text not null,
    agency text not null,
    body jsonb not null,
    due_at timestamptz not null,
    created_at timestamptz not null,
    attempts integer not null,
    ambiguous boolean not null,
    last_error text,
    cause text not null,
    traceparent text,
    correlation_id text,
    -- what an agency answered is decided on, not refused here
    answer json,
    lease bigint not null default 0,
    lease_until timestamptz
);
create index ask_key on ask (key, kind) where answer is null;
create index ask_due on ask (due_at, seq, agency) where answer is null;
create index ask_answered on ask (due_at, seq) where answer is not null;
create index ask_leased on ask (lease_until) where lease_until is not null;

create table failure (
    seq bigint generated always as identity,
    id uuid primary key,
    key text,
    origin text not null,
    kind text not null,
    code text not null,
    reason text not null,
    body bytea not null,
    meta text not null,
    first_seen timestamptz not null,
    attempts integer not null,
    outcome text
);
create index failure_seen on failure (first_seen, seq);
create index failure_open on failure (first_seen, seq, code) where outcome is null;

create table credential (
    name text primary key,
    version bigint not null,
    value bytea not null
);

create table budget (
    agency text primary key,
    started_at timestamptz not null,
    used bigint not null
);

-- Rows of these live for seconds: dead ones are cleared early, so that claims stay short.
alter table input set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
alter table outbox set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
alter table ask set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
