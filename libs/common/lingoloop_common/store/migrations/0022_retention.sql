-- For how many days recordings are kept, of owners for whom the setting does not hold.
CREATE TABLE owner_retention (
    owner text PRIMARY KEY,
    days  int NOT NULL CHECK (days BETWEEN 0 AND 36500)  -- 0: for good
);

-- Whether the recording was deleted because it was kept no longer, and not on its owner's behalf.
ALTER TABLE receipt ADD COLUMN expired boolean NOT NULL DEFAULT false;
