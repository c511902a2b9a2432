-- Running numbers in the names of order files: 1, 2, 3 … in the order in which files were planned. A row is never deleted,
-- so that no number is used twice; a file that is planned anew keeps its number.
CREATE TABLE order_file_sequence (
  sequence INTEGER PRIMARY KEY,
  order_id TEXT NOT NULL,
  copy     INTEGER NOT NULL,
  UNIQUE (order_id, copy)
) STRICT;
