-- name: add_refunds!
-- Under the order's lock, of what is left: so no more goes back of a payment than was taken.
insert into refunds (id, order_id, payment_id, amount, cause, return_id, request_id)
select r.id, :order_id, r.payment_id, r.amount, :cause, :return_id, :request_id
  from unnest(:ids::text[], :payment_ids::text[], :amounts::bigint[]) as r (id, payment_id, amount);

-- name: mark_refunded!
-- The first time counts.
update refunds r set refunded_at = now(), destination = d.destination
  from unnest(:ids::text[], :destinations::text[]) as d (id, destination)
 where r.id = d.id and r.refunded_at is null;

-- name: is_refund_done$
-- By the id that its step is named after. Null: nobody allocated it.
select refunded_at is not null from refunds where id = :id and order_id = :order_id;

-- name: order_of_return$
-- Whose goods come back.
select order_id from returns where id = :return_id;

-- name: order_of_request$
-- Of which order an operator gives some money back.
select order_id from refunds where request_id = :request_id limit 1;
