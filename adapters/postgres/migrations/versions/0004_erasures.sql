-- Personal data can be taken away. Whose was, is on record; what it was, is not.

alter table orders
    add column erased_at timestamptz;               -- since when nobody knows whose it was

create table erasures (
    id           bigint generated always as identity primary key,
    tenant       text not null,
    customer_id  text not null,                     -- the tenant's own reference, as in orders and the ledger
    orders       int not null,                      -- how many of theirs
    erased_by    text not null,
    erased_at    timestamptz not null default now()
);
create index on erasures (tenant, customer_id);

-- Whatever people write in their own words stays with what they asked, in order_requests.body: history refers
-- to it by `request`, for history is never rewritten, and is told to others. So a refund that an operator asks
-- for is a request too, answered at once.
alter table order_requests drop constraint order_requests_kind_check;
alter table order_requests add constraint order_requests_kind_check check (kind in (
    'cancel', 'pay', 'attention', 'hold', 'release', 'accept', 'decline', 'receipt', 'refund'));

insert into order_requests (id, order_id, kind, body, requested_by, requested_at, answer, answered_at)
select data ->> 'request', order_id, 'refund', jsonb_build_object('reason', data -> 'reason'),
       coalesce(data ->> 'by', ''), occurred_at, 'accepted', occurred_at
  from order_events where type = 'refund.requested'
    on conflict do nothing;

-- Words that were written into history before: their requests have them.
update order_events set data = data - 'reason'
 where type = 'refund.requested' or type = 'hold.placed' and data ->> 'kind' = 'operator';
update order_events set data = data - 'reason'
 where type = 'hold.released' and data ? 'by';      -- by a person; without one, `reason` is our own word for it
update order_events set data = data - 'note' where type = 'attention.answered';
update orders set hold = hold - 'reason' where hold ->> 'kind' = 'operator';

-- A provider's one-time reference is of no use once the payment is known by its own.
update payments set token = null where provider_ref is not null and method <> 'voucher';

do $$
begin
    if exists (select from pg_roles where rolname = 'ordersaga_app') then
        grant select, insert on erasures to ordersaga_app;
        -- These words, and nothing else of what is otherwise for good.
        grant update (location, detail) on tracking_events to ordersaga_app;
        grant update (comment) on reviews to ordersaga_app;
        grant update (reason) on ledger_entries to ordersaga_app;
    end if;
end $$;
