-- The stage of a state and since when, for metrics. `etape_depuis` is null at a stage where
-- nothing is awaited. Both change seldom: other updates of a state leave the index alone.
alter table state add column etape text collate "C";
alter table state add column etape_depuis timestamptz;
create index state_etape on state (etape, etape_depuis) where etape is not null;
