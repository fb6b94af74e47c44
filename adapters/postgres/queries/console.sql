-- name: placed_lately
-- How many of a tenant's orders came in, and are decided by now, in slices of the last minutes; 0 is the newest.
-- `oldest` is the least id that an order of that time can have.
select floor(extract(epoch from now() - created_at) / :slice_s::float8)::int as slice,
       count(*) as placed, count(*) filter (where status <> 'pending') as decided
  from orders
 where tenant = :tenant and id >= :oldest
   and created_at > now() - make_interval(secs => :window_s) and created_at <= now()
 group by 1;

-- name: count_in_states
-- How many orders are in each of these states; no more than `most` are counted.
select s.status, (select count(*) from (select from orders o
                                         where o.tenant = :tenant and o.status = s.status limit :most) c) as orders
  from unnest(:statuses::text[]) as s (status);

-- name: count_in_attention$
-- How many need a person; no more than `most` are counted.
select count(*) from (select from orders where tenant = :tenant and attention is not null limit :most) c;

-- name: oldest_waiting
-- Of those who are waited for: since when the longest, and of how many. Looks at the oldest orders of each state,
-- whose ids an index has.
with oldest as (
    select i.id from unnest(:statuses::text[]) as s (status) cross join lateral (
           select id from orders where tenant = :tenant and status = s.status order by id limit :most) i
), seen as (
    select w.id, w.waiting_for, w.updated_at
      from orders_waiting w where w.id = any (array(select id from oldest))
)
select distinct on (waiting_for) waiting_for, id as order_id, updated_at as since,
       count(*) over (partition by waiting_for) as orders
  from seen order by waiting_for, updated_at, id;

-- name: failing_endpoints
-- Where webhooks do not arrive, and how much waits for them.
select e.id, e.url, e.failing_since, e.disabled_at, d.pending
  from webhook_endpoints e cross join lateral (
       select count(*) as pending from (
              select from webhook_deliveries d
               where d.endpoint_id = e.id and d.status = 'pending' limit :most) p) d
 where e.tenant = :tenant and e.deleted_at is null and (e.failing_since is not null or d.pending > 0)
 order by e.failing_since nulls last, e.id;

-- name: list_parked
-- Events of a tenant's orders that a sink does not take, the longest waiting first.
select p.sink, p.order_id, p.sequence, p.error, p.tries, p.parked_at, p.next_try_at,
       (select e.type from order_events e where e.order_id = p.order_id and e.sequence = p.sequence) as type
  from relay_parked p join orders o on o.id = p.order_id
 where o.tenant = :tenant order by p.parked_at, p.sink, p.order_id limit :limit;

-- name: search
-- Ids of a tenant's orders, newest first, that have this text as their id, customer, reference, tracking number or
-- as a SKU: each by an index of its own. Of what matches, at most the tenant's newest `most` of a kind are looked at.
with found as (
    select id from orders where id = :text
    union (select id from orders where tenant = :tenant and customer_id = :text and id < :before
            order by id desc limit :most)
    union (select id from orders where tenant = :tenant and metadata ->> 'reference' = :text and id < :before
            order by id desc limit :most)
    union select order_id from shipments where tracking_number = :text
    union (select l.order_id from order_lines l join orders s on s.id = l.order_id
            where l.sku = :text and s.tenant = :tenant and l.order_id < :before
            order by l.order_id desc limit :most)
)
select o.id from orders o
 where o.id = any (array(select id from found)) and o.tenant = :tenant and o.id < :before and o.id >= :oldest
   and (:status::text is null or o.status = :status)
   and (:payment_status::text is null or o.payment_status = :payment_status)
   and (:fulfillment_status::text is null or o.fulfillment_status = :fulfillment_status)
   and (:attention::bool is null or (o.attention is not null) = :attention)
   and (:created_after::timestamptz is null or o.created_at > :created_after)
   and (:waiting_for::text is null
        or exists (select from orders_waiting w where w.id = o.id and w.waiting_for = :waiting_for))
 order by o.id desc limit :limit;

-- name: list_waiting
-- A page of the orders that wait for somebody, newest first: the newest of each state, put together.
select w.id from unnest(:statuses::text[]) as s (status) cross join lateral (
       select id from orders_waiting
        where tenant = :tenant and status = s.status and waiting_for = :waiting_for
          and id < :before and id >= :oldest
          and (:payment_status::text is null or payment_status = :payment_status)
          and (:fulfillment_status::text is null or fulfillment_status = :fulfillment_status)
          and (:attention::bool is null or (attention is not null) = :attention)
          and (:created_after::timestamptz is null or created_at > :created_after)
        order by id desc limit :limit) w
 order by w.id desc limit :limit;
