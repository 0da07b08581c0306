-- A message to publish is settled under the lease of its batch, and claimed where it lies (`ctid`):
-- an index on leases grows at its end, one on random ids was written everywhere. A message that is
-- there twice goes out twice under one id, which its readers' inbox takes once.
alter table outbox drop constraint outbox_pkey;
create index outbox_lease on outbox (lease);
