-- name: is_given_up$
-- Whether an operator skipped this step, and its workflow has not heard of it yet, or a moment ago.
select exists (select from order_requests
                where order_id = :order_id and kind = 'attention'
                  and body ->> 'step' = :step::text and body ->> 'action' = 'skip'
                  and (answer is null or answered_at > now() - make_interval(secs => :echo_s)));

-- name: was_skipped$
-- Whether an operator ever gave this step up.
select exists (select from order_requests
                where order_id = :order_id and kind = 'attention'
                  and body ->> 'step' = :step::text and body ->> 'action' = 'skip');

-- name: was_raised$
-- Whether a person was called for this very thing before.
select exists (select from order_events
                where order_id = :order_id and type = 'attention.raised'
                  and data ->> 'step' = :step::text and data ->> 'error' = :error::text);
