-- Everything one batch changes, as one statement: `insert into temp.lot (…) values (…)`, each value
-- a JSON array of rows or null. One round trip to the connection's thread, atomic by itself.
-- Bodies are not in there, where they would be escaped, parsed and unescaped: they follow each other
-- in one blob, `bodies`, and a row holds the place (from 1) and the length of its own.
--
-- What is consumed and cancelled goes first, so that a wake-up armed again by the batch that
-- consumes it, or an ask made by the batch that cancels its kind, stays. `conflit` is raised when
-- fewer rows were there than expected: somebody else moved one meanwhile. What is null is tested
-- first: its statement then opens nothing.

create temp view lot as
select null as marks, null as done_inputs, null as done_answers, null as cancel_wakes,
       null as cancel_asks, null as created, null as changed, null as outbox, null as asks,
       null as wakes, null as inputs, null as closed, null as failures, null as opened,
       null as ended, null as journal, null as bodies;

create temp trigger lot_ecrit instead of insert on lot begin
    insert into inbox (jour, source, id)
    select value ->> 0, value ->> 1, value ->> 2 from json_each(new.marks) where new.marks is not null
    on conflict do nothing;
    select raise(abort, 'conflit') where changes() <> json_array_length(new.marks);

    delete from input where new.done_inputs is not null and seq in (
        select i.seq from json_each(new.done_inputs) d
        cross join input i on i.id = d.value ->> 0 and i.lease = d.value ->> 1);
    select raise(abort, 'conflit') where changes() <> json_array_length(new.done_inputs);

    delete from ask where new.done_answers is not null and seq in (
        select a.seq from json_each(new.done_answers) d
        cross join ask a on a.id = d.value ->> 0 and a.lease = d.value ->> 1
        where a.answer is not null);
    select raise(abort, 'conflit') where changes() <> json_array_length(new.done_answers);

    delete from input where new.cancel_wakes is not null and seq in (
        select i.seq from json_each(new.cancel_wakes) c
        cross join input i on i.key = c.value ->> 0 and i.name = c.value ->> 1
        where i.kind = 'wake');

    delete from ask where new.cancel_asks is not null and seq in (
        select a.seq from json_each(new.cancel_asks) c
        cross join ask a on a.key = c.value ->> 0 and a.kind = c.value ->> 1
        where a.answer is null);

    insert into state (key, version, body, updated_at, etape, etape_depuis)
    select value ->> 0, value ->> 1,
           cast(substr(new.bodies, value ->> 2, value ->> 3) as text),
           cast(unixepoch('subsec') * 1000000 as integer), value ->> 4, value ->> 5
    from json_each(new.created) where new.created is not null
    on conflict do nothing;
    select raise(abort, 'conflit') where changes() <> json_array_length(new.created);

    update state set version = n.value ->> 1,
                     body = cast(substr(new.bodies, n.value ->> 2, n.value ->> 3) as text),
                     updated_at = cast(unixepoch('subsec') * 1000000 as integer),
                     etape = n.value ->> 5,
                     etape_depuis = case when state.etape = n.value ->> 5
                                              and n.value ->> 6 is not null
                                         then coalesce(state.etape_depuis, n.value ->> 6)
                                         else n.value ->> 6 end
    from json_each(new.changed) n
    where new.changed is not null and state.key = n.value ->> 0 and state.version = n.value ->> 4;
    select raise(abort, 'conflit') where changes() <> json_array_length(new.changed);

    insert into outbox (id, exchange, routing_key, mandatory, head, data, written_at, due_at, lease,
                        lease_until)
    select value ->> 0, value ->> 1, value ->> 2, value ->> 3,
           cast(substr(new.bodies, value ->> 4, value ->> 5) as text),
           substr(new.bodies, value ->> 6, value ->> 7), value ->> 8, value ->> 8,
           value ->> 9, value ->> 10
    from json_each(new.outbox) where new.outbox is not null
    on conflict do nothing;

    insert into ask (id, key, kind, agency, body, due_at, created_at, attempts, ambiguous,
                     last_error, cause, traceparent, correlation_id)
    select value ->> 0, value ->> 1, value ->> 2, value ->> 3,
           cast(substr(new.bodies, value ->> 4, value ->> 5) as text), value ->> 6,
           value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12,
           value ->> 13
    from json_each(new.asks) where new.asks is not null
    on conflict do nothing;

    -- lease + 1: a claim of what is replaced settles nothing any more
    insert into input (id, key, kind, name, due_at, body, cause, traceparent, correlation_id)
    select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4,
           cast(substr(new.bodies, value ->> 5, value ->> 6) as text), value ->> 7, value ->> 8,
           value ->> 9
    from json_each(new.wakes) where new.wakes is not null
    on conflict (key, name) where kind = 'wake' do update set
        id = excluded.id, due_at = excluded.due_at, body = excluded.body,
        cause = excluded.cause, traceparent = excluded.traceparent,
        correlation_id = excluded.correlation_id,
        lease = input.lease + 1, lease_until = null;

    insert into input (id, key, kind, name, due_at, body, cause, traceparent, correlation_id)
    select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4,
           cast(substr(new.bodies, value ->> 5, value ->> 6) as text), value ->> 7, value ->> 8,
           value ->> 9
    from json_each(new.inputs) where new.inputs is not null
    on conflict do nothing;

    update failure set outcome = c.value ->> 1 from json_each(new.closed) c
    where new.closed is not null and failure.id = c.value ->> 0;

    insert into failure (id, key, origin, kind, code, reason, body, meta, first_seen, attempts,
                         outcome)
    select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
           substr(new.bodies, value ->> 6, value ->> 7), value ->> 8, value ->> 9,
           value ->> 10, value ->> 11
    from json_each(new.failures) where new.failures is not null
    on conflict (id) do update set
        attempts = failure.attempts + 1, outcome = null,
        code = excluded.code, reason = excluded.reason, meta = excluded.meta;

    insert into tache (id, gabarit, key, objet, champs, ouverte_le)
    select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5
    from json_each(new.opened) where new.opened is not null
    on conflict do nothing;

    delete from tache where new.ended is not null and id in (select value from json_each(new.ended));

    insert into journal (at, par, action, objet, motif)
    select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4
    from json_each(new.journal) where new.journal is not null;
end;
