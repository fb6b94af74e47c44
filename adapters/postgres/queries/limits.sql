-- name: settle_requests
-- Takes what was used from each bucket, after adding what has come in since. A bucket may go below nothing,
-- where several processes gave away the same tokens: that is paid off first.
-- In the order of their names: two processes never wait for each other in a ring.
insert into request_tokens as b (subject, tokens, burst, per_s, settled_at)
select u.subject, u.burst - u.used, u.burst, u.per_s, clock_timestamp()
  from unnest(:subjects::text[], :used::float8[], :bursts::float8[], :rates::float8[])
       as u (subject, used, burst, per_s)
 order by u.subject
on conflict (subject) do update
   set tokens = least(excluded.burst,
                      b.tokens + excluded.per_s
                          * greatest(0, extract(epoch from excluded.settled_at - b.settled_at)::float8))
                - (excluded.burst - excluded.tokens),
       burst = excluded.burst, per_s = excluded.per_s, settled_at = excluded.settled_at
returning b.subject, b.tokens;

-- name: lock_open_orders^
-- Whoever counts a tenant's open orders in order to add one goes alone.
select pg_advisory_xact_lock(hashtextextended('open orders of ' || :tenant, 0));

-- name: count_open_orders^
-- How many are open: those whose workflow still runs. Each is counted up to its cap only; a cap of 0: not at all.
select (select count(*) from (
            select from orders
             where key_id = :key_id
               and status in ('pending', 'compensating', 'confirmed', 'shipped', 'delivered')
             limit :key_cap::bigint) as k) as of_key,
       (select count(*) from (
            select from orders
             where tenant = :tenant
               and status in ('pending', 'compensating', 'confirmed', 'shipped', 'delivered')
             limit :tenant_cap::bigint) as t) as of_tenant;
