-- Marks in one partition per day (made ahead by the service, dropped whole), so that the part of the
-- index that is written stays small however much is remembered. What has no partition, an absurd
-- day or a late one, is in `inbox_autres`.
alter table inbox rename to inbox_avant;
alter index inbox_pkey rename to inbox_avant_pkey;
create table inbox (
    jour date not null,
    source text collate "C" not null,
    id text collate "C" not null,
    primary key (jour, source, id)
) partition by range (jour);
create table inbox_autres partition of inbox default;
insert into inbox select jour, source, id from inbox_avant;
drop table inbox_avant;

-- Room on each page for the next version of its states: no index is touched by a change.
alter table state set (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

-- A message under a lease is due when the lease ends: one index says what is due and what is not.
update outbox set due_at = greatest(due_at, lease_until) where lease_until is not null;
drop index outbox_leased;
alter table outbox drop column lease_until;
-- Rows live for a moment and are never read twice: the table is vacuumed by count, not by share.
alter table outbox set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
                        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000);
