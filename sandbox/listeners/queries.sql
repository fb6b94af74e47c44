-- name: add_event(id, order_id, sequence, type)!
-- One that came, perhaps again.
INSERT INTO events (id, order_id, sequence, type) VALUES (:id, :order_id, :sequence, :type);

-- name: add_mail(message_id, recipient)!
-- One that came, perhaps again.
INSERT INTO mails (message_id, recipient) VALUES (:message_id, :recipient);

-- name: get_mark()^
-- Where to go on.
SELECT mark FROM place;

-- name: set_mark(mark)!
-- From here.
INSERT INTO place (one, mark) VALUES (1, :mark) ON CONFLICT (one) DO UPDATE SET mark = excluded.mark;
