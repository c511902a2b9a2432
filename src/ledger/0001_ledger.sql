-- Times are microseconds since 1970 in UTC; quantities are exact decimals in their one written form.

CREATE TABLE fact (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE web_order (
  id              TEXT PRIMARY KEY,
  number          TEXT NOT NULL,
  placed_at       INTEGER NOT NULL,
  received_at     INTEGER NOT NULL,
  changed_at      INTEGER NOT NULL,
  ready           INTEGER NOT NULL,
  void            INTEGER NOT NULL,
  store_status    TEXT NOT NULL,
  content_hash    TEXT NOT NULL,
  body            TEXT NOT NULL,
  state           TEXT NOT NULL,
  reason          TEXT,
  copies          INTEGER NOT NULL DEFAULT 0,
  before_our_time INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX web_order_by_state ON web_order (state, placed_at);
CREATE INDEX web_order_by_number ON web_order (number);
-- Only what the sweeps ask for; their conditions stand in `ledger::order_lists` word for word.
CREATE INDEX web_order_to_publish ON web_order (placed_at, id)
  WHERE state = 'received' AND ready = 1 AND void = 0 AND before_our_time = 0;
CREATE INDEX web_order_to_withdraw ON web_order (state)
  WHERE void = 1 AND state IN ('received', 'published', 'failed', 'rejected');
CREATE INDEX web_order_cancelled_late ON web_order (changed_at)
  WHERE void = 1 AND state IN ('consumed', 'acknowledged');
CREATE INDEX web_order_before_start ON web_order (placed_at, id)
  WHERE state = 'received' AND void = 0 AND before_our_time = 1;

-- What an order claims of a SKU, summed over its lines.
CREATE TABLE order_claim (
  sku      TEXT NOT NULL,
  order_id TEXT NOT NULL REFERENCES web_order (id),
  to_take  TEXT NOT NULL,
  reserved TEXT NOT NULL,
  shipped  TEXT NOT NULL,
  PRIMARY KEY (sku, order_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX order_claim_by_order ON order_claim (order_id);

CREATE TABLE order_history (
  id       INTEGER PRIMARY KEY,
  order_id TEXT NOT NULL REFERENCES web_order (id),
  at       INTEGER NOT NULL,
  what     TEXT NOT NULL,
  detail   TEXT,
  by_whom  TEXT NOT NULL
) STRICT;
CREATE INDEX order_history_by_order ON order_history (order_id);

-- An order file: planned (journalled) → staged (durable, invisible) → visible → taken | rejected | withdrawn.
CREATE TABLE order_file (
  name       TEXT PRIMARY KEY,
  order_id   TEXT NOT NULL REFERENCES web_order (id),
  copy       INTEGER NOT NULL,
  sha256     TEXT NOT NULL,
  bytes      INTEGER NOT NULL,
  state      TEXT NOT NULL,
  planned_at INTEGER NOT NULL,
  visible_at INTEGER,
  ended_at   INTEGER,
  evidence   TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX order_file_by_order ON order_file (order_id, copy);
CREATE INDEX order_file_by_state ON order_file (state);
CREATE INDEX order_file_taken ON order_file (ended_at) WHERE state = 'taken';

CREATE TABLE order_file_units (
  name  TEXT NOT NULL REFERENCES order_file (name),
  sku   TEXT NOT NULL,
  units TEXT NOT NULL,
  PRIMARY KEY (name, sku)
) STRICT, WITHOUT ROWID;

CREATE TABLE export (
  id             INTEGER PRIMARY KEY,
  name           TEXT NOT NULL,
  identity       TEXT NOT NULL,
  fingerprint    TEXT NOT NULL,
  bytes          INTEGER NOT NULL,
  timing         TEXT NOT NULL,
  state          TEXT NOT NULL,
  seen_at        INTEGER NOT NULL,
  decided_at     INTEGER,
  evidence_until INTEGER,
  rows           INTEGER NOT NULL DEFAULT 0,
  skus           INTEGER NOT NULL DEFAULT 0,
  in_stock       INTEGER NOT NULL DEFAULT 0,
  zeroed         INTEGER NOT NULL DEFAULT 0,
  row_errors     INTEGER NOT NULL DEFAULT 0,
  report         TEXT NOT NULL DEFAULT '{}',
  verdict        TEXT,
  approved_by    TEXT,
  approved_at    INTEGER,
  rows_kept      INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE UNIQUE INDEX export_by_identity ON export (identity);
CREATE INDEX export_by_state ON export (state);
CREATE INDEX export_with_rows ON export (state) WHERE rows_kept = 1;

CREATE TABLE stock_row (
  export_id INTEGER NOT NULL,
  sku       TEXT NOT NULL,
  quantity  TEXT NOT NULL,
  line      INTEGER NOT NULL,
  PRIMARY KEY (export_id, sku)
) STRICT, WITHOUT ROWID;

-- Second and later rows of a SKU within one export, until they are settled.
CREATE TABLE stock_row_again (
  id        INTEGER PRIMARY KEY,
  export_id INTEGER NOT NULL,
  sku       TEXT NOT NULL,
  quantity  TEXT NOT NULL,
  line      INTEGER NOT NULL
) STRICT;

-- What the store is known to hold: the last acknowledged write, and how far the store itself had moved by then.
CREATE TABLE store_item (
  sku        TEXT PRIMARY KEY,
  kind       TEXT NOT NULL,
  written    TEXT,
  moved      TEXT,
  written_at INTEGER,
  export_id  INTEGER,
  answer     TEXT NOT NULL,
  checked_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX store_item_unusual ON store_item (checked_at) WHERE kind <> 'kept';

-- The outbox. A stock row says "this SKU is due", never a number.
-- `ready_at` is when it may be tried: now, after a pause, or when the lease of whoever has it ends.
CREATE TABLE outbox_stock (
  sku        TEXT PRIMARY KEY,
  due_since  INTEGER NOT NULL,
  mark       INTEGER NOT NULL DEFAULT 1,
  attempts   INTEGER NOT NULL DEFAULT 0,
  ready_at   INTEGER NOT NULL DEFAULT 0,
  leased     INTEGER NOT NULL DEFAULT 0,
  last_error TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_stock_ready ON outbox_stock (ready_at);

CREATE TABLE outbox_acknowledgement (
  idempotency_key TEXT PRIMARY KEY,
  order_id        TEXT NOT NULL REFERENCES web_order (id),
  body            TEXT NOT NULL,
  due_since       INTEGER NOT NULL,
  attempts        INTEGER NOT NULL DEFAULT 0,
  ready_at        INTEGER NOT NULL DEFAULT 0,
  leased          INTEGER NOT NULL DEFAULT 0,
  last_error      TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_acknowledgement_ready ON outbox_acknowledgement (ready_at);

-- One row per request to the store that carried something.
CREATE TABLE attempt (
  id      INTEGER PRIMARY KEY,
  at      INTEGER NOT NULL,
  kind    TEXT NOT NULL,
  items   INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  detail  TEXT,
  millis  INTEGER NOT NULL
) STRICT;

-- One row per activation of a reconciler that found something to do.
CREATE TABLE run (
  id         INTEGER PRIMARY KEY,
  kind       TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  ended_at   INTEGER NOT NULL,
  outcome    TEXT NOT NULL,
  figures    TEXT NOT NULL,
  message    TEXT
) STRICT;
CREATE INDEX run_by_kind ON run (kind, id);

CREATE TABLE condition (
  code     TEXT NOT NULL,
  subject  TEXT NOT NULL,
  severity TEXT NOT NULL,
  since    INTEGER NOT NULL,
  text     TEXT NOT NULL,
  remedy   TEXT NOT NULL,
  PRIMARY KEY (code, subject)
) STRICT, WITHOUT ROWID;
