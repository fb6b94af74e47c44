-- name: accept_order^
-- Everything that an order is when it begins, in one statement, however many lines it has.
with accepted as (
    insert into orders (id, tenant, key_id, customer_id, currency, total, shipping_fee, country, carrier, service,
                        status, payment_status, fulfillment_status, metadata, deadline, hold, version)
    values (:order_id, :tenant, :key_id, :customer_id, :currency, :total, :shipping_fee, :country, :carrier, :service,
            :status, :payment_status, :fulfillment_status, :metadata, :deadline, :hold, :version)
), listed as (
    insert into order_lines (order_id, line, sku, quantity, unit_price, tax)
    select :order_id, l.n, l.sku, l.quantity, l.unit_price, l.tax
      from unnest(:skus::text[], :quantities::bigint[], :unit_prices::bigint[], :taxes::bigint[])
           with ordinality as l (sku, quantity, unit_price, tax, n)
), asked as (
    insert into payments (id, order_id, position, method, token, amount, status)
    select p.id, :order_id, p.n, p.method, p.token, p.amount, :payment_begins
      from unnest(:payment_ids::text[], :methods::text[], :tokens::text[], :amounts::bigint[])
           with ordinality as p (id, method, token, amount, n)
), parcel as (
    insert into shipments (id, order_id, carrier, service) values (:shipment_id, :order_id, :carrier, :service)
), person as (
    insert into customers_pii (order_id, tenant, customer_id, customer, shipping_address)
    values (:order_id, :tenant, :customer_id, :customer, :shipping_address)
), written as (
    insert into order_events (order_id, sequence, type, machine, from_state, to_state, data, occurred_at)
    select :order_id, f.n, f.type, f.machine, f.from_state, f.to_state, f.data, :occurred_at
      from unnest(:types::text[], :machines::text[], :from_states::text[], :to_states::text[], :data::jsonb[])
           with ordinality as f (type, machine, from_state, to_state, data, n)
 returning order_id, sequence
), told as (
    insert into outbox (order_id, sequence) select order_id, sequence from written
)
select pg_notify('order_changed',
                 concat_ws(' ', :order_id::text, :version::int, :status::text, :payment_status::text));

-- name: read_orders
-- Orders with all that the API shows of them; those of another tenant are not there.
select o.*, c.customer, c.shipping_address,
       (select r.body ->> 'reason' from order_requests r where r.id = o.hold ->> 'request') as hold_reason,
       s.id as shipment_id, s.tracking_number, s.tracking_status, s.estimated_at,
       (select json_agg(json_build_object('sku', l.sku, 'quantity', l.quantity, 'unit_price', l.unit_price,
                                          'tax', l.tax) order by l.line)
          from order_lines l where l.order_id = o.id) as lines,
       (select coalesce(json_agg(json_build_object(
                   'id', p.id, 'method', p.method, 'status', p.status, 'amount', p.amount,
                   'captured', p.captured, 'refunded', p.refunded, 'next_action', p.next_action,
                   'expires_at', p.expires_at)
                   order by p.position), '[]')
          from payments p where p.order_id = o.id) as payments,
       (select coalesce(json_agg(json_build_object(
                   'id', t.id, 'status', t.status, 'reason', t.reason, 'amount', t.amount,
                   'requested_at', t.requested_at,
                   'lines', (select json_agg(json_build_object(
                                        'line', u.line, 'sku', l.sku, 'quantity', u.quantity,
                                        'amount', u.amount) order by u.line)
                               from return_lines u
                               join order_lines l on l.order_id = t.order_id and l.line = u.line
                              where u.return_id = t.id))
                   order by t.requested_at, t.id), '[]')
          from returns t where t.order_id = o.id) as returns,
       (select coalesce(json_agg(json_build_object(
                   'id', f.id, 'payment_id', f.payment_id, 'amount', f.amount, 'cause', f.cause,
                   'return_id', f.return_id, 'created_at', f.created_at, 'refunded_at', f.refunded_at,
                   'destination', f.destination)
                   order by f.created_at, p.position desc), '[]')
          from refunds f join payments p on p.id = f.payment_id where f.order_id = o.id) as refunds,
       (select json_build_object('rating', v.rating, 'comment', v.comment, 'created_at', v.created_at)
          from reviews v where v.order_id = o.id) as review,
       exists (select from order_requests r
                where r.order_id = o.id
                  and (r.kind = 'cancel' and r.answer is null or r.kind = 'decline')) as is_withdrawn
  from orders o
  join shipments s on s.order_id = o.id
  left join customers_pii c on c.order_id = o.id
 where o.tenant = :tenant and o.id = any (:order_ids::text[])
 order by o.id desc;

-- name: list_orders
-- A page of ids, newest first. One statement for each filter with an index of its own, so that also a plan
-- made once for all parameters uses it; the other filters look at the rows it finds.
-- `oldest` is the least id that an order created after `created_after` can have.
select id from orders
 where tenant = :tenant and id < :before and id >= :oldest
   and (:status::text is null or status = :status)
   and (:payment_status::text is null or payment_status = :payment_status)
   and (:fulfillment_status::text is null or fulfillment_status = :fulfillment_status)
   and (:attention::bool is null or (attention is not null) = :attention)
   and (:created_after::timestamptz is null or created_at > :created_after)
 order by id desc limit :limit;

-- name: list_orders_of_customer
-- A page of one customer's orders, newest first.
select id from orders
 where tenant = :tenant and customer_id = :customer_id and id < :before and id >= :oldest
   and (:status::text is null or status = :status)
   and (:payment_status::text is null or payment_status = :payment_status)
   and (:fulfillment_status::text is null or fulfillment_status = :fulfillment_status)
   and (:attention::bool is null or (attention is not null) = :attention)
   and (:created_after::timestamptz is null or created_at > :created_after)
 order by id desc limit :limit;

-- name: list_orders_in_status
-- A page of the orders in one status, newest first.
select id from orders
 where tenant = :tenant and status = :status and id < :before and id >= :oldest
   and (:payment_status::text is null or payment_status = :payment_status)
   and (:fulfillment_status::text is null or fulfillment_status = :fulfillment_status)
   and (:attention::bool is null or (attention is not null) = :attention)
   and (:created_after::timestamptz is null or created_at > :created_after)
 order by id desc limit :limit;

-- name: list_orders_in_attention
-- A page of the orders that need a person, newest first.
select id from orders
 where tenant = :tenant and attention is not null and id < :before and id >= :oldest
   and (:status::text is null or status = :status)
   and (:payment_status::text is null or payment_status = :payment_status)
   and (:fulfillment_status::text is null or fulfillment_status = :fulfillment_status)
   and (:created_after::timestamptz is null or created_at > :created_after)
 order by id desc limit :limit;

-- name: read_events
-- The whole history, with the words that operators wrote, while there are any: they are with their requests.
-- (A customer's own, of why he cancels, are not shown.) No row at all: no such order of this tenant.
select e.sequence, e.type, e.machine, e.from_state, e.to_state,
       e.data || case when r.id is null then '{}'
                      else jsonb_strip_nulls(jsonb_build_object('reason', r.body -> 'reason',
                                                                'note', r.body -> 'note')) end as data,
       e.occurred_at, e.recorded_at
  from orders o join order_events e on e.order_id = o.id
  left join order_requests r on r.id = e.data ->> 'request' and r.kind <> 'cancel'
 where o.tenant = :tenant and o.id = :order_id
 order by e.sequence;

-- name: read_launch^
-- What an order's workflow is started with.
select o.id, o.tenant, o.customer_id, o.currency, o.total, o.country, o.carrier, o.service, o.deadline,
       o.hold, s.id as shipment_id,
       exists (select from fence f where f.order_id = o.id) as is_resumed,
       (select sum(l.quantity)::bigint from order_lines l where l.order_id = o.id) as units,
       (select coalesce(json_agg(json_build_object('id', p.id, 'method', p.method, 'amount', p.amount)
                                 order by p.position), '[]')
          from payments p where p.order_id = o.id) as payments
  from orders o join shipments s on s.order_id = o.id
 where o.id = :order_id;

-- name: find_unstarted
-- Orders of which nothing is known but what was asked of them: no workflow has begun to work on them.
select id from orders
 where not is_started and created_at < now() - make_interval(secs => :older_than_s)
 order by id limit :limit;

-- name: find_stale
-- Orders that have not moved for a while and have not ended, a page of them by id.
select id from orders
 where status in ('pending', 'compensating', 'confirmed', 'shipped', 'delivered') and id > :after
   and updated_at < now() - make_interval(secs => :older_than_s)
 order by id limit :limit;
