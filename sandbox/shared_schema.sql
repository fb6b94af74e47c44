-- Tables that both programs keep: how often a fault was met, and messages that wait for delivery.

CREATE TABLE IF NOT EXISTS fault_tries (
    subject   TEXT NOT NULL,      -- id of the object the call was about
    operation TEXT NOT NULL,
    tries     INTEGER NOT NULL,
    PRIMARY KEY (subject, operation)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS fault_restored (
    subject   TEXT NOT NULL,      -- works again: "unavailable until told so" was told so
    operation TEXT NOT NULL,
    PRIMARY KEY (subject, operation)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS deliveries (
    id              TEXT PRIMARY KEY,     -- message id, the same on every attempt
    body            TEXT NOT NULL,        -- exactly the bytes that are signed and sent
    attempts        INTEGER NOT NULL DEFAULT 0,
    next_attempt_ms INTEGER NOT NULL,     -- Unix time
    delivered_ms    INTEGER,              -- Unix time; NULL while it waits
    last_error      TEXT
);
CREATE INDEX IF NOT EXISTS deliveries_waiting
    ON deliveries (next_attempt_ms) WHERE delivered_ms IS NULL;
