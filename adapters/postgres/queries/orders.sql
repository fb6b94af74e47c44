-- name: accept_order^
-- Everything that an order is when it begins, in one statement, however many lines it has.
with accepted as (
    insert into orders (id, tenant, customer_id, currency, total, shipping_fee, country, carrier, service,
                        status, payment_status, fulfillment_status, metadata, deadline, version)
    values (:order_id, :tenant, :customer_id, :currency, :total, :shipping_fee, :country, :carrier, :service,
            :status, :payment_status, :fulfillment_status, :metadata, :deadline, :version)
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
    values (:order_id, :version, :type, :machine, :from_state, :to_state, :data, :occurred_at)
), told as (
    insert into outbox (order_id, sequence) values (:order_id, :version)
)
select pg_notify('order_changed',
                 concat_ws(' ', :order_id::text, :version::int, :status::text, :payment_status::text));

-- name: read_orders
-- Orders with all that the API shows of them; those of another tenant are not there.
select o.*, c.customer, c.shipping_address,
       s.id as shipment_id, s.tracking_number, s.tracking_status, s.estimated_at,
       (select json_agg(json_build_object('sku', l.sku, 'quantity', l.quantity, 'unit_price', l.unit_price,
                                          'tax', l.tax) order by l.line)
          from order_lines l where l.order_id = o.id) as lines,
       (select coalesce(json_agg(json_build_object(
                   'id', p.id, 'method', p.method, 'status', p.status, 'amount', p.amount,
                   'captured', p.captured, 'refunded', p.refunded, 'next_action', p.next_action)
                   order by p.position), '[]')
          from payments p where p.order_id = o.id) as payments
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
-- The whole history. No row at all: no such order of this tenant.
select e.sequence, e.type, e.machine, e.from_state, e.to_state, e.data, e.occurred_at, e.recorded_at
  from orders o join order_events e on e.order_id = o.id
 where o.tenant = :tenant and o.id = :order_id
 order by e.sequence;

-- name: read_launch^
-- What an order's workflow is started with.
select o.id, o.tenant, o.customer_id, o.currency, o.total, o.country, o.carrier, o.service, o.deadline,
       s.id as shipment_id,
       exists (select from fence f where f.order_id = o.id) as is_resumed,
       (select sum(l.quantity)::bigint from order_lines l where l.order_id = o.id) as units,
       (select coalesce(json_agg(json_build_object('id', p.id, 'method', p.method, 'amount', p.amount)
                                 order by p.position), '[]')
          from payments p where p.order_id = o.id) as payments
  from orders o join shipments s on s.order_id = o.id
 where o.id = :order_id;

-- name: find_unstarted
-- Undecided orders of which nothing is known but what was asked of them: nobody drives them.
select o.id from orders o
 where o.status in ('pending', 'compensating')
   and o.created_at < now() - make_interval(secs => :older_than_s)
   and not exists (select from order_events e
                    where e.order_id = o.id
                      and e.type not in ('order.accepted', 'payments.added', 'cancel.requested'))
 order by o.id limit :limit;

-- name: find_undecided
-- Undecided orders that have not moved for a while, a page of them by id: is somebody driving them?
select id from orders
 where status in ('pending', 'compensating') and id > :after
   and updated_at < now() - make_interval(secs => :older_than_s)
 order by id limit :limit;
