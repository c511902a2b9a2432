-- An order that was this shop's and that another shop fulfils now: its lines are kept with nothing left to take.
ALTER TABLE web_order ADD COLUMN elsewhere INTEGER NOT NULL DEFAULT 0;
