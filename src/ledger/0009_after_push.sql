-- A write of this item may have reached the store since it became due. Kept up only while somebody is to be told.
ALTER TABLE outbox_stock ADD COLUMN sent INTEGER NOT NULL DEFAULT 0;

-- Items whose quantities were stored, and of which whoever listens has not been told yet. The empty name stands for more
-- of them than are listed; its mark says how many.
CREATE TABLE pushed (
  sku  TEXT PRIMARY KEY,
  mark INTEGER NOT NULL DEFAULT 1,
  at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
