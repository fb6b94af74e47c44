-- A listener's books: all that came, as it came.

CREATE TABLE IF NOT EXISTS events (
    number   INTEGER PRIMARY KEY,   -- in the order in which they came
    id       TEXT NOT NULL,
    order_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    type     TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS mails (
    number     INTEGER PRIMARY KEY,
    message_id TEXT NOT NULL,       -- without its brackets
    recipient  TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS place (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    mark TEXT NOT NULL              -- where to go on after a restart: a stream's last id, a queue's name
);
