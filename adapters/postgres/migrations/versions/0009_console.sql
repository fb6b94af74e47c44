-- The operators' console.

-- Who is signed in. What opens it is in a cookie; here is only its SHA-256.
create table console_sessions (
    id_hash       bytea primary key,
    key_id        text not null references api_keys,  -- revoked or over, and the session is over too
    operator      text not null,                      -- who that is, in his own words
    created_at    timestamptz not null default now(),
    last_used_at  timestamptz not null default now(), -- to the minute
    ends_at       timestamptz not null
);
create index on console_sessions (ends_at);

-- What operators did there, each with a name and a reason; written in the transaction of what was done.
create table operator_acts (
    id         bigint generated always as identity primary key,
    tenant     text not null,
    key_id     text not null,
    operator   text not null,
    act        text not null,                         -- 'cancel', 'attention', 'deliveries/replay', …
    order_id   text not null,
    subject    text not null default '',              -- of the order: a step, a return, an event
    reason     text not null,                         -- his own words
    acted_at   timestamptz not null default now()
);
create index on operator_acts (order_id, id);

-- What each order that is not over waits for: as api/outlook.py says it of one.
create view orders_waiting as
select o.id, o.tenant, o.status, o.payment_status, o.fulfillment_status, o.attention, o.created_at, o.updated_at,
       case when o.attention is not null then 'operator'
            when o.status = 'confirmed' then case when o.carrier = 'merchant' then 'merchant' else 'carrier' end
            when o.status = 'shipped' then 'carrier'
            when o.status = 'delivered' then 'buyer'
            when o.status = 'compensating' then 'participants'
            when o.total > 0 and not exists (select from payments p where p.order_id = o.id) then 'buyer'
            when o.payment_status = 'requires_action' then 'payer'
            when o.hold ->> 'kind' = 'merchant' then 'merchant'
            when o.hold is not null then 'operator'
            else 'participants' end as waiting_for
  from orders o
 where o.status in ('pending', 'compensating', 'confirmed', 'shipped', 'delivered');

-- What an order is searched by, besides its id, its customer and its tracking number.
create index orders_by_reference on orders (tenant, (metadata ->> 'reference'), id desc)
 where metadata ->> 'reference' is not null;
create index order_lines_by_sku on order_lines (sku, order_id desc);
create index ledger_entries_by_order on ledger_entries (order_id) where order_id is not null;

do $$
begin
    if exists (select from pg_roles where rolname = 'ordersaga_app') then
        grant select, insert, update, delete on console_sessions to ordersaga_app;
        grant select, insert on operator_acts to ordersaga_app;
        grant update (reason) on operator_acts to ordersaga_app;  -- an erasure takes it away
        grant select on orders_waiting to ordersaga_app;
    end if;
end $$;
