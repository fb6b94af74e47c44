-- name: begin_session!
-- An operator signs in.
insert into console_sessions (id_hash, key_id, operator, ends_at)
values (:id_hash, :key_id, :operator, now() + make_interval(secs => :life_s));

-- name: find_session^
-- Whose session this is, while it, and its key, are good; and whether its use should be noted.
select s.operator, s.last_used_at < now() - make_interval(secs => :coarse_s) as is_due,
       k.id, k.tenant, k.scopes, k.requests_per_s, k.open_orders
  from console_sessions s join api_keys k on k.id = s.key_id
 where s.id_hash = :id_hash and s.ends_at > now()
   and s.last_used_at > now() - make_interval(secs => :idle_s)
   and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
   and :scope = any (k.scopes);

-- name: note_use!
-- Somebody looks, or does something.
update console_sessions set last_used_at = now() where id_hash = :id_hash;

-- name: end_session!
-- He signs out.
delete from console_sessions where id_hash = :id_hash;

-- name: forget_sessions!
-- Those that are over.
delete from console_sessions
 where ends_at <= now() or last_used_at <= now() - make_interval(secs => :idle_s);

-- name: add_act!
-- What an operator does, with his name and his reason: in the transaction of what is done.
insert into operator_acts (tenant, key_id, operator, act, order_id, subject, reason)
values (:tenant, :key_id, :operator, :act, :order_id, :subject, :reason);

-- name: list_acts
-- What operators did about an order, oldest first.
select act, operator, key_id, subject, reason, acted_at
  from operator_acts where tenant = :tenant and order_id = :order_id order by id;
