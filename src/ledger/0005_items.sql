-- Web SKUs and the till's codes of the same items, strictly one to one. Rows of exports keep the till's codes, orders and
-- the store's side the web SKUs; the pairs stand between the two, so that a change of them moves no row.
CREATE TABLE item_pair (
  web_sku   TEXT PRIMARY KEY,
  till_code TEXT NOT NULL UNIQUE,
  since     INTEGER NOT NULL,
  by_whom   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Every change of them, and every word that orders under an older code are booked under the new one. A row is never deleted.
CREATE TABLE item_pair_history (
  id      INTEGER PRIMARY KEY,
  at      INTEGER NOT NULL,
  web_sku TEXT NOT NULL,
  was     TEXT,
  now     TEXT,
  booked  INTEGER NOT NULL DEFAULT 0,
  by_whom TEXT NOT NULL
) STRICT;

-- The code under which the till books these units: the one in the file, unless a person says otherwise, and when that was:
-- an export that was made before is no proof of it.
ALTER TABLE order_file_units ADD COLUMN booked_as TEXT NOT NULL DEFAULT '';
ALTER TABLE order_file_units ADD COLUMN booked_at INTEGER;
UPDATE order_file_units SET booked_as = sku;
CREATE INDEX order_file_units_by_code ON order_file_units (booked_as, sku);
CREATE INDEX order_file_units_booked ON order_file_units (booked_at) WHERE booked_at IS NOT NULL;
