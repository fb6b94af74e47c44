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

-- name: restock!
-- Committed goods are back on the shelf.
with mine as (
    update reservations set state = 'restocked' where order_id = :order_id and state = 'committed'
    returning tenant, sku, quantity
)
update stock s
   set on_hand = s.on_hand + m.quantity, available = s.available + m.quantity
  from mine m
 where s.tenant = m.tenant and s.sku = m.sku;
