-- name: lock_stock
-- Rows in SKU order: unordered updates of several rows deadlock under load.
select sku, available from stock
 where tenant = :tenant and sku = any (:skus::text[])
 order by sku
   for update;

-- name: reserve_stock!
-- Only after lock_stock said that there is enough of each.
with wanted as (
    select * from unnest(:skus::text[], :quantities::bigint[]) as w (sku, quantity)
), noted as (
    insert into reservations (order_id, sku, tenant, quantity, state)
    select :order_id, sku, :tenant, quantity, 'reserved' from wanted
)
update stock s
   set available = s.available - w.quantity, reserved = s.reserved + w.quantity
  from wanted w
 where s.tenant = :tenant and s.sku = w.sku;

-- name: commit_stock!
-- Reserved goods leave the shelf.
with mine as (
    update reservations set state = 'committed' where order_id = :order_id and state = 'reserved'
    returning tenant, sku, quantity
)
update stock s
   set on_hand = s.on_hand - m.quantity, reserved = s.reserved - m.quantity
  from mine m
 where s.tenant = m.tenant and s.sku = m.sku;

-- name: release_stock!
-- Reserved goods can be sold again.
with mine as (
    update reservations set state = 'released' where order_id = :order_id and state = 'reserved'
    returning tenant, sku, quantity
)
update stock s
   set available = s.available + m.quantity, reserved = s.reserved - m.quantity
  from mine m
 where s.tenant = m.tenant and s.sku = m.sku;

-- name: restock
-- All committed goods that did not come back before are on the shelf again: these.
with mine as (
    update reservations v set state = 'restocked', restocked = v.quantity
      from (select order_id, sku, restocked from reservations
             where order_id = :order_id and state = 'committed') was
     where v.order_id = was.order_id and v.sku = was.sku
    returning v.tenant, v.sku, v.quantity - was.restocked as quantity
), shelved as (
    update stock s
       set on_hand = s.on_hand + m.quantity, available = s.available + m.quantity
      from mine m
     where s.tenant = m.tenant and s.sku = m.sku
)
select sku, quantity from mine order by sku;

-- name: restock_units!
-- So many of the committed goods are on the shelf again; more than were bought is refused by a CHECK.
with mine as (
    update reservations v
       set restocked = v.restocked + w.quantity,
           state = case when v.restocked + w.quantity = v.quantity then 'restocked' else v.state end
      from unnest(:skus::text[], :quantities::bigint[]) as w (sku, quantity)
     where v.order_id = :order_id and v.sku = w.sku and v.state = 'committed'
    returning v.tenant, v.sku, w.quantity
)
update stock s
   set on_hand = s.on_hand + m.quantity, available = s.available + m.quantity
  from mine m
 where s.tenant = m.tenant and s.sku = m.sku;

-- name: is_all_back$
-- Whether every unit that left the shelf for this order is on it again.
select not exists (select from reservations where order_id = :order_id and state <> 'restocked');
