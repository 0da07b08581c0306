-- Asks are looked up by key whether answered or not, so that no partial index suits the lookup: one
-- that suits is read as a whole when the table is taken to be empty.
drop index ask_key;
create index ask_key on ask (key, kind);
