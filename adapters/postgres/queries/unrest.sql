-- For whoever waits until all is quiet. Reads whole tables: not for production traffic.

-- name: find_restless
-- Orders that something still has to happen to, though nobody outside has to act.
select o.id, o.status, o.payment_status, o.fulfillment_status, o.version, o.updated_at,
       o.attention ->> 'step' as attention,
       exists (select from order_requests r where r.order_id = o.id and r.answer is null) as is_asked,
       o.status = 'confirmed' and o.carrier <> 'merchant' and s.released_at is null as awaits_release
  from orders o join shipments s on s.order_id = o.id
 where o.status in ('pending', 'compensating')
    or o.attention is not null
    or (o.status = 'confirmed' and o.carrier <> 'merchant' and s.released_at is null)
    or exists (select from order_requests r where r.order_id = o.id and r.answer is null)
 order by o.id limit :limit;

-- name: read_endings
-- The orders of a run, by the references that their buyers gave.
select o.id, o.metadata ->> 'reference' as reference, o.status, o.payment_status,
       o.failure ->> 'code' as reason, o.created_at, o.updated_at
  from orders o
 where starts_with(o.metadata ->> 'reference', :run)
 order by o.id;
