-- name: read_histories
-- What happened to these orders after the events that are known of each.
select e.order_id, e.sequence, d.tenant, e.type, e.machine, e.from_state, e.to_state,
       e.data, e.occurred_at, e.recorded_at
  from unnest(:order_ids::text[], :afters::int[]) as w (order_id, after)
  join order_events e on e.order_id = w.order_id and e.sequence > w.after
  join orders d on d.id = e.order_id
 order by e.order_id, e.sequence limit :limit;

-- name: find_version$
-- The newest sequence of an order's history; null: this tenant has no such order.
select version from orders where tenant = :tenant and id = :order_id;

-- name: find_tenant$
-- Whose order it is; null: there is no such order. For whoever has its signed link, and no key.
select tenant from orders where id = :order_id;

-- name: find_bounds^
-- The newest position that can be read, the last that was given (one may be on its way, or be forgotten), and the
-- oldest from which on all are surely kept (null: none is): events are forgotten by their age, and one that was
-- committed late is older than its neighbours, by `slack_s` at most.
select coalesce((select max(position) from outbox), g.given) as newest, g.given,
       (select min(position) from outbox
         where position is not null
           and created_at >= now() - make_interval(secs => :kept_s) + make_interval(secs => :slack_s)) as kept
  from (select coalesce(pg_sequence_last_value('outbox_position'), 0) as given) g;
