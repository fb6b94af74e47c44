-- name: claim^
-- The first statement of what a key protects. A row back: it is ours. None: somebody had it before.
-- A twin that is still in its transaction makes this wait for it, for lock_timeout at most.
insert into idempotency_keys (tenant, route, key, body_hash, resource)
values (:tenant, :route, :key, :body_hash, :resource)
on conflict do nothing
returning resource;

-- name: read_claim^
-- What the key made, and for which body.
select body_hash, resource from idempotency_keys where tenant = :tenant and route = :route and key = :key;

-- name: forget_old!
-- In small bites, so that no bite holds up the others.
delete from idempotency_keys
 where (tenant, route, key) in (
       select tenant, route, key from idempotency_keys
        where created_at < now() - make_interval(secs => :older_than_s)
        order by created_at limit :limit);
