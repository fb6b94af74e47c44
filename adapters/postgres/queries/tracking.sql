-- name: keep_event$
-- What a carrier said, once: the same event told again is no second one. No row back: it was known.
-- Where it was seen, and the carrier's own words, are with his message: a workflow is not told them.
insert into tracking_events (shipment_id, event_id, status, occurred_at, location, detail, estimated_at)
select :shipment_id, :event_id, :status, :occurred_at, coalesce(:location, i.data ->> 'location'),
       coalesce(:detail, i.data ->> 'detail'), :estimated_at
  from (select) as said
  left join inbox i on i.order_id = :order_id and i.message_id = :event_id and starts_with(i.source, 'carriers/')
 limit 1                                            -- two carriers may have given a message the same id
on conflict do nothing
returning event_id;

-- name: read_events
-- All that was said of a parcel; its state is their fold.
select event_id, status, occurred_at, estimated_at from tracking_events where shipment_id = :shipment_id;

-- name: set_tracking!
-- Where the parcel is by all of that.
update shipments set tracking_status = :status, estimated_at = :estimated_at
 where id = :shipment_id
   and (tracking_status, estimated_at) is distinct from (:status::text, :estimated_at::timestamptz);
