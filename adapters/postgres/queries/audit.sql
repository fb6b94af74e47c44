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
       o.deadline, o.updated_at, o.shipping_fee, o.carrier, o.failure, o.attention, o.hold, o.paid_at,
       o.confirmed_at, o.shipped_at, o.delivered_at, o.received_at, o.completed_at, d.decision,
       s.id as shipment_id, s.tracking_number, s.tracking_status, s.estimated_at
  from orders o
  left join decisions d on d.order_id = o.id
  left join shipments s on s.order_id = o.id
 where :order_ids::text[] is null or o.id = any (:order_ids::text[])
 order by o.id;

-- name: read_lines
-- What each order asks for.
select order_id, line, sku, quantity, unit_price, tax from order_lines
 where :order_ids::text[] is null or order_id = any (:order_ids::text[])
 order by order_id, line;

-- name: read_payments
-- Every payment, with the reference that its provider knows it by.
select order_id, id, method, amount, status, captured, refunded, provider_ref, failure_code, expires_at
  from payments
 where :order_ids::text[] is null or order_id = any (:order_ids::text[])
 order by order_id, position;

-- name: read_history
-- Every event, in the order of each history; with the notes of operators, which are with their requests.
select e.order_id, e.sequence, e.type, e.machine, e.from_state, e.to_state,
       case when r.body ? 'note' then e.data || jsonb_build_object('note', r.body -> 'note') else e.data end
           as data,
       e.occurred_at, e.recorded_at
  from order_events e
  left join order_requests r on r.id = e.data ->> 'request' and e.type = 'attention.answered'
 where :order_ids::text[] is null or e.order_id = any (:order_ids::text[])
 order by e.order_id, e.sequence;

-- name: read_outbox
-- Events that are kept for those who still have to hear of them.
select order_id, sequence, created_at, position from outbox
 where :order_ids::text[] is null or order_id = any (:order_ids::text[])
 order by order_id, sequence;

-- name: read_parked
-- Who does not take an order's event, and why.
select order_id, sink, sequence, error, parked_at from relay_parked
 where :order_ids::text[] is null or order_id = any (:order_ids::text[])
 order by order_id, sink;

-- name: read_cursors
-- How far each sink has heard.
select sink, partition, position from relay_cursors order by sink, partition;

-- name: read_newest_position$
-- The last that was given, also to an event that is forgotten by now.
select coalesce(pg_sequence_last_value('outbox_position'), 0);

-- name: read_strays
-- Events of orders that do not exist: nothing but a mistake writes them.
select b.order_id, b.sequence from outbox b
 where not exists (select from orders o where o.id = b.order_id)
 order by b.order_id, b.sequence;

-- name: read_reservations
-- What each order holds, took, or gave back.
select order_id, sku, quantity, state, restocked from reservations
 where :order_ids::text[] is null or order_id = any (:order_ids::text[]);

-- name: read_fence
-- Which steps were begun and undone, and how they voted.
select order_id, step, generation, op, vote ->> 'answer' as answer from fence
 where :order_ids::text[] is null or order_id = any (:order_ids::text[]);

-- name: read_open_requests
-- What was asked and not answered yet.
select order_id, kind, requested_at from order_requests
 where answer is null and (:order_ids::text[] is null or order_id = any (:order_ids::text[]));

-- name: read_refunds
-- What goes back of each payment, and what it is for.
select order_id, id, payment_id, amount, cause, return_id, request_id, destination, created_at from refunds
 where :order_ids::text[] is null or order_id = any (:order_ids::text[])
 order by order_id, id;

-- name: read_returns
-- Goods that come back, line by line.
select r.order_id, r.id, r.status, r.amount, r.updated_at,
       (select coalesce(json_agg(json_build_object('line', l.line, 'quantity', l.quantity, 'amount', l.amount)
                                 order by l.line), '[]')
          from return_lines l where l.return_id = r.id) as lines
  from returns r
 where :order_ids::text[] is null or r.order_id = any (:order_ids::text[])
 order by r.order_id, r.id;

-- name: read_sightings
-- All that carriers said of each order's parcel.
select s.order_id, e.event_id, e.status, e.occurred_at, e.estimated_at
  from tracking_events e join shipments s on s.id = e.shipment_id
 where :order_ids::text[] is null or s.order_id = any (:order_ids::text[])
 order by s.order_id, e.event_id;

-- name: read_undelivered_messages
-- What came from outside and its order has not heard of: also where nobody has seen yet whose it is. With the
-- payment that each is about, as it stands now.
select o.id as order_id, i.source, i.type, i.received_at, i.data, o.currency,
       p.id as payment_id, p.method, p.status, p.captured, p.refunded
  from inbox i
  left join payments m on m.id = substring(i.subject from '^payment:(.*)$')
  left join payments r on r.provider_ref = substring(i.subject from '^reference:(.*)$')
  left join payments p on p.id = coalesce(m.id, r.id)
  left join shipments s on i.subject = 'tracking:' || s.tracking_number
                       and s.carrier in (split_part(i.source, '/', 2), 'merchant')
  join orders o on o.id = coalesce(i.order_id, p.order_id, s.order_id)
 where i.delivered_at is null and (:order_ids::text[] is null or o.id = any (:order_ids::text[]))
 order by o.id, i.received_at;

-- name: read_ledger_credits
-- What each transfer of an order brought to a credit or voucher account.
select e.order_id, e.transfer, sum(e.amount)::bigint as amount
  from ledger_entries e join ledger_accounts a on a.id = e.account_id
 where a.kind in ('credit', 'voucher') and e.amount > 0 and e.order_id is not null
   and (:order_ids::text[] is null or e.order_id = any (:order_ids::text[]))
 group by e.order_id, e.transfer;

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
