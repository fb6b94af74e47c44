-- name: set_tracking_number!
-- The merchant's own. Of two parcels with one number, the unique index refuses the second.
update shipments set tracking_number = :tracking_number where id = :shipment_id;

-- name: read_tracking
-- All that a carrier said of an order's parcel, by his own clock. A row of nulls: nothing yet; no row at all:
-- no such order of this tenant.
select e.status, e.occurred_at, e.location, e.detail, e.estimated_at
  from orders o
  join shipments s on s.order_id = o.id
  left join tracking_events e on e.shipment_id = s.id
 where o.tenant = :tenant and o.id = :order_id
 order by e.occurred_at, e.recorded_at, e.event_id;
