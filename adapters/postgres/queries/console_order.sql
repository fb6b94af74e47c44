-- name: read_decision^
-- The pivot, if it is written.
select decision, failure, decided_at from decisions where order_id = :order_id;

-- name: read_fence
-- All steps that were begun, as they were begun. Gone some time after the order's end.
select step, op, written_by, vote, written_at from fence where order_id = :order_id order by written_at, op, step;

-- name: read_reservations
-- The goods of it.
select sku, quantity, state, restocked from reservations where order_id = :order_id order by sku;

-- name: read_entries
-- What it moved in our own ledger, both sides.
select e.transfer, a.kind, a.owner, e.amount, e.reason, e.created_at
  from ledger_entries e join ledger_accounts a on a.id = e.account_id
 where e.order_id = :order_id order by e.created_at, e.transfer, e.amount;

-- name: read_references
-- What others call its payments, and why one failed.
select id, provider_ref, failure_code from payments where order_id = :order_id order by position;

-- name: read_messages
-- What others told of it.
select source, message_id, type, subject, received_at, delivered_at
  from inbox where order_id = :order_id order by received_at limit :limit;

-- name: read_requests
-- What people asked of it, and what became of that.
select kind, requested_by, requested_at, delivered_at, answer, answered_at
  from order_requests where order_id = :order_id order by requested_at;

-- name: read_sinks
-- How many of its events each sink has heard of those that are kept, and where it is parked.
select c.sink, count(o.sequence) as kept, count(o.sequence) filter (where o.position <= c.position) as told,
       p.sequence as parked_at_sequence, p.error
  from relay_cursors c
  left join outbox o on o.order_id = :order_id and o.partition = c.partition
  left join relay_parked p on p.sink = c.sink and p.order_id = :order_id
 where c.partition = (hashtext(:order_id) & 7)::smallint
 group by c.sink, p.sequence, p.error order by c.sink;

-- name: read_deliveries
-- What went to the tenant's endpoints.
select d.endpoint_id, e.url, d.sequence, d.type, d.status, d.tries, d.http_status, d.error, d.created_at
  from webhook_endpoints e join webhook_deliveries d on d.endpoint_id = e.id
 where e.tenant = :tenant and d.order_id = :order_id
 order by d.sequence, d.endpoint_id limit :limit;

-- name: read_notices
-- What people were mailed of it: not to whom.
select notice, audience, status, reason, tries, created_at, done_at
  from notices where order_id = :order_id order by id limit :limit;
