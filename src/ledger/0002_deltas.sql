-- Exports of changes are merged into the full export before them; every row knows which export says so.

ALTER TABLE export ADD COLUMN scope TEXT NOT NULL DEFAULT 'full';
-- The till's own number of the export, with its leading zeros.
ALTER TABLE export ADD COLUMN sequence TEXT;
-- 1, 2, 3 … in the order in which exports were admitted.
ALTER TABLE export ADD COLUMN admission INTEGER;
-- Of the export that counts: the least `evidence_until` behind any of its rows, and the youngest time of making.
ALTER TABLE export ADD COLUMN evidence_from INTEGER;
ALTER TABLE export ADD COLUMN merged_as_of INTEGER;
UPDATE export SET admission = id WHERE state = 'admitted' OR verdict LIKE '{"verdict":"admitted"%';
UPDATE export SET evidence_from = evidence_until WHERE state = 'admitted';
CREATE INDEX export_by_admission ON export (scope, admission) WHERE admission IS NOT NULL;

-- `row`: the data record; `ordinal`: its place among the changes; `origin`: the export that says so, when it is another.
ALTER TABLE stock_row ADD COLUMN row INTEGER NOT NULL DEFAULT 0;
ALTER TABLE stock_row ADD COLUMN ordinal INTEGER;
ALTER TABLE stock_row ADD COLUMN origin INTEGER;
ALTER TABLE stock_row_again ADD COLUMN row INTEGER NOT NULL DEFAULT 0;
ALTER TABLE stock_row_again ADD COLUMN ordinal INTEGER;

-- Items that an earlier full export had and the one that counts lacks, while the shop wants that reported.
CREATE TABLE missing_item (
  sku   TEXT PRIMARY KEY,
  since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
