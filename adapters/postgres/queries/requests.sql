-- name: add_request!
-- Stored before anybody is told of it.
insert into order_requests (id, order_id, kind, body, requested_by)
values (:id, :order_id, :kind, :body, :requested_by);

-- name: keep_refund_reason!
-- Why an operator gives money back: history refers to it. Nobody has to be asked, so it is answered at once.
insert into order_requests (id, order_id, kind, body, requested_by, answer, answered_at)
values (:id, :order_id, 'refund', jsonb_build_object('reason', :reason::text), :requested_by, 'accepted', now());

-- name: add_payments!
-- Payments of an order that had none. Their tokens are here and nowhere else.
insert into payments (id, order_id, position, method, token, amount, status)
select p.id, :order_id, p.n, p.method, p.token, p.amount, :payment_begins
  from unnest(:payment_ids::text[], :methods::text[], :tokens::text[], :amounts::bigint[])
       with ordinality as p (id, method, token, amount, n);

-- name: read_terms^
-- What an order says that never changes.
select currency, total from orders where tenant = :tenant and id = :order_id;

-- name: read_answer$
-- Null: nobody has answered it yet.
select answer from order_requests where id = :id;

-- name: find_undelivered
-- Requests that their workflows have not heard, or heard long ago and not answered; the longest first.
-- A workflow takes each once, however often it is delivered. A word for a refund is for the refund's own.
select r.id, r.order_id, r.kind, r.body, r.requested_by,
       f.return_id, f.request_id as refund_request_id,
       e.is_final
  from order_requests r join orders o on o.id = r.order_id
 cross join lateral (select o.status in ('rejected', 'canceled', 'completed', 'returned') as is_final) e
  left join refunds f on r.kind = 'attention' and f.id = substring(r.body ->> 'step' from '^refund:(.+)$')
 where (r.answer is null
        -- It took effect, and then the task that took it was lost with it: nobody goes on giving back, or
        -- all is given back and the workflow waits for a parcel that never comes.
        or r.kind = 'cancel' and r.delivered_at is null
           and (e.is_final or o.status = 'compensating'))
   and coalesce(r.delivered_at + make_interval(secs => :again_after_s),
                r.requested_at + make_interval(secs => :older_than_s)) < now()
 order by coalesce(r.delivered_at, r.requested_at) limit :limit;

-- name: mark_delivered!
-- Its workflow has it, in its history. A cancel is answered by the saga, where it takes effect; others are done.
update order_requests
   set delivered_at = now(),
       answer = case when kind = 'cancel' then answer else coalesce(answer, 'accepted') end,
       answered_at = case when kind = 'cancel' then answered_at else coalesce(answered_at, now()) end
 where id = :id;

-- name: refuse!
-- What it is about ended: nobody is left to hear of it. That a buyer has received his order is so, heard or not.
update order_requests
   set delivered_at = coalesce(delivered_at, now()), answered_at = coalesce(answered_at, now()),
       answer = coalesce(answer, case when kind = 'receipt' then 'accepted' else 'refused' end)
 where id = :id;

-- name: supersede_holds!
-- A newer word on whether an order is held: who has not heard the older ones shall not hear them after it.
update order_requests set answer = 'accepted', answered_at = now()
 where order_id = :order_id and kind in ('hold', 'release', 'accept') and answer is null;
