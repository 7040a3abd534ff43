-- What messages carry, and the storms whose end is owed
-- (store/mysql/schema_storms.go).

-- +goose Up
ALTER TABLE alert_messages ADD COLUMN kind TEXT;
ALTER TABLE alert_messages ADD COLUMN words INTEGER NOT NULL DEFAULT 1;
ALTER TABLE alert_robots ADD COLUMN storm_us INTEGER;
ALTER TABLE alert_robots ADD COLUMN storm_group INTEGER;
