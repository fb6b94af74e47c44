-- name: add_return!
-- Goods that somebody wants to send back, line by line. Under the order's lock, so that the newest is the last.
with asked as (
    insert into returns (id, order_id, status, reason, amount, requested_at)
    values (:return_id, :order_id, :status, :reason, :amount, clock_timestamp())
    returning id
)
insert into return_lines (return_id, line, quantity, amount)
select asked.id, l.line, l.quantity, l.amount
  from asked, unnest(:lines::int[], :quantities::bigint[], :amounts::bigint[]) as l (line, quantity, amount);

-- name: set_amount!
-- What goes back for it, now that its goods are here.
update returns set amount = :amount where id = :return_id and amount <> :amount;

-- name: find_open_returns
-- A page of the returns that are not over and have not moved for a while: their workflows may not know.
select r.id as return_id, r.status, r.order_id, r.amount, o.currency
  from returns r join orders o on o.id = r.order_id
 where r.status in ('requested', 'approved', 'received') and r.id > :after
   and r.updated_at < now() - make_interval(secs => :older_than_s)
 order by r.id limit :limit;

-- name: find_late_refunds
-- Money that came too late and has not gone back for a while, a page of it, though no operator gave it up.
select f.id, f.order_id, f.payment_id, o.currency
  from refunds f join orders o on o.id = f.order_id
 where f.refunded_at is null and f.cause = 'late' and f.id > :after
   and f.created_at < now() - make_interval(secs => :older_than_s)
   and not exists (select from order_requests r
                    where r.order_id = f.order_id and r.kind = 'attention'
                      and r.body ->> 'step' = 'refund:' || f.id and r.body ->> 'action' = 'skip')
 order by f.id limit :limit;

-- name: find_open_refund_requests
-- Refunds without a return, a page of them, of which some money has not gone back for a while, though no
-- operator gave it up.
select f.request_id, f.order_id, sum(f.amount)::bigint as amount, o.currency
  from refunds f join orders o on o.id = f.order_id
 where f.refunded_at is null and f.request_id > :after
   and f.created_at < now() - make_interval(secs => :older_than_s)
   and not exists (select from order_requests r
                    where r.order_id = f.order_id and r.kind = 'attention'
                      and r.body ->> 'step' = 'refund:' || f.id and r.body ->> 'action' = 'skip')
 group by f.request_id, f.order_id, o.currency
 order by f.request_id limit :limit;
