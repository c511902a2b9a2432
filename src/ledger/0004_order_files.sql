-- An order file may hold several orders (a batch), consist of several files, and take back what an earlier one booked.
-- A row is one order in one file: planned (journalled) → staged (durable, invisible) → visible → left (gone, unproved)
-- → taken | rejected | withdrawn | lost.
CREATE TABLE order_file_4 (
  name       TEXT NOT NULL,
  order_id   TEXT NOT NULL REFERENCES web_order (id),
  -- 'order'; 'cancellation' takes back; 'by-hand' is what staff booked in the till themselves.
  kind       TEXT NOT NULL DEFAULT 'order',
  copy       INTEGER NOT NULL,
  -- Hash of what the till is to book: an order that is changed later has another one.
  version    TEXT NOT NULL DEFAULT '',
  -- The files that go with it, and how long the till's reports were before it: JSON.
  beside     TEXT NOT NULL DEFAULT '[]',
  marks      TEXT NOT NULL DEFAULT '{}',
  sha256     TEXT NOT NULL,
  bytes      INTEGER NOT NULL,
  state      TEXT NOT NULL,
  planned_at INTEGER NOT NULL,
  visible_at INTEGER,
  left_at    INTEGER,
  ended_at   INTEGER,
  evidence   TEXT,
  PRIMARY KEY (name, order_id)
) STRICT, WITHOUT ROWID;
-- A file that was taken had gone by then.
INSERT INTO order_file_4 (name, order_id, copy, sha256, bytes, state, planned_at, visible_at, left_at, ended_at, evidence)
  SELECT name, order_id, copy, sha256, bytes, state, planned_at, visible_at, ended_at, ended_at, evidence FROM order_file;

CREATE TABLE order_file_units_4 (
  name     TEXT NOT NULL,
  order_id TEXT NOT NULL,
  sku      TEXT NOT NULL,
  units    TEXT NOT NULL,
  PRIMARY KEY (name, order_id, sku),
  FOREIGN KEY (name, order_id) REFERENCES order_file_4 (name, order_id)
) STRICT, WITHOUT ROWID;
INSERT INTO order_file_units_4 (name, order_id, sku, units)
  SELECT u.name, f.order_id, u.sku, u.units FROM order_file_units u JOIN order_file f ON f.name = u.name;

DROP TABLE order_file_units;
DROP TABLE order_file;
ALTER TABLE order_file_4 RENAME TO order_file;
ALTER TABLE order_file_units_4 RENAME TO order_file_units;
CREATE INDEX order_file_by_order ON order_file (order_id, kind, copy);
CREATE INDEX order_file_by_state ON order_file (state);
CREATE INDEX order_file_taken ON order_file (ended_at) WHERE state = 'taken';

-- The orders of a batch share their running number; a file that no till can have seen gives its number back.
CREATE TABLE order_file_sequence_4 (
  sequence INTEGER NOT NULL,
  order_id TEXT NOT NULL,
  kind     TEXT NOT NULL DEFAULT 'order',
  copy     INTEGER NOT NULL,
  PRIMARY KEY (order_id, kind, copy)
) STRICT, WITHOUT ROWID;
INSERT INTO order_file_sequence_4 (sequence, order_id, copy) SELECT sequence, order_id, copy FROM order_file_sequence;
DROP TABLE order_file_sequence;
ALTER TABLE order_file_sequence_4 RENAME TO order_file_sequence;
CREATE INDEX order_file_sequence_last ON order_file_sequence (sequence);

-- What a person said of an order, until the agent has carried it out, or for a while that it could not.
CREATE TABLE order_declared (
  order_id TEXT PRIMARY KEY REFERENCES web_order (id),
  word     TEXT NOT NULL,
  by_whom  TEXT NOT NULL,
  at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- An order whose file has gone without proof counts as taken where cancellations are concerned.
DROP INDEX web_order_cancelled_late;
CREATE INDEX web_order_cancelled_late ON web_order (changed_at)
  WHERE void = 1 AND state IN ('taken-unproved', 'consumed', 'acknowledged');
