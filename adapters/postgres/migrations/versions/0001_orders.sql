-- The order service's tables. Run as their owner; the service itself connects as ordersaga_app,
-- which may read all, add history, and rewrite none of it.

-- Access -----------------------------------------------------------------------------------

create table api_keys (
    id          text primary key,
    tenant      text not null,
    name        text not null default '',
    key_hash    bytea not null unique,              -- SHA-256 of the key: 256 random bits need no salt
    scopes      text[] not null,
    created_at  timestamptz not null default now(),
    revoked_at  timestamptz
);

-- What a POST with an Idempotency-Key made. Written in the transaction of what it protects.
create table idempotency_keys (
    tenant      text not null,
    route       text not null,                      -- 'POST /v1/orders/{id}/cancel ord_…'
    key         text not null,
    body_hash   bytea not null,                     -- SHA-256 of the request body
    resource    text not null,                      -- what was made or moved: an order, an account
    created_at  timestamptz not null default now(),
    primary key (tenant, route, key)
);
create index on idempotency_keys (created_at);      -- cleaned up by age

-- Orders -----------------------------------------------------------------------------------

create table orders (
    id                  text primary key,           -- 'ord_' + ULID: sorts by creation
    tenant              text not null,
    customer_id         text not null,
    currency            text not null check (currency ~ '^[A-Z]{3}$'),
    total               bigint not null check (total >= 0),          -- minor units, as every amount
    shipping_fee        bigint not null check (shipping_fee >= 0),
    country             text not null,              -- of the address: all that a carrier's price needs
    carrier             text not null,
    service             text not null,
    status              text not null,
    payment_status      text not null,              -- derived from the payments' sums at every change
    fulfillment_status  text not null,
    failure             jsonb,
    attention           jsonb,
    metadata            jsonb not null default '{}',
    deadline            timestamptz not null,       -- until when an undecided order waits for its payer
    version             int not null,               -- = the highest sequence of its history
    is_started          boolean not null default false,  -- its workflow has begun to work on it
    created_at          timestamptz not null default now(),
    updated_at          timestamptz not null default now(),
    paid_at             timestamptz,
    confirmed_at        timestamptz,
    shipped_at          timestamptz,
    delivered_at        timestamptz,
    received_at         timestamptz,
    completed_at        timestamptz
) with (fillfactor = 80);                           -- updated in place some times: leave room on its page
create index orders_newest on orders (tenant, id desc);
create index orders_by_customer on orders (tenant, customer_id, id desc);
create index orders_by_status on orders (tenant, status, id desc);
create index orders_open on orders (id) where status in ('pending', 'compensating');
create index orders_unstarted on orders (id) where not is_started;
create index orders_in_attention on orders (tenant, id desc) where attention is not null;

create table order_lines (
    order_id    text not null references orders,
    line        int not null,
    sku         text not null,
    quantity    bigint not null check (quantity > 0),
    unit_price  bigint not null check (unit_price >= 0),
    tax         bigint not null check (tax >= 0),
    primary key (order_id, line)
);

-- Personal data, all of it, in one table: history, queues and Temporal refer to it by order id.
create table customers_pii (
    order_id          text primary key references orders,
    tenant            text not null,
    customer_id       text not null,
    customer          jsonb not null,               -- name, email, phone
    shipping_address  jsonb not null
);
create index on customers_pii (tenant, customer_id);

create table payments (
    id            text primary key,                 -- 'pay_' + ULID
    order_id      text not null references orders,
    position      int not null,                     -- as the buyer gave them
    method        text not null,
    token         text,                             -- the provider's one-time reference, or a voucher's code
    amount        bigint not null check (amount > 0),
    status        text not null,
    captured      bigint not null default 0,
    refunded      bigint not null default 0,
    provider_ref  text unique,                      -- stored before it is confirmed: undo goes by it
    failure_code  text,
    next_action   jsonb,
    unique (order_id, position),
    check (0 <= refunded and refunded <= captured)   -- a slip may be overpaid: all of it goes back
) with (fillfactor = 80);

create table shipments (
    id               text primary key,              -- 'shp_' + ULID
    order_id         text not null unique references orders,   -- one parcel an order
    carrier          text not null,
    service          text not null,
    tracking_number  text unique,
    tracking_status  text not null default 'unknown',
    released_at      timestamptz,                   -- when the carrier was told to come
    canceled_at      timestamptz,                   -- when the carrier agreed not to come
    estimated_at     timestamptz
);
-- Booked at a carrier that was not told yet to come: no more of them than orders that are under way.
create index shipments_unreleased on shipments (order_id)
 where carrier <> 'merchant' and tracking_number is not null and released_at is null and canceled_at is null;

-- What happened, for good: nobody updates or deletes a row of it.
create table order_events (
    order_id     text not null references orders,
    sequence     int not null check (sequence > 0), -- from 1 without gaps
    type         text not null,                     -- 'payment.captured'
    machine      text,                              -- whose state moved, if one did
    from_state   text,
    to_state     text,
    data         jsonb not null default '{}',
    occurred_at  timestamptz not null,
    recorded_at  timestamptz not null default clock_timestamp(),
    primary key (order_id, sequence)
);

-- One row an event, until it was told. `position` is stamped by the relay, in commit order.
create table outbox (
    order_id    text not null,
    sequence    int not null,
    created_at  timestamptz not null default now(),
    position    bigint,
    primary key (order_id, sequence)
);

-- The saga ---------------------------------------------------------------------------------

-- One row an order, written once, by whoever comes first: the pivot.
create table decisions (
    order_id    text primary key references orders,
    decision    text not null check (decision in ('confirm', 'undo')),
    failure     jsonb,                              -- why it is undone
    decided_at  timestamptz not null default now(),
    check ((decision = 'undo') = (failure is not null))
);

-- Makes a step happen once, and never after its undo.
create table fence (
    order_id    text not null,
    step        text not null,                      -- 'stock', 'payment:pay_…', 'parcel:shp_…', 'refund:…'
    generation  int not null,
    op          text not null check (op in ('hold', 'undo')),
    written_by  text not null check (written_by in ('hold', 'undo')),
    vote        jsonb,                              -- null: begun, and not known to be done
    written_at  timestamptz not null default now(),
    primary key (order_id, step, generation, op)
);

-- What somebody asked of an order, stored before it is delivered to its workflow.
create table order_requests (
    id            text primary key,                 -- the workflow update's id
    order_id      text not null references orders,
    kind          text not null check (kind in ('cancel', 'pay', 'attention')),
    body          jsonb not null,
    requested_by  text not null,
    requested_at  timestamptz not null default now(),
    delivered_at  timestamptz,                      -- when its workflow took it last
    answer        text,                             -- 'accepted' | 'refused'; null: not answered yet
    answered_at   timestamptz
);
create index order_requests_open on order_requests (requested_at) where answer is null;
create index on order_requests (order_id);

-- Our own site -----------------------------------------------------------------------------

create table stock (
    tenant     text not null,
    sku        text not null,
    on_hand    bigint not null check (on_hand >= 0),
    available  bigint not null check (available >= 0),
    reserved   bigint not null check (reserved >= 0),
    primary key (tenant, sku),
    check (on_hand = available + reserved)
) with (fillfactor = 50);                           -- hot rows: updates stay on their page

create table reservations (
    order_id  text not null references orders,
    sku       text not null,
    tenant    text not null,
    quantity  bigint not null check (quantity > 0),
    state     text not null check (state in ('reserved', 'committed', 'released', 'restocked')),
    primary key (order_id, sku)
) with (fillfactor = 80);
create index reservations_open on reservations (tenant, sku) where state = 'reserved';

-- Double entry: every transfer's entries sum to zero. Only what can be spent has a balance of its own
-- (and a row to lock); the house's accounts are the sums of their entries, so no row of theirs is hot.
create table ledger_accounts (
    id        bigint generated always as identity primary key,
    tenant    text not null,
    kind      text not null check (kind in ('credit', 'voucher', 'held', 'sales', 'issued')),
    owner     text not null default '',             -- customer id, voucher code; '' for the house's
    currency  text not null,
    balance   bigint check (balance >= 0),          -- spendable ones only
    unique (tenant, kind, owner, currency),
    check ((kind in ('credit', 'voucher')) = (balance is not null))
) with (fillfactor = 80);

create unique index vouchers_by_code on ledger_accounts (tenant, owner) where kind = 'voucher';

create table ledger_entries (
    transfer    text not null,                      -- the step that caused it: twice is impossible
    account_id  bigint not null references ledger_accounts,
    amount      bigint not null,
    order_id    text,
    reason      text not null default '',
    created_at  timestamptz not null default now(),
    primary key (transfer, account_id)
);
create index on ledger_entries (account_id, created_at desc);

-- Rights -----------------------------------------------------------------------------------

do $$
begin
    if exists (select from pg_roles where rolname = 'ordersaga_app') then
        grant usage on schema public to ordersaga_app;
        grant select, insert on all tables in schema public to ordersaga_app;
        grant update on api_keys, orders, payments, shipments, outbox, fence, order_requests,
                        stock, reservations, ledger_accounts to ordersaga_app;
        grant delete on idempotency_keys, outbox, fence, customers_pii to ordersaga_app;
    end if;
end $$;
