-- Webhooks out.

create table webhook_endpoints (
    id             text primary key,                 -- 'whe_' + ULID
    tenant         text not null,
    url            text not null,
    description    text not null,
    event_types    text[] not null,                  -- 'order.confirmed', 'payment.*', '*'
    created_at     timestamptz not null default now(),
    disabled_at    timestamptz,                      -- null: it is told of what happens
    disabled_why   text check (disabled_why in ('asked', 'gone')),
    failing_since  timestamptz,                      -- null: what it was last sent, it took
    deleted_at     timestamptz,                      -- its deliveries go in small bites, then it goes itself
    check ((disabled_at is null) = (disabled_why is null))
);
create index on webhook_endpoints (tenant, id) where deleted_at is null;

-- What signs. They have to be read for that, so they are kept as they are: here alone.
create table webhook_secrets (
    endpoint_id  text not null references webhook_endpoints on delete cascade,
    secret       text not null,                      -- 'whsec_' + base64
    created_at   timestamptz not null default clock_timestamp(),
    ends_at      timestamptz,                        -- null: the newest; others sign beside it for a while
    primary key (endpoint_id, secret)
);

-- An event for an endpoint. What it says is read from the history when it is sent.
create table webhook_deliveries (
    number         bigint generated always as identity primary key,
    endpoint_id    text not null references webhook_endpoints,
    order_id       text not null,
    sequence       int not null,
    type           text not null,
    status         text not null default 'pending' check (status in ('pending', 'delivered', 'failed')),
    tries          int not null default 0,
    created_at     timestamptz not null default now(),
    last_tried_at  timestamptz,
    ended_at       timestamptz,                      -- when it was delivered, or given up
    http_status    int,                              -- of the last try; null: no answer came
    error          text,                             -- of the last try; null: it was taken
    excerpt        text not null default '',         -- of the last answer's body
    unique (endpoint_id, order_id, sequence),
    check ((status = 'pending') = (ended_at is null))
);
create index on webhook_deliveries (endpoint_id, number);
create index webhook_deliveries_pending on webhook_deliveries (endpoint_id, order_id, sequence)
 where status = 'pending';
create index webhook_deliveries_failed on webhook_deliveries (endpoint_id, ended_at) where status = 'failed';
create index webhook_deliveries_ended on webhook_deliveries (ended_at) where status <> 'pending';

-- One for each order of which an endpoint has something to hear: its deliveries go one by one, the lowest
-- sequence first. Whoever adds a delivery locks this row, and so does whoever takes the last one away.
create table webhook_lanes (
    endpoint_id  text not null references webhook_endpoints,
    order_id     text not null,
    due_at       timestamptz not null default now(), -- while it is claimed: when others may take it over
    claim        uuid,                               -- who sends; null: nobody
    primary key (endpoint_id, order_id)
) with (fillfactor = 50);
create index webhook_lanes_due on webhook_lanes (endpoint_id, due_at);

do $$
begin
    if exists (select from pg_roles where rolname = 'ordersaga_app') then
        grant select, insert, update, delete
           on webhook_endpoints, webhook_secrets, webhook_deliveries, webhook_lanes to ordersaga_app;
    end if;
end $$;
