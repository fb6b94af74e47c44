-- name: lock_orders
-- All orders of one customer, so that none of them changes while it is erased. Open: somebody still needs what
-- we know of its buyer, for its parcel or for goods on their way back.
select o.id,
       o.status not in ('rejected', 'canceled', 'completed', 'returned')
       or exists (select from returns r
                   where r.order_id = o.id and r.status in ('requested', 'approved', 'received')) as is_open
  from orders o
 where o.tenant = :tenant and o.customer_id = :customer_id
 order by o.id
   for update of o;

-- name: has_account$
-- Whether somebody ever had store credit.
select exists (select from ledger_accounts where tenant = :tenant and kind = 'credit' and owner = :customer_id);

-- name: forget_person!
-- Who the orders were for.
delete from customers_pii where order_id = any (:order_ids::text[]);

-- name: forget_metadata!
-- What the shop noted on them. From now on they say that they are nobody's.
update orders set metadata = '{}', erased_at = now() where id = any (:order_ids::text[]);

-- name: forget_means_of_payment!
-- A voucher's code stays: it says whose account the money came from, and nothing of a person.
update payments set token = case when method = 'voucher' then token end, next_action = null
 where order_id = any (:order_ids::text[]) and (token is not null or next_action is not null);

-- name: forget_requests!
-- Why somebody asked for it.
update order_requests set body = body - array['reason', 'note']
 where order_id = any (:order_ids::text[]) and body ?| array['reason', 'note'];

-- name: forget_acts!
-- Why an operator did something about it.
update operator_acts set reason = '' where order_id = any (:order_ids::text[]) and reason <> '';

-- name: forget_returns!
-- Why goods came back.
update returns set reason = '' where order_id = any (:order_ids::text[]) and reason <> '';

-- name: forget_reviews!
-- What was said of it; the stars are nobody's.
update reviews set comment = '' where order_id = any (:order_ids::text[]) and comment <> '';

-- name: forget_sightings!
-- Where the parcel was seen, at whose door.
update tracking_events e set location = null, detail = null
  from shipments s
 where s.order_id = any (:order_ids::text[]) and e.shipment_id = s.id
   and (e.location is not null or e.detail is not null);

-- name: forget_messages!
-- The same, and what banks said, in the messages that told it.
update inbox set data = data - array['location', 'detail', 'reason']
 where order_id = any (:order_ids::text[]) and data ?| array['location', 'detail', 'reason'];

-- name: forget_gifts!
-- Why store credit was given, on both sides of the books. The money stays the customer's.
update ledger_entries e set reason = ''
 where e.reason <> '' and starts_with(e.transfer, 'credit:')
   and e.transfer in (select given.transfer
                        from ledger_accounts a join ledger_entries given on given.account_id = a.id
                       where a.tenant = :tenant and a.kind = 'credit' and a.owner = :customer_id);

-- name: add_erasure$
-- That it was done, when, and by whom; nothing of what was erased.
insert into erasures (tenant, customer_id, orders, erased_by)
values (:tenant, :customer_id, :orders, :erased_by)
returning id;
