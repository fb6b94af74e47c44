-- name: count_try(subject, operation)^
-- Count one more try of an operation on a subject; gives the number of this try, from 1.
INSERT INTO fault_tries (subject, operation, tries) VALUES (:subject, :operation, 1)
ON CONFLICT (subject, operation) DO UPDATE SET tries = tries + 1
RETURNING tries;

-- name: is_restored(subject, operation)^
-- Whether an operation on a subject was told to work again.
SELECT 1 FROM fault_restored WHERE subject = :subject AND operation = :operation;

-- name: restore(subject, operation)!
-- From now on the operation works for the subject.
INSERT INTO fault_restored (subject, operation) VALUES (:subject, :operation)
ON CONFLICT DO NOTHING;

-- name: enqueue_delivery(id, body, now_ms)!
-- A message to send; written in the transaction of what it tells about.
INSERT INTO deliveries (id, body, next_attempt_ms) VALUES (:id, :body, :now_ms);

-- name: due_deliveries(now_ms, most)
-- The messages whose time has come, oldest first.
SELECT id, body, attempts FROM deliveries
 WHERE delivered_ms IS NULL AND next_attempt_ms <= :now_ms
 ORDER BY next_attempt_ms, rowid LIMIT :most;

-- name: next_delivery_ms()^
-- When the next waiting message is due (Unix ms), NULL when none waits.
SELECT min(next_attempt_ms) AS due_ms FROM deliveries WHERE delivered_ms IS NULL;

-- name: mark_delivered(now_ms, id)!
-- The receiver took the message.
UPDATE deliveries SET delivered_ms = :now_ms, attempts = attempts + 1, last_error = NULL
 WHERE id = :id;

-- name: postpone_delivery(next_attempt_ms, error, id)!
-- The receiver did not take the message: try again later.
UPDATE deliveries SET attempts = attempts + 1, next_attempt_ms = :next_attempt_ms,
       last_error = :error
 WHERE id = :id;

-- name: count_deliveries()^
-- How many messages wait and how many were taken.
SELECT count(*) FILTER (WHERE delivered_ms IS NULL) AS waiting, count(delivered_ms) AS delivered
  FROM deliveries;
