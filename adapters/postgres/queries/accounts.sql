-- name: open_accounts!
-- The house's issuing account and the one that is filled, where they are missing.
insert into ledger_accounts (tenant, kind, owner, currency, balance)
values (:tenant, 'issued', '', :currency, null), (:tenant, 'credit', :customer_id, :currency, 0)
on conflict do nothing;

-- name: open_voucher^
-- No row back: there is a voucher of this code.
with house as (
    insert into ledger_accounts (tenant, kind, owner, currency, balance)
    values (:tenant, 'issued', '', :currency, null)
    on conflict do nothing
)
insert into ledger_accounts (tenant, kind, owner, currency, balance)
values (:tenant, 'voucher', :code, :currency, 0)
on conflict do nothing
returning id;

-- name: issue^
-- New money: less than nothing on the issuing account, so much on the other one, and its balance with it.
-- No row back: the balance would be more than :most.
with filled as (
    update ledger_accounts set balance = balance + :amount
     where tenant = :tenant and kind = :kind and owner = :owner and currency = :currency
       and balance <= :most::bigint - :amount
 returning id, balance
), entries as (
    insert into ledger_entries (transfer, account_id, amount, reason)
    select :transfer, filled.id, :amount, :reason from filled
    union all
    select :transfer, house.id, -:amount, :reason from filled, ledger_accounts house
     where house.tenant = :tenant and house.kind = 'issued' and house.owner = '' and house.currency = :currency
)
select balance from filled;

-- name: read_balances
-- What a customer can spend, by currency.
select currency, balance from ledger_accounts
 where tenant = :tenant and kind = :kind and owner = :owner
 order by currency;

-- name: read_entries
-- The newest of a customer's store credit, newest first.
select e.transfer, e.amount, a.currency, e.order_id, e.reason, e.created_at
  from ledger_accounts a join ledger_entries e on e.account_id = a.id
 where a.tenant = :tenant and a.kind = 'credit' and a.owner = :customer_id
 order by e.created_at desc, e.transfer desc limit :limit;

-- name: read_voucher^
-- What it was issued for, and what is left of it.
select a.owner as code, a.currency, a.balance, e.amount
  from ledger_accounts a join ledger_entries e on e.account_id = a.id and e.transfer = 'voucher:' || a.id
 where a.tenant = :tenant and a.kind = 'voucher' and a.owner = :code;
