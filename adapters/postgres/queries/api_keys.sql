-- name: add_key!
-- Only the hash: the key itself is shown once.
insert into api_keys (id, tenant, name, key_hash, scopes) values (:id, :tenant, :name, :key_hash, :scopes);

-- name: find_key^
-- Whose key this is, if it is one and was not revoked.
select id, tenant, scopes from api_keys where key_hash = :key_hash and revoked_at is null;

-- name: list_keys
-- A tenant's keys, oldest first, without what would open anything.
select id, tenant, name, scopes, created_at, revoked_at from api_keys
 where :tenant::text is null or tenant = :tenant
 order by created_at, id;

-- name: revoke_key$
-- From now on it opens nothing. No row: no such key, or revoked before.
update api_keys set revoked_at = coalesce(revoked_at, now()) where id = :id returning id;
