-- Orders whose booking is to be compared with what the store wants: filled by the triggers below, emptied as they are
-- compared, so that orders which nobody touches cost nothing.
CREATE TABLE order_to_compare (
  order_id TEXT PRIMARY KEY REFERENCES web_order (id)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER order_changed AFTER UPDATE OF content_hash, state ON web_order
WHEN (NEW.state IN ('taken-unproved', 'consumed', 'acknowledged') OR OLD.state IN ('taken-unproved', 'consumed', 'acknowledged'))
  AND NOT (OLD.state = 'consumed' AND NEW.state = 'acknowledged')
BEGIN
  INSERT INTO order_to_compare (order_id) VALUES (NEW.id) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER cancellation_moved AFTER UPDATE OF state ON order_file
WHEN NEW.kind = 'cancellation' AND NEW.state <> OLD.state
BEGIN
  INSERT INTO order_to_compare (order_id) VALUES (NEW.order_id) ON CONFLICT DO NOTHING;
END;

-- What the till has of a taken order besides units (hashes, JSON; NULL: it was changed while the till took it, and nobody
-- has looked), and refunded units that staff know of.
CREATE TABLE order_compared (
  order_id    TEXT PRIMARY KEY REFERENCES web_order (id),
  particulars TEXT,
  refunded    TEXT NOT NULL DEFAULT '{}'
) STRICT, WITHOUT ROWID;

-- What staff are to do, until somebody says that it is done: JSON.
CREATE TABLE order_task (
  order_id TEXT PRIMARY KEY REFERENCES web_order (id),
  since    INTEGER NOT NULL,
  task     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The most that was asked of staff since then: they may have booked it, whatever the store wants now.
CREATE TABLE order_asked (
  sku      TEXT NOT NULL,
  order_id TEXT NOT NULL REFERENCES web_order (id),
  back     TEXT NOT NULL,
  more     TEXT NOT NULL,
  PRIMARY KEY (sku, order_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX order_asked_by_order ON order_asked (order_id);

-- Few orders have any.
CREATE INDEX order_file_corrections ON order_file (order_id) WHERE kind <> 'order';

-- Orders cancelled late were shown for a week and no longer; those of the last week become tasks.
DROP INDEX web_order_cancelled_late;
INSERT INTO order_to_compare (order_id)
  SELECT id FROM web_order WHERE void = 1 AND state IN ('taken-unproved', 'consumed', 'acknowledged')
    AND changed_at > (unixepoch() - 7 * 86400) * 1000000;
