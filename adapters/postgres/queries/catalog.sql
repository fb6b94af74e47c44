-- name: set_stock
-- How many units there are. Rows are locked in SKU order, as the saga does. A SKU of which more is reserved
-- than would be on hand is left as it is, and does not come back.
insert into stock (tenant, sku, on_hand, available, reserved)
select :tenant, g.sku, g.on_hand, g.on_hand, 0
  from unnest(:skus::text[], :on_hands::bigint[]) as g (sku, on_hand)
 order by g.sku
    on conflict (tenant, sku) do update
   set on_hand = excluded.on_hand, available = excluded.on_hand - stock.reserved
 where excluded.on_hand >= stock.reserved
returning sku, on_hand, available, reserved;

-- name: read_stock
-- One SKU of one tenant.
select sku, on_hand, available, reserved from stock
 where tenant = :tenant and sku = any (:skus::text[])
 order by sku;
