-- name: fan_out!
-- A delivery for each event and each endpoint that wants it, and a lane for each of their orders. The lane is
-- locked even where it is there: whoever takes its last delivery away would take it, too.
with heard as (
    select * from unnest(:tenants::text[], :order_ids::text[], :sequences::int[], :types::text[])
               as e (tenant, order_id, sequence, type)
), added as (
    insert into webhook_deliveries (endpoint_id, order_id, sequence, type)
    select p.id, e.order_id, e.sequence, e.type
      from heard e
      join webhook_endpoints p on p.tenant = e.tenant and p.disabled_at is null and p.deleted_at is null
     where exists (select from unnest(p.event_types) as f
                    where f in ('*', e.type) or (f like '%.*' and starts_with(e.type, left(f, -1))))
     order by e.order_id, e.sequence
        on conflict do nothing
    returning endpoint_id, order_id
), opened as (
    insert into webhook_lanes as l (endpoint_id, order_id)
    select distinct endpoint_id, order_id from added order by endpoint_id, order_id
        on conflict (endpoint_id, order_id) do update set due_at = l.due_at
    returning true
)
select pg_notify('webhooks_due', '') from opened limit 1;

-- name: claim
-- Lanes whose time has come, of each endpoint as many as there is room for; no endpoint is always the first.
with chosen as (
    select l.endpoint_id, l.order_id
      from (select id from webhook_endpoints
             where disabled_at is null and deleted_at is null order by random()) as e
      left join unnest(:busy_ids::text[], :busy_counts::int[]) as b (id, count) on b.id = e.id
     cross join lateral (
           select endpoint_id, order_id from webhook_lanes
            where endpoint_id = e.id and due_at <= now()
            order by due_at limit greatest(0, :per_endpoint::int - coalesce(b.count, 0))
              for update skip locked) as l
     limit :room
)
update webhook_lanes l set claim = gen_random_uuid(), due_at = now() + make_interval(secs => :lease_s)
  from chosen c
 where l.endpoint_id = c.endpoint_id and l.order_id = c.order_id
returning l.endpoint_id, l.order_id, l.claim;

-- name: read_claimed
-- The first delivery of each claimed lane, with all that it takes to send it. After the claim, in a statement of
-- its own: it sees what was done before the lane was given back.
select c.endpoint_id, c.claim, d.number, d.tries, e.url, s.secrets,
       o.tenant, v.order_id, v.sequence, v.type, v.machine, v.from_state, v.to_state, v.data, v.occurred_at,
       v.recorded_at
  from unnest(:endpoint_ids::text[], :order_ids::text[], :claims::uuid[]) as c (endpoint_id, order_id, claim)
 cross join lateral (
       select number, sequence, tries from webhook_deliveries
        where endpoint_id = c.endpoint_id and order_id = c.order_id and status = 'pending'
        order by sequence limit 1) as d
  join webhook_endpoints e on e.id = c.endpoint_id and e.deleted_at is null
  join orders o on o.id = c.order_id
  join order_events v on v.order_id = c.order_id and v.sequence = d.sequence
 cross join lateral (
       select array(select secret from webhook_secrets
                     where endpoint_id = c.endpoint_id and (ends_at is null or ends_at > now())
                     order by created_at desc limit :most_secrets) as secrets) as s;

-- name: due_in_s$
-- In how long the next lane is due, of endpoints that have room for it; null: none waits.
select extract(epoch from min(l.due_at) - clock_timestamp())::float8
  from webhook_endpoints e
 cross join lateral (
       select due_at from webhook_lanes where endpoint_id = e.id order by due_at limit 1) as l
 where e.disabled_at is null and e.deleted_at is null and not e.id = any(:full_ids::text[]);

-- name: lock_lane$
-- No row: somebody else has claimed it meanwhile, or its endpoint is gone.
select true from webhook_lanes
 where endpoint_id = :endpoint_id and order_id = :order_id and claim = :claim for update;

-- name: settle!
-- What came of one try; its lane goes on with what is pending, or goes. Only by who has the lane locked.
with settled as (
    update webhook_deliveries
       set status = :status, tries = tries + 1, last_tried_at = now(),
           ended_at = case when :status <> 'pending' then now() end,
           http_status = :http_status, error = :error, excerpt = :excerpt
     where number = :number
), health as (
    update webhook_endpoints set failing_since = case when :error::text is not null then now() end
     where id = :endpoint_id and (failing_since is null) = (:error::text is not null)
), left_over as (
    select :status = 'pending' or exists (
           select from webhook_deliveries
            where endpoint_id = :endpoint_id and order_id = :order_id and status = 'pending'
              and number <> :number) as any_left
), kept as (
    update webhook_lanes set claim = null, due_at = now() + make_interval(secs => :again_in_s)
     where endpoint_id = :endpoint_id and order_id = :order_id and (select any_left from left_over)
)
delete from webhook_lanes
 where endpoint_id = :endpoint_id and order_id = :order_id and not (select any_left from left_over);

-- name: clean_ended$
-- What has ended long ago, oldest first, in small bites.
with gone as (
    delete from webhook_deliveries
     where number in (select number from webhook_deliveries
                       where status <> 'pending' and ended_at < now() - make_interval(secs => :kept_s)
                       order by ended_at limit :limit)
    returning true
)
select count(*) from gone;

-- name: clean_deleted$
-- What is left of deleted endpoints, in small bites.
with lanes as (
    delete from webhook_lanes
     where (endpoint_id, order_id) in (
           select l.endpoint_id, l.order_id from webhook_lanes l
             join webhook_endpoints e on e.id = l.endpoint_id
            where e.deleted_at is not null limit :limit)
    returning true
), deliveries as (
    delete from webhook_deliveries
     where number in (select d.number from webhook_deliveries d
                        join webhook_endpoints e on e.id = d.endpoint_id
                       where e.deleted_at is not null limit :limit)
    returning true
)
select greatest((select count(*) from lanes), (select count(*) from deliveries));

-- name: clean_endpoints!
-- Deleted ones of which nothing is left, long after the last fan-out may have seen them.
delete from webhook_endpoints e
 where e.deleted_at < now() - interval '1 hour'
   and not exists (select from webhook_deliveries where endpoint_id = e.id)
   and not exists (select from webhook_lanes where endpoint_id = e.id);
