-- The carrier's books: what an audit compares the order service with.

CREATE TABLE IF NOT EXISTS parcels (
    sequence        INTEGER PRIMARY KEY,
    key             TEXT NOT NULL UNIQUE,   -- the caller's own
    status          TEXT NOT NULL,
    tracking_number TEXT UNIQUE,            -- NULL for a tombstone
    service         TEXT,
    reference       TEXT,
    country         TEXT,                   -- ISO 3166-1 alpha-2; all we keep of the address
    created_at      TEXT NOT NULL,          -- RFC 3339, UTC
    updated_at      TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS tracking_events (
    id              TEXT PRIMARY KEY,       -- also the webhook's message id
    tracking_number TEXT NOT NULL REFERENCES parcels (tracking_number),
    status          TEXT NOT NULL,
    occurred_at     TEXT NOT NULL,          -- RFC 3339, UTC, fixed width: sorts as text
    location        TEXT,
    detail          TEXT,
    estimated_at    TEXT
);
CREATE INDEX IF NOT EXISTS tracking_events_of_parcel ON tracking_events (tracking_number);
