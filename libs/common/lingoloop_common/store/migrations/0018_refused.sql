-- When the engine's server first refused a unit because it was busy; null: it has not.
ALTER TABLE unit ADD COLUMN refused_at timestamptz;
