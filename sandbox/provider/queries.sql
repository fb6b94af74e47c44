-- name: insert_intent(id, created_s, amount, currency, method, capture_method, payment_method, last_token, status, description, metadata, slip_days)!
-- A new payment intent.
INSERT INTO payment_intents (id, created_s, amount, currency, method, capture_method,
       payment_method, last_token, status, description, metadata, slip_days)
VALUES (:id, :created_s, :amount, :currency, :method, :capture_method,
       :payment_method, :last_token, :status, :description, :metadata, :slip_days);

-- name: update_intent(payment_method, last_token, status, amount_capturable, amount_received, amount_refunded, charge_id, disputed, slip_days, next_action, last_payment_error, canceled_s, cancellation_reason, id)!
-- Everything about an intent that can change.
UPDATE payment_intents
   SET payment_method = :payment_method, last_token = :last_token, status = :status,
       amount_capturable = :amount_capturable, amount_received = :amount_received,
       amount_refunded = :amount_refunded, charge_id = :charge_id, disputed = :disputed,
       slip_days = :slip_days, next_action = :next_action,
       last_payment_error = :last_payment_error, canceled_s = :canceled_s,
       cancellation_reason = :cancellation_reason
 WHERE id = :id;

-- name: get_intent(id)^
-- One intent by id.
SELECT * FROM payment_intents WHERE id = :id;

-- name: list_intents(before, created_from_s, created_to_s, most)
-- A page of intents, newest first; `before` is the sequence where the last page ended.
SELECT * FROM payment_intents
 WHERE sequence < :before AND created_s BETWEEN :created_from_s AND :created_to_s
 ORDER BY sequence DESC LIMIT :most;

-- name: waiting_intents()
-- Intents whose payer has something to do, oldest first.
SELECT * FROM payment_intents WHERE status = 'requires_action' ORDER BY sequence;

-- name: intents_with_token(token)
-- Intents last given this token.
SELECT id FROM payment_intents WHERE last_token = :token;

-- name: insert_refund(id, created_s, payment_intent, charge_id, amount, currency, reason, metadata)!
-- Money sent back.
INSERT INTO refunds (id, created_s, payment_intent, charge_id, amount, currency, reason, metadata)
VALUES (:id, :created_s, :payment_intent, :charge_id, :amount, :currency, :reason, :metadata);

-- name: get_refund(id)^
-- One refund by id.
SELECT * FROM refunds WHERE id = :id;

-- name: list_refunds(before, most)
-- A page of refunds, newest first, of all intents.
SELECT * FROM refunds WHERE sequence < :before ORDER BY sequence DESC LIMIT :most;

-- name: list_refunds_of_intent(payment_intent, before, most)
-- A page of one intent's refunds, newest first.
SELECT * FROM refunds WHERE payment_intent = :payment_intent AND sequence < :before
 ORDER BY sequence DESC LIMIT :most;

-- name: get_saved_reply(key, forgotten_before_s)^
-- What an idempotency key was answered, unless it is forgotten.
SELECT path, fingerprint, status, body FROM idempotency_keys
 WHERE key = :key AND created_s > :forgotten_before_s;

-- name: save_reply(key, created_s, path, fingerprint, status, body)!
-- Keep the answer to an idempotency key; a forgotten one is replaced.
INSERT INTO idempotency_keys (key, created_s, path, fingerprint, status, body)
VALUES (:key, :created_s, :path, :fingerprint, :status, :body)
ON CONFLICT (key) DO UPDATE
   SET created_s = excluded.created_s, path = excluded.path, status = excluded.status,
       fingerprint = excluded.fingerprint, body = excluded.body;

-- name: forget_replies(forgotten_before_s)!
-- Drop the answers that no key can replay any more.
DELETE FROM idempotency_keys WHERE created_s <= :forgotten_before_s;
