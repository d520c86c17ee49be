-- What `served` was when the owner last became active: as long as both are alike, nothing has been served since. Null: active
-- from before, or by a gateway of before.
ALTER TABLE owner_service ADD COLUMN served_before double precision;
