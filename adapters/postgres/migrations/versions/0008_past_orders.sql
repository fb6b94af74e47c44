-- Orders of a seller's past, from where he was before: for figures only. They are nobody's orders here: no list,
-- no sweep and no audit looks at them.
create table past_orders (
    tenant                text not null,
    reference             text not null,            -- what the seller calls it: it is imported once
    status                text not null,            -- the record's last word, see ordersaga/analytics/past_orders.py
    purchased_at          timestamptz not null,
    approved_at           timestamptz,
    handed_to_carrier_at  timestamptz,
    delivered_at          timestamptz,
    promised_by           timestamptz,              -- what its buyer was told
    imported_at           timestamptz not null default now(),
    primary key (tenant, reference)
);
create index past_orders_newest on past_orders (tenant, purchased_at desc);

do $$
begin
    if exists (select from pg_roles where rolname = 'ordersaga_app') then
        grant select, insert, update on past_orders to ordersaga_app;
    end if;
end $$;
