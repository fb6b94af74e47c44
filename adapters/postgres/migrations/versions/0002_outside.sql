-- The world outside: messages in, slow money, parcels that move, goods and money that come back.

alter table orders
    add column hold jsonb;                          -- why it stops before its money is taken; null: it does not

-- Each of these has a workflow, or should have one.
drop index orders_open;
create index orders_open on orders (id)
 where status in ('pending', 'compensating', 'confirmed', 'shipped', 'delivered');
drop index shipments_unreleased;

alter table payments
    add column expires_at timestamptz;              -- until when its payer is waited for

alter table reservations
    add column restocked bigint not null default 0, -- units that came back in returns
    add check (restocked between 0 and quantity);

alter table order_requests drop constraint order_requests_kind_check;
alter table order_requests add constraint order_requests_kind_check check (kind in (
    'cancel', 'pay', 'attention', 'hold', 'release', 'accept', 'decline', 'receipt'));

create index order_requests_unheard on order_requests (requested_at) where kind = 'cancel' and delivered_at is null;

-- Messages from outside, stored before they are answered. Only the fact that they tell of: a provider's own
-- body has personal data.
create table inbox (
    source        text not null,                    -- 'payments/stripe', 'carriers/sandbox'
    message_id    text not null,                    -- the sender's own
    type          text not null,                    -- 'payment.captured', 'tracking.updated'
    subject       text not null,                    -- 'payment:pay_…', 'reference:pi_…', 'tracking:…'
    data          jsonb not null,
    order_id      text,                             -- null: no order is known by its subject yet
    received_at   timestamptz not null default now(),
    delivered_at  timestamptz,                      -- when its workflow took it; or it told nothing new
    primary key (source, message_id)
);
create index on inbox (order_id) where order_id is not null;
create index on inbox (received_at);                -- cleaned up by age
create index inbox_unmatched on inbox (subject) where order_id is null;
create index inbox_undelivered on inbox (received_at) where delivered_at is null and order_id is not null;

-- Everything that a carrier said of a parcel, kept; its state is the fold by (occurred_at, rank).
create table tracking_events (
    shipment_id   text not null references shipments,
    event_id      text not null,
    status        text not null,
    occurred_at   timestamptz not null,
    location      text,
    detail        text,
    estimated_at  timestamptz,
    recorded_at   timestamptz not null default now(),
    primary key (shipment_id, event_id)
);

create table returns (
    id            text primary key,                 -- 'ret_' + ULID
    order_id      text not null references orders,
    status        text not null,                    -- requested, approved, received, refunded; declined
    reason        text not null,                    -- the buyer's own words: never in history
    amount        bigint not null check (amount >= 0),   -- what goes back when the goods are there
    requested_at  timestamptz not null default now(),
    updated_at    timestamptz not null default now()
);
create index on returns (order_id);
create index returns_open on returns (id) where status in ('requested', 'approved', 'received');

create table return_lines (
    return_id  text not null references returns,
    line       int not null,                        -- of the order
    quantity   bigint not null check (quantity > 0),
    amount     bigint not null check (amount >= 0), -- price and share of the tax
    primary key (return_id, line)
);

-- What goes back of one payment, for one reason, after `confirm`; or of money that came too late.
-- Allocated under the order's lock, so that no more goes back than was taken.
create table refunds (
    id           text primary key,                  -- 'rfd_' + ULID; its step is 'refund:rfd_…'
    order_id     text not null references orders,
    payment_id   text not null references payments,
    amount       bigint not null check (amount > 0),
    cause        text not null check (cause in ('reversal', 'return', 'request', 'late')),
    return_id    text references returns,
    request_id   text,                              -- the refund that an operator asked for
    created_at   timestamptz not null default now(),
    refunded_at  timestamptz,                       -- null: still to do
    destination  text,                              -- once it is done: 'payer', 'store_credit'; of our own
                                                    -- ledger's payments 'credit', 'voucher'
    check ((cause = 'return') = (return_id is not null)),
    check ((cause = 'request') = (request_id is not null)),
    check ((refunded_at is null) = (destination is null))
);
create index on refunds (order_id);
create index refunds_open on refunds (order_id) where refunded_at is null;

create table reviews (
    order_id    text primary key references orders, -- one an order
    rating      int not null check (rating between 1 and 5),
    comment     text not null,                      -- the buyer's own words: never in history
    created_at  timestamptz not null default now()
);

do $$
begin
    if exists (select from pg_roles where rolname = 'ordersaga_app') then
        grant select, insert on inbox, tracking_events, returns, return_lines, refunds, reviews to ordersaga_app;
        grant update on inbox, returns, refunds to ordersaga_app;
        grant delete on inbox, reviews to ordersaga_app;
    end if;
end $$;
