-- The stage of a state and since when, for metrics. `etape_depuis` is null at a stage where
-- nothing is awaited.
alter table state add column etape text;
alter table state add column etape_depuis integer;
create index state_etape on state (etape, etape_depuis) where etape is not null;
