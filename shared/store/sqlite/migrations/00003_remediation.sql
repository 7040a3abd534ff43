-- Evidence, hosts, the guards' own state, and silences
-- (store/mysql/schema_remediation.go).

-- +goose Up
ALTER TABLE alert_remediations ADD COLUMN rung INTEGER NOT NULL DEFAULT 0;
ALTER TABLE alert_remediations ADD COLUMN host TEXT;
ALTER TABLE alert_remediations ADD COLUMN proven_us INTEGER;
CREATE INDEX ix_remediation_ordered ON alert_remediations (ordered_us) WHERE ordered_us IS NOT NULL;

CREATE TABLE alert_evidence (remediation_id INTEGER PRIMARY KEY, alert_id INTEGER NOT NULL, evidence TEXT NOT NULL);
CREATE INDEX ix_evidence_alert ON alert_evidence (alert_id);

CREATE TABLE alert_runners (
  owner TEXT PRIMARY KEY, host TEXT NOT NULL, host_name TEXT NOT NULL, mode TEXT NOT NULL, reachable INTEGER NOT NULL, containers TEXT NOT NULL, seen_us INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX ix_runner_seen ON alert_runners (seen_us);

CREATE TABLE alert_brakes (
  host TEXT PRIMARY KEY, host_name TEXT NOT NULL, engaged_us INTEGER NOT NULL, until_us INTEGER NOT NULL, containers TEXT NOT NULL, released_by TEXT, owed TEXT
) WITHOUT ROWID;

CREATE TABLE alert_rearms (container TEXT PRIMARY KEY, at_us INTEGER NOT NULL, rearmed_by TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE alert_silences (
  id INTEGER PRIMARY KEY AUTOINCREMENT, alert_type TEXT, service_name TEXT, severity TEXT, starts_us INTEGER NOT NULL, ends_us INTEGER NOT NULL,
  author TEXT NOT NULL, comment TEXT NOT NULL, hold_remediation INTEGER NOT NULL DEFAULT 0, created_us INTEGER NOT NULL, ended_by TEXT
);
CREATE INDEX ix_silence_ends ON alert_silences (ends_us);
