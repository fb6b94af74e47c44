-- name: stamp$
-- Gives the next events their positions, in the order in which they were written; the caller is the only one who
-- stamps. An order's are a prefix of it: their times grow under its lock.
with waiting as (
    select order_id, sequence, nextval('outbox_position') as position
      from (select order_id, sequence from outbox
             where position is null order by created_at, sequence limit :limit) w
), stamped as (
    update outbox o set position = w.position
      from waiting w
     where o.order_id = w.order_id and o.sequence = w.sequence and o.position is null
    returning o.position
), told as (
    select pg_notify('events_stamped', max(position)::text) from stamped having count(*) > 0
)
select (select count(*) from stamped) + 0 * (select count(*) from told);

-- name: begin_cursors!
-- A sink that is new hears of what happens from now on.
insert into relay_cursors (sink, partition, position)
select :sink, p, (select coalesce(max(position), 0) from outbox)
  from generate_series(0, 7) as p
    on conflict do nothing;

-- name: read_batch
-- The next events of a sink in these partitions.
select o.position, o.partition, o.order_id, o.sequence, d.tenant, e.type, e.machine, e.from_state, e.to_state,
       e.data, e.occurred_at, e.recorded_at, c.position as cursor
  from relay_cursors c
 cross join lateral (
       select position, partition, order_id, sequence from outbox
        where partition = c.partition and position > c.position
        order by position limit :limit) o
  join order_events e on e.order_id = o.order_id and e.sequence = o.sequence
  join orders d on d.id = o.order_id
 where c.sink = :sink and c.partition = any(:partitions::smallint[])
 order by o.position;

-- name: read_after
-- All events after a position, for those who follow everything.
select o.position, o.partition, o.order_id, o.sequence, d.tenant, e.type, e.machine, e.from_state, e.to_state,
       e.data, e.occurred_at, e.recorded_at
  from outbox o
  join order_events e on e.order_id = o.order_id and e.sequence = o.sequence
  join orders d on d.id = o.order_id
 where o.position > :after and (:tenant::text is null or d.tenant = :tenant)
 order by o.position limit :limit;

-- name: newest_position$
-- Of all events that were stamped.
select coalesce(max(position), 0) from outbox;

-- name: oldest_position$
-- Of those that are still kept.
select coalesce(min(position), 0) from outbox where position is not null;

-- name: move_cursors!
-- Only from where the caller saw them: who has lost his share meanwhile moves nothing.
update relay_cursors c set position = n.position, moved_at = now()
  from unnest(:partitions::smallint[], :seen::bigint[], :positions::bigint[]) as n (partition, seen, position)
 where c.sink = :sink and c.partition = n.partition and c.position = n.seen;

-- name: parked_of
-- Which of these orders a sink does not take for now.
select order_id from relay_parked where sink = :sink and order_id = any(:order_ids::text[]);

-- name: park!
-- From this event on, its order waits for this sink; tried the more seldom the longer.
insert into relay_parked (sink, order_id, sequence, error, next_try_at)
values (:sink, :order_id, :sequence, :error, now() + make_interval(secs => :again_in_s))
    on conflict (sink, order_id) do update
       set sequence = excluded.sequence, error = excluded.error, next_try_at = excluded.next_try_at,
           tries = case when relay_parked.sequence = excluded.sequence then relay_parked.tries + 1 else 1 end;

-- name: find_due
-- Parked orders that are to be tried again, with their partitions.
select p.order_id, p.sequence, p.tries
  from relay_parked p
 where p.sink = :sink and p.next_try_at <= now()
   and (hashtext(p.order_id) & 7)::smallint = any(:partitions::smallint[])
 order by p.next_try_at limit :limit;

-- name: read_parked
-- What a parked order has waiting: up to where its sink's cursor is.
select o.position, o.partition, o.order_id, o.sequence, d.tenant, e.type, e.machine, e.from_state, e.to_state,
       e.data, e.occurred_at, e.recorded_at
  from outbox o
  join relay_cursors c on c.sink = :sink and c.partition = o.partition and o.position <= c.position
  join order_events e on e.order_id = o.order_id and e.sequence = o.sequence
  join orders d on d.id = o.order_id
 where o.order_id = :order_id and o.sequence >= :sequence
 order by o.sequence;

-- name: unpark!
-- All that waited of it was delivered.
delete from relay_parked where sink = :sink and order_id = :order_id;

-- name: list_parked
-- For people: who waits for which sink, and why.
select sink, order_id, sequence, error, tries, parked_at, next_try_at
  from relay_parked order by parked_at, sink, order_id limit :limit;

-- name: try_now$
-- A person wants it tried again now.
update relay_parked set next_try_at = now()
 where sink = :sink and order_id = :order_id returning true;

-- name: skip$
-- A person lets go of one event: the order's next one is tried.
update relay_parked
   set sequence = sequence + 1, tries = 1, next_try_at = now(),
       error = concat_ws(': ', 'the one before was skipped', nullif(:note, ''))
 where sink = :sink and order_id = :order_id and sequence = :sequence returning true;

-- name: backlog
-- What each sink has still to hear, and how old the oldest of it is.
select c.sink, coalesce(sum(w.waiting), 0)::bigint as waiting,
       coalesce(extract(epoch from now() - min(w.oldest)), 0)::float8 as oldest_s,
       (select count(*) from relay_parked p where p.sink = c.sink) as parked
  from relay_cursors c
  left join lateral (
       select count(*) as waiting, min(o.created_at) as oldest
         from outbox o where o.partition = c.partition and o.position > c.position) w on true
 group by c.sink order by c.sink;

-- name: unstamped^
-- What nobody has stamped yet, and since when.
select count(*) as waiting, coalesce(extract(epoch from now() - min(created_at)), 0)::float8 as oldest_s
  from outbox where position is null;

-- name: forget$
-- What every sink has had for long enough, oldest first, in small bites; nothing of an order that is parked.
with gone as (
    delete from outbox o
     where (o.order_id, o.sequence) in (
           select w.order_id, w.sequence from outbox w
            where w.position is not null
              and not exists (select from relay_cursors c
                               where c.sink = any(:sinks::text[]) and c.partition = w.partition
                                 and c.position < w.position)
              -- A sink without cursors has not begun, and has had nothing.
              and (select count(*) from relay_cursors where sink = any(:sinks::text[]))
                  = 8 * cardinality(:sinks::text[])
              and w.created_at < now() - make_interval(secs => :older_than_s)
              and not exists (select from relay_parked p where p.order_id = w.order_id)
            order by w.position limit :limit)
    returning true
)
select count(*) from gone;

-- name: try_lock$
-- A session's own: gone with its connection.
select pg_try_advisory_lock(:kind, :number);

-- name: unlock!
-- Another relay may take it.
select pg_advisory_unlock(:kind, :number);

-- name: count_locks$
-- How many relays there are: each holds one lock of this kind.
select count(distinct pid) from pg_locks
 where locktype = 'advisory' and classid = :kind::oid and objsubid = 2 and granted
   and database = (select oid from pg_database where datname = current_database());
