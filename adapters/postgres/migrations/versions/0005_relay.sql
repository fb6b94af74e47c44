-- Events on their way to others.

-- By the clock, not by the transaction's begin: under an order's lock this grows with its sequence.
alter table outbox alter column created_at set default clock_timestamp();

-- Relays share the rows by order, so that each order's are in one hand.
alter table outbox
    add column partition smallint not null generated always as ((hashtext(order_id) & 7)::smallint) stored;

create sequence outbox_position;
create index outbox_unstamped on outbox (created_at, sequence) where position is null;
create unique index outbox_by_position on outbox (position) where position is not null;
create index outbox_by_partition on outbox (partition, position) where position is not null;

-- How far a sink has got in a partition: all up to `position` is delivered, or parked.
create table relay_cursors (
    sink       text not null,
    partition  smallint not null,
    position   bigint not null,
    moved_at   timestamptz not null default now(),
    primary key (sink, partition)
) with (fillfactor = 50);

-- An order whose next event a sink does not take: from `sequence` on its events wait here for it.
create table relay_parked (
    sink         text not null,
    order_id     text not null,
    sequence     int not null,
    error        text not null,
    tries        int not null default 1,
    parked_at    timestamptz not null default now(),
    next_try_at  timestamptz not null,
    primary key (sink, order_id)
);

do $$
begin
    if exists (select from pg_roles where rolname = 'ordersaga_app') then
        grant select, insert, update on relay_cursors to ordersaga_app;
        grant select, insert, update, delete on relay_parked to ordersaga_app;
        grant usage on sequence outbox_position to ordersaga_app;
    end if;
end $$;
