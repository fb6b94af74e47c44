-- For whoever compares what others were told with what there was to tell. Not for production traffic.

-- name: read_history
-- All that happened to these orders, each one's in its order.
select o.tenant, e.order_id, e.sequence, e.type, e.machine, e.from_state, e.to_state, e.data, e.occurred_at,
       e.recorded_at
  from order_events e join orders o on o.id = e.order_id
 where e.order_id = any(:order_ids::text[])
 order by e.order_id, e.sequence;

-- name: read_notices
-- What became of each mail about these orders.
select order_id, notice, audience, about, sequence, status from notices
 where order_id = any(:order_ids::text[])
 order by id;

-- name: untold^
-- What is still on its way: to an endpoint, and by mail.
select (select count(*) from webhook_deliveries where endpoint_id = :endpoint_id and status = 'pending') as webhooks,
       (select count(*) from notices where status = 'due') as mails;
