-- Whom messages reach, and when: escalation, and messages of plain text
-- (store/mysql/schema_people.go).

-- +goose Up
ALTER TABLE wechat_groups ADD COLUMN message_format TEXT NOT NULL DEFAULT 'markdown';
ALTER TABLE alert_records ADD COLUMN word_first_us INTEGER;
ALTER TABLE alert_records ADD COLUMN escalate_us INTEGER;
ALTER TABLE alert_records ADD COLUMN escalated INTEGER NOT NULL DEFAULT 0;
ALTER TABLE alert_messages ADD COLUMN format TEXT;
ALTER TABLE alert_notifications ADD COLUMN unanswered INTEGER NOT NULL DEFAULT 0;
ALTER TABLE alert_notifications ADD COLUMN counted INTEGER NOT NULL DEFAULT 0;
CREATE TABLE alert_escalations (alert_id INTEGER PRIMARY KEY, at_us INTEGER NOT NULL);
CREATE INDEX ix_escalation_at ON alert_escalations (at_us);
