-- What operators did, for ever: a row is never changed and never removed.
create table journal (
    seq integer primary key autoincrement,
    at integer not null,
    par text not null,
    action text not null,
    objet text not null,
    motif text
) strict;
create trigger journal_is_not_changed before update on journal
begin select raise(abort, 'the journal is append-only'); end;
create trigger journal_is_not_shortened before delete on journal
begin select raise(abort, 'the journal is append-only'); end;
