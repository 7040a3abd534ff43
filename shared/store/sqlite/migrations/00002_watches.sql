-- Heartbeats, and what the watches of logs and containers remember
-- (store/mysql/schema_watches.go).

-- +goose Up
CREATE TABLE alert_heartbeats (
  name TEXT PRIMARY KEY, declared TEXT NOT NULL, period_us INTEGER NOT NULL, grace_us INTEGER NOT NULL, alert_type TEXT NOT NULL, service_name TEXT NOT NULL,
  severity TEXT NOT NULL, state TEXT NOT NULL, since_us INTEGER NOT NULL, cause TEXT, declared_us INTEGER NOT NULL, last_ping_us INTEGER, last_ok_us INTEGER,
  started_us INTEGER, down_us INTEGER, last_signal TEXT, exit_code INTEGER, note TEXT, paused_by TEXT, pings INTEGER NOT NULL DEFAULT 0,
  counted_us INTEGER NOT NULL, run_us INTEGER, deadline_us INTEGER, alarmed INTEGER NOT NULL DEFAULT 0, owed TEXT, owed_us INTEGER, seq INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX ix_heartbeat_deadline ON alert_heartbeats (deadline_us) WHERE deadline_us IS NOT NULL;
CREATE INDEX ix_heartbeat_owed ON alert_heartbeats (owed_us) WHERE owed_us IS NOT NULL;
CREATE INDEX ix_heartbeat_period ON alert_heartbeats (period_us);
CREATE INDEX ix_heartbeat_declared ON alert_heartbeats (declared);

CREATE TABLE alert_watches (
  kind TEXT NOT NULL, name TEXT NOT NULL, host TEXT NOT NULL, state TEXT NOT NULL, since_us INTEGER, last_seen_us INTEGER, deadline_us INTEGER,
  limit_us INTEGER NOT NULL DEFAULT 0, alert_type TEXT NOT NULL, service_name TEXT NOT NULL, detail TEXT, false_alarms INTEGER NOT NULL DEFAULT 0,
  deaf_times INTEGER NOT NULL DEFAULT 0, memory TEXT, updated_us INTEGER NOT NULL,
  PRIMARY KEY (kind, name, host)
) WITHOUT ROWID;

CREATE TABLE alert_liveness (id INTEGER PRIMARY KEY, alive_us INTEGER NOT NULL);
