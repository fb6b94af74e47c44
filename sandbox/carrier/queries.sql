-- name: insert_parcel(key, status, tracking_number, service, reference, country, now)!
-- A booking, or a tombstone for a key never seen.
INSERT INTO parcels (key, status, tracking_number, service, reference, country, created_at,
       updated_at)
VALUES (:key, :status, :tracking_number, :service, :reference, :country, :now, :now);

-- name: set_status(status, now, key)!
-- A move of a parcel.
UPDATE parcels SET status = :status, updated_at = :now WHERE key = :key;

-- name: get_parcel(key)^
-- One parcel by the caller's key.
SELECT * FROM parcels WHERE key = :key;

-- name: get_parcel_by_number(tracking_number)^
-- One parcel by its tracking number.
SELECT * FROM parcels WHERE tracking_number = :tracking_number;

-- name: list_parcels(after, most)
-- A page of parcels, tombstones too, oldest first; `after` is the last sequence seen.
SELECT * FROM parcels WHERE sequence > :after ORDER BY sequence LIMIT :most;

-- name: keys_with_service(service)
-- Parcels booked with this service.
SELECT key FROM parcels WHERE service = :service;

-- name: insert_event(id, tracking_number, status, occurred_at, location, detail, estimated_at)!
-- Something the carrier says about a parcel.
INSERT INTO tracking_events (id, tracking_number, status, occurred_at, location, detail,
       estimated_at)
VALUES (:id, :tracking_number, :status, :occurred_at, :location, :detail, :estimated_at);

-- name: events_of(tracking_number)
-- Everything said about a parcel, by when it happened.
SELECT id, status, occurred_at, location, detail, estimated_at FROM tracking_events
 WHERE tracking_number = :tracking_number ORDER BY occurred_at, rowid;
