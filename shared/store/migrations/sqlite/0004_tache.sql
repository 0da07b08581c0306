-- The open tasks: what was opened by a published fact and not closed by another. A row goes with
-- its task, and what it holds of a person with it.
create table tache (
    seq integer primary key autoincrement,
    id text not null unique,
    gabarit text not null,
    key text not null,
    objet text not null,
    champs text not null,
    ouverte_le integer not null
) strict;
create index tache_ouverte on tache (ouverte_le, seq);
