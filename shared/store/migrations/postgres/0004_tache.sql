-- The open tasks: what was opened by a published fact and not closed by another. A row goes with
-- its task, and what it holds of a person with it.
create table tache (
    seq bigint generated always as identity,
    id uuid primary key,
    gabarit text not null,
    key text collate "C" not null,
    objet text not null,
    champs jsonb not null,
    ouverte_le timestamptz not null
);
create index tache_ouverte on tache (ouverte_le, seq);
