-- name: lock_accounts
-- What can be spent, in id order, so that two orders on the same two accounts never deadlock.
select id, kind, owner, balance from ledger_accounts
 where tenant = :tenant and currency = :currency
   and (kind, owner) in (select * from unnest(:kinds::text[], :owners::text[]))
 order by id
   for update;

-- name: open_account^
-- An account's id, making it where it is missing. `made`: by this transaction, by this statement or an earlier one.
-- No row at all: somebody made it at this very moment, ask again.
with made as (
    insert into ledger_accounts (tenant, kind, owner, currency, balance)
    values (:tenant, :kind, :owner, :currency, case when :kind in ('credit', 'voucher') then 0 end)
    on conflict do nothing
    returning id
)
select id, true as made from made
union all
select id, xmin = pg_current_xact_id()::xid from ledger_accounts
 where tenant = :tenant and kind = :kind and owner = :owner and currency = :currency;

-- name: post_entries^
-- Entries, and the balances of the spendable accounts among them. A transfer posted twice is refused by
-- the primary key; an overdrawn account by its CHECK.
with posted as (
    insert into ledger_entries (transfer, account_id, amount, order_id, reason)
    select transfer, account_id, amount, :order_id, :reason
      from unnest(:transfers::text[], :accounts::bigint[], :amounts::bigint[])
           as e (transfer, account_id, amount)
    returning account_id, amount
), balanced as (
    update ledger_accounts a set balance = a.balance + e.amount
      from (select account_id, sum(amount) as amount from posted group by account_id) e
     where a.id = e.account_id and a.balance is not null
)
select count(*) as entries from posted;
