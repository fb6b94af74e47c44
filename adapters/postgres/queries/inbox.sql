-- name: find_payment^
-- The payment that a message is about, by our id or by its provider's; and how it stands.
select p.id, p.order_id, p.method, p.status, p.captured, p.refunded, o.currency, o.status as order_status
  from payments p join orders o on o.id = p.order_id
 where p.id = :payment_id or p.provider_ref = :provider_ref;

-- name: find_parcel^
-- The order whose parcel has this number. A carrier speaks of its own parcels, and of those that the
-- merchant ships with whomever he likes.
select s.order_id, o.currency, o.status as order_status
  from shipments s join orders o on o.id = s.order_id
 where s.tracking_number = :tracking_number and s.carrier in (:carrier, 'merchant');

-- name: keep$
-- No row back: this message was kept before.
insert into inbox (source, message_id, type, subject, data, order_id, delivered_at)
values (:source, :message_id, :type, :subject, :data, :order_id, case when :is_settled then now() end)
on conflict do nothing
returning true;

-- name: match_subjects^
-- Gives messages that came before what they are about their order: the next so many subjects, so that a
-- round costs the same however many messages are nobody's.
with unmatched as (
    select source, message_id, subject,
           split_part(subject, ':', 1) as kind, substr(subject, strpos(subject, ':') + 1) as name
      from inbox
     where order_id is null and subject > :after
     order by subject limit :limit
), found as (
    select u.source, u.message_id, p.order_id
      from unmatched u join payments p on p.id = u.name
     where u.kind = 'payment'
    union all
    select u.source, u.message_id, p.order_id
      from unmatched u join payments p on p.provider_ref = u.name
     where u.kind = 'reference'
    union all
    select u.source, u.message_id, s.order_id
      from unmatched u join shipments s on s.tracking_number = u.name
     where u.kind = 'tracking' and s.carrier in (split_part(u.source, '/', 2), 'merchant')
), matched as (
    update inbox i set order_id = f.order_id
      from found f
     where i.source = f.source and i.message_id = f.message_id
    returning i.message_id
)
select count(*) as looked_at, max(subject) as last_subject, (select count(*) from matched) as matched
  from unmatched;

-- name: find_undelivered
-- Messages whose order is known, and has not heard of them; the longest first, from a place on.
-- With the payment that each is about, as it stands now.
select i.source, i.message_id, i.type, i.data, i.received_at, i.order_id,
       o.status as order_status, o.currency, p.id, p.method, p.status, p.captured, p.refunded
  from inbox i
  join orders o on o.id = i.order_id
  left join payments p on p.order_id = i.order_id
                      and i.subject in ('payment:' || p.id, 'reference:' || p.provider_ref)
 where i.delivered_at is null and i.order_id is not null
   and i.received_at < now() - make_interval(secs => :older_than_s)
   and (i.received_at, i.source, i.message_id)
       > (:after_time::timestamptz, :after_source::text, :after_id::text)
 order by i.received_at, i.source, i.message_id limit :limit;

-- name: tell_again!
-- Its workflow was lost, and what it had heard may be lost with it. What is heard twice counts once.
update inbox set delivered_at = null where order_id = :order_id;

-- name: forget!
-- In small bites, oldest first: nobody sends a message again after so long.
delete from inbox
 where (source, message_id) in (
       select source, message_id from inbox
        where received_at < now() - make_interval(secs => :older_than_s)
          and (delivered_at is not null or order_id is null)
        order by received_at limit :limit);

-- name: mark_delivered!
-- Its order's workflow has it, or it told nothing new.
update inbox set delivered_at = coalesce(delivered_at, now())
 where source = :source and message_id = :message_id;
