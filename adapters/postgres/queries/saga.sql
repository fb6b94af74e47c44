-- name: write_decision$
-- The pivot: one row an order, by whoever comes first. No row back: it was written before.
insert into decisions (order_id, decision, failure) values (:order_id, :decision, :failure)
on conflict do nothing
returning decision;

-- name: read_decision^
-- What was decided, by whomever; why is null for a confirm.
select decision, failure from decisions where order_id = :order_id;

-- name: answer_cancels!
-- Every open one gets the same answer.
update order_requests set answer = :answer, answered_at = now()
 where order_id = :order_id and kind = 'cancel' and answer is null;

-- name: answer_open!
-- Whatever nobody answered, of an order that ends. A word for a refund is for the refund's own workflow still.
update order_requests
   set answer = case kind when 'cancel' then :cancel when 'pay' then 'refused' else 'accepted' end,
       answered_at = now()
 where order_id = :order_id and answer is null
   and not (kind = 'attention' and starts_with(body ->> 'step', 'refund:'));

-- name: read_payment^
-- One payment at a provider, with what its gateway needs to know of its order.
select p.id, p.order_id, p.method, p.token, p.amount, p.status, p.captured, p.refunded, p.provider_ref,
       o.currency, o.customer_id
  from payments p join orders o on o.id = p.order_id
 where p.id = :payment_id;

-- name: keep_reference$
-- Under the order's lock, unless the step was undone: then nothing may be asked by this reference.
-- From here on the payment goes by it; the buyer's token has done its work.
update payments p set provider_ref = coalesce(provider_ref, :reference), token = null
 where p.id = :payment_id
   and not exists (select from fence f
                    where f.order_id = :order_id and f.step = :step and f.generation = :generation
                      and f.op = 'undo')
returning provider_ref;

-- name: set_waiting!
-- What the payer has to do, and until when; null when he has done it, or need not any more.
update payments set next_action = :next_action, expires_at = :expires_at
 where id = :payment_id
   and (next_action, expires_at) is distinct from (:next_action::jsonb, :expires_at::timestamptz);

-- name: was_disputed$
-- Whether history has it that this payment's bank asks for its money.
select exists (select from order_events
                where order_id = :order_id and type = 'payment.disputed'
                  and data ->> 'payment_id' = :payment_id::text);

-- name: read_parcel^
-- What a carrier is told of a parcel: nothing personal.
select s.id, s.order_id, s.carrier, s.service, o.country
  from shipments s join orders o on o.id = s.order_id
 where s.id = :shipment_id;

-- name: set_tracking_number!
-- The carrier's name for the parcel; the same for every booking by its key.
update shipments set tracking_number = :tracking_number where id = :shipment_id;

-- name: set_released!
-- The first time counts.
update shipments set released_at = coalesce(released_at, now()) where id = :shipment_id;

-- name: set_parcel_canceled!
-- The first time counts.
update shipments set canceled_at = coalesce(canceled_at, now()) where id = :shipment_id;

-- name: lock_status$
-- The order's lock, and its status as it is under it: a statement that waited for a row sees it fresh.
select status from orders where id = :order_id for update;
