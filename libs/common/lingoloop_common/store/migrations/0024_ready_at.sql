-- Since when a unit, or a webhook's delivery, waits for somebody to take it, in this turn; for metrics, no rule reads it. A service
-- of before does not write it when it makes one ready again: it is then the time before.
ALTER TABLE unit ADD COLUMN ready_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE webhook_delivery ADD COLUMN ready_at timestamptz NOT NULL DEFAULT now();

-- When a run had its first words; null: none yet, or a service of before wrote them.
ALTER TABLE transcript_run ADD COLUMN first_words_at timestamptz;
