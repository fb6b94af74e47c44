-- Keys: when they end, when they were used, and their own limits. Null: as the settings say; 0: no limit.

alter table api_keys
    add column expires_at     timestamptz,          -- null: never
    add column last_used_at   timestamptz,          -- to the minute
    add column requests_per_s int check (requests_per_s >= 0),
    add column open_orders    int check (open_orders >= 0);

alter table orders
    add column key_id text;                         -- the key that placed it; null: older than this column

-- Counted before an order is accepted; a tenant's by orders_by_status.
create index orders_open_by_key on orders (key_id)
 where status in ('pending', 'compensating', 'confirmed', 'shipped', 'delivered');

-- What each key and each tenant may still ask for right now, shared by all API processes. Unlogged: costs no
-- WAL, and after a crash everybody begins with a full bucket.
create unlogged table request_tokens (
    subject     text primary key,                   -- 'key:key_…', 'tenant:…'
    tokens      double precision not null,          -- below 0: processes gave away the same ones
    burst       double precision not null,          -- most that are saved up
    per_s       double precision not null,          -- new ones a second
    settled_at  timestamptz not null
) with (fillfactor = 50);                           -- hot rows: updates stay on their page

do $$
begin
    if exists (select from pg_roles where rolname = 'ordersaga_app') then
        grant select, insert, update on request_tokens to ordersaga_app;
    end if;
end $$;
