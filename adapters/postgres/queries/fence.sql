-- name: hold_steps
-- The first statement of every hold. A row back: go and do the work, then store the vote.
-- None: somebody wrote it before; read it. Sorted, so that two takers never wait for each other in a ring.
insert into fence (order_id, step, generation, op, written_by)
select :order_id, step, :generation, 'hold', 'hold' from unnest(:steps::text[]) as step order by step
on conflict do nothing
returning step;

-- name: undo_steps
-- The first statement of every undo: both rows at once, the hold's first.
-- {undo}: undo the work · {hold, undo}: nothing had happened, and nothing ever will · {}: already undone.
insert into fence (order_id, step, generation, op, written_by)
select :order_id, step, :generation, op, 'undo'
  from unnest(:steps::text[]) as step, unnest(array['hold', 'undo']) as op
 order by step, op
on conflict do nothing
returning step, op;

-- name: read_steps
-- Both rows of each step, where they are there; whoever wrote a hold's row says whether it came too late.
select step, op, written_by, vote from fence
 where order_id = :order_id and generation = :generation and step = any (:steps::text[]);

-- name: begun_steps
-- Which of these steps have passed their fence. Under the order's lock and once it is decided, no other will.
select distinct step from fence
 where order_id = :order_id and step = any (:steps::text[]) and op = 'hold' and written_by = 'hold';

-- name: store_votes!
-- A vote once stored stays: only the first answer counts.
update fence f set vote = v.vote
  from unnest(:steps::text[], :votes::jsonb[]) as v (step, vote)
 where f.order_id = :order_id and f.generation = :generation and f.op = :op and f.step = v.step
   and f.vote is null;

-- name: forget_final_orders
-- In small bites, oldest first: ids sort by the time they were made, and so does the fence's key. A row
-- younger than its order's end (a return's, say) stays for as long itself.
delete from fence
 where written_at < now() - make_interval(secs => :older_than_s)
   and order_id in (
       select o.id from orders o
        where o.status = any (:final::text[])
          and o.updated_at < now() - make_interval(secs => :older_than_s)
          and exists (select from fence f
                       where f.order_id = o.id and f.written_at < now() - make_interval(secs => :older_than_s))
        order by o.id limit :limit)
returning order_id;
