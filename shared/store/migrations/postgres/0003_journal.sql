-- What operators did, for ever: a row is never changed and never removed.
create table journal (
    seq bigint generated always as identity primary key,
    at timestamptz not null,
    par text not null,
    action text not null,
    objet text not null,
    motif text
);
create function journal_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'the journal is append-only';
end
$$;
create trigger journal_append_only before update or delete or truncate on journal
    for each statement execute function journal_append_only();
