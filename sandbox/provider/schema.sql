-- The provider's books: what an audit compares the order service with.

CREATE TABLE IF NOT EXISTS payment_intents (
    sequence            INTEGER PRIMARY KEY,  -- order of creation
    id                  TEXT NOT NULL UNIQUE,
    created_s           INTEGER NOT NULL,     -- Unix time
    amount              INTEGER NOT NULL CHECK (amount > 0),  -- minor units
    currency            TEXT NOT NULL,
    method              TEXT NOT NULL,
    capture_method      TEXT NOT NULL CHECK (capture_method IN ('automatic', 'manual')),
    payment_method      TEXT,                 -- the token; NULL after a decline, as at Stripe
    last_token          TEXT,                 -- the last token given; decides faults of an undo
    status              TEXT NOT NULL,
    amount_capturable   INTEGER NOT NULL DEFAULT 0 CHECK (amount_capturable >= 0),
    amount_received     INTEGER NOT NULL DEFAULT 0 CHECK (amount_received >= 0),
    amount_refunded     INTEGER NOT NULL DEFAULT 0
                        CHECK (amount_refunded BETWEEN 0 AND amount_received),
    charge_id           TEXT,                 -- NULL until something was authorised or charged
    disputed            INTEGER NOT NULL DEFAULT 0,
    description         TEXT,
    metadata            TEXT NOT NULL,        -- JSON object of strings
    slip_days           INTEGER NOT NULL,     -- how long a slip can be paid
    next_action         TEXT,                 -- JSON; a canceled slip keeps its own, for it is in
                                              -- the payer's hand; else NULL unless requires_action
    last_payment_error  TEXT,                 -- JSON
    canceled_s          INTEGER,              -- Unix time
    cancellation_reason TEXT
);
CREATE INDEX IF NOT EXISTS payment_intents_waiting
    ON payment_intents (sequence) WHERE status = 'requires_action';

CREATE TABLE IF NOT EXISTS refunds (
    sequence       INTEGER PRIMARY KEY,
    id             TEXT NOT NULL UNIQUE,
    created_s      INTEGER NOT NULL,
    payment_intent TEXT NOT NULL REFERENCES payment_intents (id),
    charge_id      TEXT NOT NULL,
    amount         INTEGER NOT NULL CHECK (amount > 0),
    currency       TEXT NOT NULL,
    reason         TEXT,
    metadata       TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS refunds_of_intent ON refunds (payment_intent, sequence);

CREATE TABLE IF NOT EXISTS idempotency_keys (
    key         TEXT PRIMARY KEY,
    created_s   REAL NOT NULL,       -- Unix time, with fractions: keys may be forgotten fast
    path        TEXT NOT NULL,
    fingerprint TEXT NOT NULL,   -- SHA-256 of the parameters
    status      INTEGER NOT NULL,
    body        TEXT NOT NULL
) WITHOUT ROWID;
