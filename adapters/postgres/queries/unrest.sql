-- For whoever waits until all is quiet. Reads whole tables: not for production traffic.

-- name: find_restless
-- Orders that something still has to happen to, though nobody outside has to act. One that is confirmed, shipped
-- or delivered waits for its carrier, its buyer or its window, and a return for its goods: they are at rest.
with mail as materialized (
    select coalesce(i.order_id, p.order_id, r.order_id, s.order_id) as order_id
      from inbox i
      left join payments p on i.order_id is null and i.subject = 'payment:' || p.id
      left join payments r on i.order_id is null and i.subject = 'reference:' || r.provider_ref
      left join shipments s on i.order_id is null and i.subject = 'tracking:' || s.tracking_number
                           and s.carrier in (split_part(i.source, '/', 2), 'merchant')
     where i.delivered_at is null
), looked_at as (
    select o.id, o.status, o.payment_status, o.fulfillment_status, o.version, o.updated_at,
           o.attention ->> 'step' as attention,
           exists (select from order_requests r where r.order_id = o.id and r.answer is null) as is_asked,
           o.status = 'confirmed' and o.carrier <> 'merchant' and s.released_at is null as awaits_release,
           exists (select from refunds f where f.order_id = o.id and f.refunded_at is null)
           or exists (select from returns t where t.order_id = o.id and t.status = 'received') as gives_back,
           exists (select from mail m where m.order_id = o.id) as has_mail,
           o.status in ('confirmed', 'shipped')
           and s.tracking_status in ('return_to_sender', 'returned', 'lost', 'canceled') as comes_back
      from orders o join shipments s on s.order_id = o.id
)
select id, status, payment_status, fulfillment_status, version, updated_at, attention,
       is_asked, awaits_release, gives_back, has_mail, comes_back
  from looked_at
 where status in ('pending', 'compensating') or attention is not null
    or is_asked or awaits_release or gives_back or has_mail or comes_back
 order by id limit :limit;

-- name: read_open_returns
-- Returns whose goods or whose money are still awaited: each has a workflow.
select id from returns where status in ('requested', 'approved', 'received') order by id;

-- name: read_endings
-- The orders of a run, by the references that their buyers gave.
select o.id, o.metadata ->> 'reference' as reference, o.status, o.payment_status,
       o.failure ->> 'code' as reason, o.created_at, o.updated_at
  from orders o
 where starts_with(o.metadata ->> 'reference', :run)
 order by o.id;
