-- A shop of some years: 100,000 orders, nearly all over, with what each leaves behind. One tenant has nine of ten.

create temporary table n as
select i, 'ord_' || lpad(i::text, 26, '0') as id, 'pay_' || lpad(i::text, 26, '0') as pay,
       'shp_' || lpad(i::text, 26, '0') as shp, case when i % 10 = 0 then 'small' else 'big' end as tenant,
       'c-' || i % 10000 as customer, 'sku-' || i % 5000 as sku,
       case when i <= 99000 then 'completed' when i <= 99300 then 'canceled' when i <= 99600 then 'confirmed'
            when i <= 99800 then 'shipped' when i <= 99950 then 'delivered' when i <= 99990 then 'pending'
            else 'compensating' end as status,
       now() - interval '2 years' * (100000 - i) / 100000 as at
  from generate_series(1, 100000) as i;

insert into orders (id, tenant, key_id, customer_id, currency, total, shipping_fee, country, carrier, service, status,
                    payment_status, fulfillment_status, attention, metadata, deadline, version, is_started,
                    created_at, updated_at)
select id, tenant, 'key_1', customer, 'BRL', 1000, 0, 'BR', case when i % 2 = 0 then 'sandbox' else 'merchant' end,
       'standard', status, case when status = 'pending' then 'requires_action' else 'captured' end,
       case when status = 'pending' then 'unfulfilled' else 'delivered' end,
       case when i % 5000 = 0 then '{"step": "parcel"}'::jsonb end,
       jsonb_build_object('reference', 'r-' || i), at + interval '7 days', 3, i < 99995, at, at
  from n;

insert into order_lines select id, 1, sku, 1, 1000, 0 from n;
insert into payments (id, order_id, position, method, amount, status, captured, provider_ref)
select pay, id, 1, 'card', 1000, 'captured', 1000, 'pi_' || i from n;
insert into shipments (id, order_id, carrier, service, tracking_number, tracking_status)
select shp, id, case when i % 2 = 0 then 'sandbox' else 'merchant' end, 'standard', 'T' || i, 'delivered' from n;
insert into customers_pii select id, tenant, customer, '{}', '{}' from n;
insert into order_events (order_id, sequence, type, occurred_at)
select id, s, 'order.accepted', at from n, generate_series(2, 3) as s;
insert into outbox (order_id, sequence, created_at, position)
select id, 3, at, case when i < 99990 then nextval('outbox_position') end from n where i > 50000;
insert into relay_cursors select 'webhooks', p, 49900 from generate_series(0, 7) as p;
insert into decisions select id, 'confirm', null, at from n where status <> 'pending';
insert into fence select id, step, 1, 'hold', 'hold', '{"answer": "yes"}', at
  from n, unnest(array['stock', 'payment:' || pay]) as step where i > 50000;
insert into stock select t, 'sku-' || s, 100, 100, 0 from generate_series(0, 4999) as s, unnest(array['big', 'small']) as t;
insert into reservations
select id, sku, tenant, 1, case when status in ('pending', 'compensating') then 'reserved' else 'committed' end from n;

insert into ledger_accounts (tenant, kind, owner, currency, balance)
select 'big', 'credit', 'c-' || c, 'BRL', 1000 from generate_series(1, 10000) as c
 union all select 'big', 'sales', '', 'BRL', null union all select 'big', 'held', '', 'BRL', null
 union all select 'big', 'issued', '', 'BRL', null union all select 'big', 'voucher', 'V1', 'BRL', 5;
insert into ledger_entries (transfer, account_id, amount, order_id, created_at)
select 'payment:' || pay || ':hold', 1 + i % 10000, 1, id, at from n where i % 4 = 0
 union all
select 'payment:' || pay || ':hold', 10002, -1, id, at from n where i % 4 = 0;

insert into order_requests (id, order_id, kind, body, requested_by, requested_at, delivered_at, answer, answered_at)
select 'req_' || i, id, case when i % 3 = 0 then 'attention' else 'cancel' end, '{"step": "parcel", "action": "retry"}',
       'key_1', at, case when i < 99950 then at end, case when i < 99950 then 'refused' end,
       case when i < 99950 then at end
  from n where i % 10 = 0;
insert into inbox
select 'payments/stripe', 'evt_' || i, 'payment.captured', 'payment:' || pay, '{}',
       case when i % 1000 > 0 then id end, at, case when i < 99950 then at end
  from n where i > 20000;
insert into tracking_events (shipment_id, event_id, status, occurred_at) select shp, 'e-' || i, 'delivered', at from n
 where i > 50000;
insert into returns (id, order_id, status, reason, amount, requested_at, updated_at)
select 'ret_' || i, id, case when i > 98000 then 'approved' else 'refunded' end, '', 1000, at, at from n where i % 20 = 0;
insert into return_lines select 'ret_' || i, 1, 1, 1000 from n where i % 20 = 0;
insert into refunds (id, order_id, payment_id, amount, cause, request_id, refunded_at, destination)
select 'rfd_' || i, id, pay, 10, 'request', 'req_' || i, case when i < 99900 then at end,
       case when i < 99900 then 'payer' end
  from n where i % 10 = 0;
insert into reviews select id, 5, '', at from n where i % 5 = 0;
insert into idempotency_keys select tenant, 'POST /v1/orders', 'k-' || i, '\x00', id, at from n where i > 50000;
insert into notices (order_id, notice, audience, sequence, status, next_try_at, done_at)
select id, 'order_confirmed', 'buyer', 3, case when i < 99950 then 'sent' else 'due' end, at,
       case when i < 99950 then now() - interval '6 days' * (100000 - i) / 50000 end
  from n where i > 50000;
insert into webhook_endpoints (id, tenant, url, description, event_types, deleted_at)
select 'whe_' || e, 'big', 'http://127.0.0.1/', '', array['*'], case when e = 100 then now() - interval '1 day' end
  from generate_series(1, 100) as e;
insert into webhook_deliveries (endpoint_id, order_id, sequence, type, status, created_at, ended_at)
select 'whe_' || 1 + i % 99, id, 3, 'order.accepted', case when i < 99950 then 'delivered' else 'pending' end, at,
       case when i < 99950 then at end
  from n where i > 50000;
insert into webhook_lanes (endpoint_id, order_id) select 'whe_' || 1 + i % 99, id from n where i >= 99950;
insert into api_keys (id, tenant, key_hash, scopes)
select 'key_' || k, 'big', int8send(k), array['ops'] from generate_series(1, 50) as k;

drop table n;
