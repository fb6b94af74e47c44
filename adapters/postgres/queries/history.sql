-- name: lock_order$
-- Steps of one order go one by one: this lock comes before anything else of the order is looked at.
select id from orders where id = :order_id for update;

-- name: read_locked_order^
-- All that a step of our site looks at. A statement of its own, after the lock: in READ COMMITTED a
-- statement that waited for a row sees that row fresh, but every other table as it was before the wait.
select o.*,
       (select coalesce(json_agg(p order by p.position), '[]') from payments p where p.order_id = o.id)
           as payments,
       (select coalesce(json_agg(json_build_object('sku', l.sku, 'quantity', l.quantity) order by l.sku), '[]')
          from (select sku, sum(quantity)::bigint as quantity
                  from order_lines where order_id = o.id group by sku) l)
           as demand,
       (select to_json(s) from shipments s where s.order_id = o.id) as shipment,
       (select count(*) from reservations v where v.order_id = o.id and v.state = 'reserved') as reserved,
       exists (select from order_requests r
                where r.order_id = o.id and r.kind = 'cancel' and r.answer is null)
           as cancel_requested
  from orders o
 where o.id = :order_id;

-- name: record^
-- What happened to a locked order, in one statement: its row, its payments' sums, history, outbox.
-- version + n and sequences version + 1 … version + n are the same numbers: history has no gaps.
with moved as (
    update orders
       set status = :status, payment_status = :payment_status, fulfillment_status = :fulfillment_status,
           failure = :failure, attention = :attention, version = version + cardinality(:types::text[]),
           paid_at = :paid_at, confirmed_at = :confirmed_at, shipped_at = :shipped_at,
           delivered_at = :delivered_at, completed_at = :completed_at, updated_at = now()
     where id = :order_id and version = :version_before
 returning id, version, status, payment_status
), paid as (
    update payments p
       set status = n.status, captured = n.captured, refunded = n.refunded, failure_code = n.failure_code
      from unnest(:payment_ids::text[], :payment_states::text[], :captured::bigint[], :refunded::bigint[],
                  :failure_codes::text[]) as n (id, status, captured, refunded, failure_code)
     where p.id = n.id
), written as (
    insert into order_events (order_id, sequence, type, machine, from_state, to_state, data, occurred_at)
    select moved.id, :version_before + f.n, f.type, f.machine, f.from_state, f.to_state, f.data, :occurred_at
      from moved,
           unnest(:types::text[], :machines::text[], :from_states::text[], :to_states::text[], :data::jsonb[])
           with ordinality as f (type, machine, from_state, to_state, data, n)
 returning order_id, sequence
), told as (
    insert into outbox (order_id, sequence) select order_id, sequence from written
)
select version, pg_notify('order_changed', concat_ws(' ', id, version, status, payment_status)) from moved;
