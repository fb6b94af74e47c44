-- name: take_units^
-- Under two-phase commit nothing is held for later: the goods leave the shelf at once, or nothing happens.
with taken as (
    update stock s
       set on_hand = s.on_hand - w.quantity, available = s.available - w.quantity
      from unnest(:skus::text[], :quantities::bigint[]) as w (sku, quantity)
     where s.tenant = :tenant and s.sku = w.sku
    returning s.sku, w.quantity
), noted as (
    insert into reservations (order_id, sku, tenant, quantity, state)
    select :order_id, sku, :tenant, quantity, 'committed' from taken
)
select count(*) as skus from taken;

-- name: log_decision!
-- The coordinator's own log: from here on its answer is commit, whoever asks.
insert into coordinator_log (gid) values (:gid);
