-- Everything that an audit looks at. All of these run in one repeatable-read transaction, so that they tell
-- of one moment. `order_ids`: only these orders; null: all of them.

-- name: let_statements_take_long!
-- For this transaction only: reading everything takes longer than anything the service does.
select set_config('statement_timeout', :milliseconds, true),
       set_config('idle_in_transaction_session_timeout', :milliseconds, true);

-- name: read_moment$
-- When this look was taken, by the clock that wrote the rows.
select now();

-- name: read_orders
-- Every order as its row has it.
select o.id, o.tenant, o.currency, o.total, o.status, o.payment_status, o.fulfillment_status, o.version,
       o.deadline, o.updated_at, o.carrier, o.failure, o.attention, o.paid_at, o.confirmed_at,
       o.shipped_at, o.delivered_at, o.completed_at, d.decision, s.id as shipment_id, s.tracking_number
  from orders o
  left join decisions d on d.order_id = o.id
  left join shipments s on s.order_id = o.id
 where :order_ids::text[] is null or o.id = any (:order_ids::text[])
 order by o.id;

-- name: read_demand
-- What each order asks for, a SKU once.
select order_id, sku, sum(quantity)::bigint as quantity from order_lines
 where :order_ids::text[] is null or order_id = any (:order_ids::text[])
 group by order_id, sku;

-- name: read_payments
-- Every payment, with the reference that its provider knows it by.
select order_id, id, method, amount, status, captured, refunded, provider_ref, failure_code from payments
 where :order_ids::text[] is null or order_id = any (:order_ids::text[])
 order by order_id, position;

-- name: read_history
-- Every event, in the order of each history.
select order_id, sequence, type, machine, from_state, to_state, data, occurred_at from order_events
 where :order_ids::text[] is null or order_id = any (:order_ids::text[])
 order by order_id, sequence;

-- name: read_reservations
-- What each order holds, took, or gave back.
select order_id, sku, quantity, state from reservations
 where :order_ids::text[] is null or order_id = any (:order_ids::text[]);

-- name: read_fence
-- Which steps were begun and undone, and how they voted.
select order_id, step, generation, op, vote ->> 'answer' as answer from fence
 where :order_ids::text[] is null or order_id = any (:order_ids::text[]);

-- name: read_open_requests
-- What was asked and not answered yet.
select order_id, kind, requested_at from order_requests
 where answer is null and (:order_ids::text[] is null or order_id = any (:order_ids::text[]));

-- name: read_ledger_of_orders
-- What each order moved: onto `held`, and onto what can be spent.
select e.order_id,
       coalesce(sum(e.amount) filter (where a.kind = 'held'), 0)::bigint as held,
       coalesce(sum(e.amount) filter (where a.kind in ('credit', 'voucher')), 0)::bigint as spendable
  from ledger_entries e join ledger_accounts a on a.id = e.account_id
 where e.order_id is not null
   and (:order_ids::text[] is null or e.order_id = any (:order_ids::text[]))
 group by e.order_id;

-- name: read_stock
-- With what open reservations there are of each SKU, also of one that is not in stock at all.
select coalesce(s.tenant, r.tenant) as tenant, coalesce(s.sku, r.sku) as sku,
       coalesce(s.on_hand, 0) as on_hand, coalesce(s.available, 0) as available,
       coalesce(s.reserved, 0) as reserved, coalesce(r.quantity, 0) as open_reservations
  from stock s
  full join (select tenant, sku, sum(quantity)::bigint as quantity
               from reservations where state = 'reserved' group by tenant, sku) r
    on r.tenant = s.tenant and r.sku = s.sku;

-- name: read_accounts
-- What can be spent, with the sum of its entries.
select a.tenant, a.kind, a.owner, a.currency, a.balance, coalesce(e.amount, 0) as entries
  from ledger_accounts a
  left join (select account_id, sum(amount)::bigint as amount from ledger_entries group by account_id) e
    on e.account_id = a.id
 where a.balance is not null;

-- name: read_transfers
-- Each transfer's entries in one sum: it has to be zero.
select e.transfer, a.currency, sum(e.amount)::bigint as total
  from ledger_entries e join ledger_accounts a on a.id = e.account_id
 group by e.transfer, a.currency;
