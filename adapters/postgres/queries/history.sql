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
       (select coalesce(array_agg(r.kind), '{}') from order_requests r
         where r.order_id = o.id and (r.answer is null or r.kind = 'decline'))
           as asked,
       (select coalesce(json_agg(json_build_object('id', t.id, 'status', t.status) order by t.id), '[]')
          from returns t where t.order_id = o.id)
           as returns,
       (select coalesce(json_agg(json_build_object(
                   'id', f.id, 'payment_id', f.payment_id, 'amount', f.amount, 'cause', f.cause,
                   'return_id', f.return_id, 'request_id', f.request_id,
                   'is_done', f.refunded_at is not null) order by f.created_at, p.position desc), '[]')
          from refunds f join payments p on p.id = f.payment_id where f.order_id = o.id)
           as refunds
  from orders o
 where o.id = :order_id;

-- name: record^
-- What happened to a locked order, in one statement: its row, its payments' sums, its returns, history, outbox.
-- version + n and sequences version + 1 … version + n are the same numbers: history has no gaps.
-- What people ask is stored before a workflow hears of it; anything else is the work of one: it was started.
with moved as (
    update orders
       set status = :status, payment_status = :payment_status, fulfillment_status = :fulfillment_status,
           failure = :failure, attention = :attention, hold = :hold,
           version = version + cardinality(:types::text[]),
           is_started = is_started or not :types::text[] <@ array['payments.added', 'cancel.requested',
                                                                  'hold.placed', 'hold.released'],
           paid_at = :paid_at, confirmed_at = :confirmed_at, shipped_at = :shipped_at,
           delivered_at = :delivered_at, received_at = :received_at, completed_at = :completed_at,
           updated_at = now()
     where id = :order_id and version = :version_before
 returning id, version, status, payment_status
), paid as (
    update payments p
       set status = n.status, captured = n.captured, refunded = n.refunded, failure_code = n.failure_code,
           -- Nobody asks a provider by it any more. A voucher's code says whose the money is.
           token = case when p.method = 'voucher' or n.status not in ('failed', 'voided') then p.token end
      from unnest(:payment_ids::text[], :payment_states::text[], :captured::bigint[], :refunded::bigint[],
                  :failure_codes::text[]) as n (id, status, captured, refunded, failure_code)
     where p.id = n.id
), returned as (
    update returns r set status = n.status, updated_at = now()
      from unnest(:return_ids::text[], :return_states::text[]) as n (id, status)
     where r.id = n.id
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
