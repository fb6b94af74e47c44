-- name: add_review!
-- The buyer's own words are here and nowhere else: never in history.
insert into reviews (order_id, rating, comment) values (:order_id, :rating, :comment);
