-- What the store keeps failing at while it works otherwise. A row of the outbox that is found here is counted: after so many
-- tries it leaves the outbox and is dead, until something changes, a person says so, or a day has passed.
CREATE TABLE outbox_trouble (
  kind     TEXT NOT NULL,              -- stock | acknowledgement
  key      TEXT NOT NULL,              -- the web SKU, or the news' idempotency key
  order_id TEXT,
  body     TEXT,                       -- the news, so that it can be told once more
  state    TEXT NOT NULL,              -- tried | dead | dropped
  alone    INTEGER NOT NULL DEFAULT 0, -- it makes the whole request fail: it is sent in a request of its own
  proved   INTEGER NOT NULL DEFAULT 0, -- others were taken meanwhile: it is not the store
  tries    INTEGER NOT NULL,
  since    INTEGER NOT NULL,
  tried_at INTEGER NOT NULL,
  reason   TEXT NOT NULL,
  by_whom  TEXT,
  PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_trouble_by_state ON outbox_trouble (state, kind, since);
CREATE INDEX outbox_trouble_by_order ON outbox_trouble (order_id) WHERE order_id IS NOT NULL;

-- What persons decided about rows of the outbox.
CREATE TABLE outbox_decision (
  id      INTEGER PRIMARY KEY,
  at      INTEGER NOT NULL,
  kind    TEXT NOT NULL,
  key     TEXT NOT NULL,
  shown   TEXT NOT NULL,
  what    TEXT NOT NULL,               -- retry | drop
  reason  TEXT,
  by_whom TEXT NOT NULL
) STRICT;

-- The last failed requests with their answers, secrets cut out.
CREATE TABLE exchange (
  id       INTEGER PRIMARY KEY,
  first_at INTEGER NOT NULL,
  last_at  INTEGER NOT NULL,
  times    INTEGER NOT NULL DEFAULT 1,
  class    TEXT NOT NULL,
  what     TEXT NOT NULL,
  request  TEXT NOT NULL,
  sent     TEXT NOT NULL,
  status   INTEGER,
  answered TEXT NOT NULL
) STRICT;

-- The store's version mark of what it is known to hold, where it has such marks.
ALTER TABLE store_item ADD COLUMN version TEXT;
