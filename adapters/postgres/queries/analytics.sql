-- name: read_courses
-- What a tenant's newest orders went through on one machine, and when; with what each buyer was told first of its
-- arrival. An order's part of the history is found by its primary key, so a tenant of any size costs the same.
select n.status, extract(epoch from n.created_at)::float8 as placed_at_s, c.states, c.entered_at_s,
       extract(epoch from p.estimated_at)::float8 as promised_at_s
  from (select id, status, created_at from orders where tenant = :tenant order by id desc limit :most) n
 cross join lateral (
       select array_agg(e.to_state order by e.sequence) as states,
              array_agg(extract(epoch from e.occurred_at)::float8 order by e.sequence) as entered_at_s
         from order_events e where e.order_id = n.id and e.machine = :machine and e.to_state is not null) c
  left join lateral (
       select t.estimated_at
         from shipments s join tracking_events t on t.shipment_id = s.id
        where s.order_id = n.id and t.estimated_at is not null
        order by t.recorded_at limit 1) p on :machine = 'status';

-- name: read_parcel_courses
-- The same of their parcels, as carriers told it; whoever folds it puts it in order.
select n.status, extract(epoch from n.created_at)::float8 as placed_at_s, c.states, c.entered_at_s,
       null::float8 as promised_at_s
  from (select id, status, created_at from orders where tenant = :tenant order by id desc limit :most) n
 cross join lateral (
       select array_agg(t.status) as states,
              array_agg(extract(epoch from t.occurred_at)::float8) as entered_at_s
         from shipments s join tracking_events t on t.shipment_id = s.id
        where s.order_id = n.id) c;

-- name: read_past_orders
-- The newest of what a tenant imported.
select reference, status, purchased_at, approved_at, handed_to_carrier_at, delivered_at, promised_by
  from past_orders where tenant = :tenant
 order by purchased_at desc limit :most;

-- name: import_past_orders
-- One row back for each that was not known, or not so. All of them have references of their own.
insert into past_orders as p (tenant, reference, status, purchased_at, approved_at, handed_to_carrier_at,
                              delivered_at, promised_by)
select :tenant, g.*
  from unnest(:references::text[], :statuses::text[], :purchased::timestamptz[], :approved::timestamptz[],
              :handed::timestamptz[], :delivered::timestamptz[], :promised::timestamptz[]) as g
    on conflict (tenant, reference) do update
   set status = excluded.status, purchased_at = excluded.purchased_at, approved_at = excluded.approved_at,
       handed_to_carrier_at = excluded.handed_to_carrier_at, delivered_at = excluded.delivered_at,
       promised_by = excluded.promised_by, imported_at = now()
 where (p.status, p.purchased_at, p.approved_at, p.handed_to_carrier_at, p.delivered_at, p.promised_by)
       is distinct from (excluded.status, excluded.purchased_at, excluded.approved_at,
                         excluded.handed_to_carrier_at, excluded.delivered_at, excluded.promised_by)
returning (xmax = 0) as is_new;

-- name: read_standing^
-- Where an order is, since when (no earlier than it came to any state before: clocks disagree), and what its
-- buyer was told first of its arrival. No row: this tenant has no such order.
select o.status,
       (select max(e.occurred_at) from order_events e
         where e.order_id = o.id and e.machine = 'status') as since,
       (select t.estimated_at
          from shipments s join tracking_events t on t.shipment_id = s.id
         where s.order_id = o.id and t.estimated_at is not null
         order by t.recorded_at limit 1) as promised_at
  from orders o where o.tenant = :tenant and o.id = :order_id;

-- name: read_overdue
-- Orders that have been in their state for longer than its limit, the furthest beyond it first. Who came to a
-- state so long ago was also placed so long ago, so of the newer ones no history is read.
select o.id, o.status, e.since, l.limit_s
  from unnest(:states::text[], :limits_s::float8[]) as l (status, limit_s)
  join orders o on o.tenant = :tenant and o.status = l.status
   and o.created_at < now() - make_interval(secs => l.limit_s)
 cross join lateral (
       select max(h.occurred_at) as since from order_events h
        where h.order_id = o.id and h.machine = 'status') e
 where e.since < now() - make_interval(secs => l.limit_s)
 order by extract(epoch from now() - e.since) / greatest(l.limit_s, 1) desc, o.id
 limit :limit;
