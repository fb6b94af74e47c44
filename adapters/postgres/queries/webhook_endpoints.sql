-- name: lock_endpoints^
-- Whoever counts a tenant's endpoints in order to add one goes alone.
select pg_advisory_xact_lock(hashtextextended('webhook endpoints of ' || :tenant, 0));

-- name: count_endpoints$
-- How many a tenant has.
select count(*) from webhook_endpoints where tenant = :tenant and deleted_at is null;

-- name: add_endpoint!
-- Told of what happens from now on.
insert into webhook_endpoints (id, tenant, url, description, event_types)
values (:id, :tenant, :url, :description, :event_types);

-- name: end_secrets!
-- They sign beside a new one for a while, or for as long as they would have; what has ended goes.
with gone as (
    delete from webhook_secrets where endpoint_id = :endpoint_id and ends_at <= now()
)
update webhook_secrets set ends_at = least(ends_at, now() + make_interval(secs => :overlap_s))
 where endpoint_id = :endpoint_id and (ends_at is null or ends_at > now());

-- name: add_secret!
-- The newest one.
insert into webhook_secrets (endpoint_id, secret) values (:endpoint_id, :secret);

-- name: read_secrets
-- What signs now, the newest first.
select secret from webhook_secrets
 where endpoint_id = :endpoint_id and (ends_at is null or ends_at > now())
 order by created_at desc limit :limit;

-- name: read_endpoint^
-- One of a tenant's.
select id, url, description, event_types, created_at, disabled_at, disabled_why, failing_since
  from webhook_endpoints where tenant = :tenant and id = :id and deleted_at is null;

-- name: list_endpoints
-- All of a tenant's, oldest first.
select id, url, description, event_types, created_at, disabled_at, disabled_why, failing_since
  from webhook_endpoints where tenant = :tenant and deleted_at is null order by id;

-- name: enable!
-- What waited for it is due as it was; the senders look.
with enabled as (
    update webhook_endpoints set disabled_at = null, disabled_why = null
     where id = :id and disabled_at is not null returning true
)
select pg_notify('webhooks_due', '') from enabled;

-- name: disable!
-- It is told of nothing more. What waits, waits.
update webhook_endpoints set disabled_at = now(), disabled_why = :why where id = :id and disabled_at is null;

-- name: delete_endpoint$
-- Gone for its tenant, and its secrets for everybody; the cleaner takes the rest. No row: there is none.
with deleted as (
    update webhook_endpoints set deleted_at = now()
     where tenant = :tenant and id = :id and deleted_at is null returning id
), forgotten as (
    delete from webhook_secrets s using deleted d where s.endpoint_id = d.id
)
select true from deleted;

-- name: list_deliveries
-- An endpoint's, newest first.
select d.number, d.order_id, d.sequence, d.type, d.status, d.tries, d.created_at, d.last_tried_at, d.ended_at,
       d.http_status, d.error, d.excerpt, l.due_at as next_try_at
  from webhook_deliveries d
  left join webhook_lanes l
         on d.status = 'pending' and l.endpoint_id = d.endpoint_id and l.order_id = d.order_id
 where d.endpoint_id = :endpoint_id and d.number < :before
   and (:status::text is null or d.status = :status)
   and (:order_id::text is null or d.order_id = :order_id)
 order by d.number desc limit :limit;

-- name: read_delivery^
-- One event's.
select d.number, d.order_id, d.sequence, d.type, d.status, d.tries, d.created_at, d.last_tried_at, d.ended_at,
       d.http_status, d.error, d.excerpt, l.due_at as next_try_at
  from webhook_deliveries d
  left join webhook_lanes l
         on d.status = 'pending' and l.endpoint_id = d.endpoint_id and l.order_id = d.order_id
 where d.endpoint_id = :endpoint_id and d.order_id = :order_id and d.sequence = :sequence;

-- name: find_failed
-- Those that were given up since then, some at a time.
select number, order_id from webhook_deliveries
 where endpoint_id = :endpoint_id and status = 'failed' and ended_at >= :since
 order by ended_at limit :limit;

-- name: open_lanes!
-- Something of these orders is to be sent again, at once. Their locks come before those of the deliveries, as
-- where a delivery ends.
insert into webhook_lanes as l (endpoint_id, order_id)
select :endpoint_id, o from (select distinct unnest(:order_ids::text[]) as o) as orders order by o
    on conflict (endpoint_id, order_id) do update
       set due_at = case when l.claim is null then now() else l.due_at end;

-- name: send_again!
-- With all of their tries before them.
with again as (
    update webhook_deliveries set status = 'pending', tries = 0, ended_at = null
     where number = any(:numbers::bigint[]) returning true
)
select pg_notify('webhooks_due', '') from again limit 1;
