-- name: add_notices!
-- What is to be told; what was told before, or waits for it, is not told again.
insert into notices (order_id, notice, audience, about, sequence)
select * from unnest(:order_ids::text[], :names::text[], :audiences::text[], :abouts::text[], :sequences::int[])
    on conflict (order_id, notice, audience, about) do nothing;

-- name: claim_due
-- Takes what is due for a while: of each order and audience the earliest, so that each hears things in their order.
with taken as (
    select n.id from notices n
     where n.status = 'due' and n.next_try_at <= now()
       and not exists (select from notices e
                        where e.order_id = n.order_id and e.audience = n.audience and e.status = 'due'
                          and e.sequence < n.sequence)
     order by n.next_try_at, n.id limit :limit
       for update of n skip locked
)
update notices n set next_try_at = now() + make_interval(secs => :lease_s)
  from taken t, orders o, order_events e
 where n.id = t.id and o.id = n.order_id and e.order_id = n.order_id and e.sequence = n.sequence
returning n.id, n.order_id, n.notice, n.audience, n.about, n.tries, n.next_try_at as leased_until, o.tenant, e.data,
          e.recorded_at;

-- name: renew_lease
-- Somebody is still at it. What another sender has taken since this lease ended is left out.
update notices n set next_try_at = now() + make_interval(secs => :lease_s)
  from unnest(:ids::bigint[], :leased_until::timestamptz[]) as l (id, leased_until)
 where n.id = l.id and n.next_try_at = l.leased_until and n.status = 'due'
returning n.id, n.next_try_at as leased_until;

-- name: settle!
-- It is told, or never will be.
update notices set status = :status, reason = :reason, done_at = now() where id = :id and status = 'due';

-- name: put_off!
-- It was refused for now.
update notices
   set tries = tries + 1, reason = :reason, next_try_at = now() + make_interval(secs => :again_in_s)
 where id = :id and status = 'due';

-- name: give_up_lease!
-- Nobody takes mail: they wait, and it counts as no try.
update notices set next_try_at = now() where id = any (:ids::bigint[]) and status = 'due';

-- name: forget_notices$
-- What was done long ago, in small bites.
with gone as (
    delete from notices
     where id in (select id from notices where done_at < now() - make_interval(secs => :older_than_s) limit :limit)
 returning id
)
select count(*) from gone;
