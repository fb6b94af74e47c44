-- What people are told of their orders. Whom, and where, is read when it is told: no address is here.
create table notices (
    id           bigint generated always as identity primary key,
    order_id     text not null references orders,
    notice       text not null,                     -- by its name in ordersaga/notices.py
    audience     text not null,
    about        text not null default '',          -- the payment, refund, return or step; '': the order
    sequence     int not null,                      -- the event that is told
    status       text not null default 'due' check (status in ('due', 'sent', 'failed', 'skipped')),
    reason       text,                              -- why it failed, was skipped, or is tried again
    tries        int not null default 0,            -- that were refused for now
    next_try_at  timestamptz not null default now(),-- while it is being sent: when somebody else may
    created_at   timestamptz not null default now(),
    done_at      timestamptz,
    unique (order_id, notice, audience, about)
);
create index notices_due on notices (next_try_at) where status = 'due';
create index notices_in_turn on notices (order_id, audience, sequence) where status = 'due';
create index notices_done on notices (done_at) where done_at is not null;

do $$
begin
    if exists (select from pg_roles where rolname = 'ordersaga_app') then
        grant select, insert, update, delete on notices to ordersaga_app;
    end if;
end $$;
