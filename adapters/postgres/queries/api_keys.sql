-- name: add_key!
-- Only the hash: the key itself is shown once.
insert into api_keys (id, tenant, name, key_hash, scopes, expires_at, requests_per_s, open_orders)
values (:id, :tenant, :name, :key_hash, :scopes, now() + :expires_in::interval, :requests_per_s, :open_orders);

-- name: rotate_key^
-- A second key with all that the first may do. The first ends when both have worked for a while, or before, as
-- it would have. No row: no such key, or it does not work any more.
with old as (
    update api_keys set expires_at = least(expires_at, now() + :overlap::interval)
     where id = :old_id and revoked_at is null and (expires_at is null or expires_at > now())
 returning tenant, name, scopes, requests_per_s, open_orders, expires_at
), added as (
    insert into api_keys (id, tenant, name, key_hash, scopes, expires_at, requests_per_s, open_orders)
    select :id, tenant, name, :key_hash, scopes, now() + :expires_in::interval, requests_per_s, open_orders
      from old
)
select expires_at from old;

-- name: find_key^
-- Whose key this is, if it is one that still works; and for how long it will.
select id, tenant, scopes, requests_per_s, open_orders,
       extract(epoch from expires_at - now())::double precision as ends_in_s
  from api_keys
 where key_hash = :key_hash and revoked_at is null and (expires_at is null or expires_at > now());

-- name: list_keys
-- A tenant's keys, oldest first, without what would open anything.
select id, tenant, name, scopes, created_at, expires_at, revoked_at, last_used_at from api_keys
 where :tenant::text is null or tenant = :tenant
 order by created_at, id;

-- name: revoke_key$
-- From now on it opens nothing. No row: no such key.
update api_keys set revoked_at = coalesce(revoked_at, now()) where id = :id returning id;

-- name: note_uses!
-- Those keys were used; nothing is written for one of which that was said a minute ago.
update api_keys k set last_used_at = now()
  from (select id from api_keys
         where id = any(:ids) and (last_used_at is null or last_used_at < now() - :coarseness::interval)
         order by id for update) as due
 where k.id = due.id;
