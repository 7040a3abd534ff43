-- The same tables and names as on MySQL (store/mysql/schema.go); types as
-- SQLite has them. Times in *_us are microseconds since the epoch, UTC.

-- +goose Up
CREATE TABLE wechat_groups (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  group_name TEXT NOT NULL,
  webhook_url TEXT NOT NULL,
  alert_types TEXT,
  is_enabled INTEGER NOT NULL DEFAULT 1,
  description TEXT,
  created_at TEXT NOT NULL DEFAULT (datetime('now', '+8 hours')),
  updated_at TEXT NOT NULL DEFAULT (datetime('now', '+8 hours'))
);

CREATE TABLE alert_records (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  alert_type TEXT NOT NULL,
  service_name TEXT NOT NULL,
  severity TEXT NOT NULL,
  title TEXT NOT NULL,
  message TEXT NOT NULL,
  status TEXT NOT NULL DEFAULT 'OPEN',
  action_taken TEXT,
  wechat_sent INTEGER NOT NULL DEFAULT 0,
  wechat_sent_at TEXT,
  resolved_at TEXT,
  created_at TEXT NOT NULL DEFAULT (datetime('now', '+8 hours')),
  updated_at TEXT NOT NULL DEFAULT (datetime('now', '+8 hours')),
  fingerprint TEXT,
  metadata TEXT,
  occurrences INTEGER NOT NULL DEFAULT 1,
  created_us INTEGER,
  updated_us INTEGER,
  last_seen_us INTEGER,
  acknowledged_us INTEGER,
  resolved_us INTEGER,
  wechat_sent_us INTEGER,
  word_us INTEGER,
  word_severity TEXT,
  word_text TEXT,
  latest_text TEXT,
  recheck_us INTEGER,
  trail_seq INTEGER NOT NULL DEFAULT 0,
  trail_code TEXT,
  open_key TEXT GENERATED ALWAYS AS (CASE WHEN status IN ('OPEN','ACKNOWLEDGED') THEN fingerprint ELSE NULL END) VIRTUAL
);
CREATE UNIQUE INDEX uk_alert_open ON alert_records (open_key) WHERE open_key IS NOT NULL;
CREATE INDEX ix_alert_kind ON alert_records (alert_type, status, severity, id);
CREATE INDEX ix_alert_service ON alert_records (service_name, alert_type, status, severity, id);

CREATE TABLE alert_events (
  alert_id INTEGER NOT NULL, slot INTEGER NOT NULL, n INTEGER NOT NULL, severity TEXT NOT NULL, title TEXT NOT NULL, message TEXT NOT NULL,
  metadata TEXT, resolved INTEGER NOT NULL DEFAULT 0, notes TEXT, received_us INTEGER NOT NULL,
  PRIMARY KEY (alert_id, slot)
) WITHOUT ROWID;

CREATE TABLE alert_notifications (
  id INTEGER PRIMARY KEY AUTOINCREMENT, alert_id INTEGER NOT NULL, remediation_id INTEGER NOT NULL DEFAULT 0,
  group_id INTEGER NOT NULL, group_name TEXT NOT NULL, kind TEXT NOT NULL, severity TEXT NOT NULL, priority INTEGER NOT NULL,
  status TEXT NOT NULL, reason_code TEXT, reason_detail TEXT, reason_until INTEGER, attempts INTEGER NOT NULL DEFAULT 0,
  next_us INTEGER, created_us INTEGER NOT NULL, settled_us INTEGER, message_id INTEGER
);
CREATE INDEX ix_notification_alert ON alert_notifications (alert_id);
CREATE INDEX ix_notification_queue ON alert_notifications (group_id, priority, id, next_us) WHERE status = 'PENDING';
CREATE INDEX ix_notification_message ON alert_notifications (message_id) WHERE message_id IS NOT NULL;

CREATE TABLE alert_messages (
  id INTEGER PRIMARY KEY AUTOINCREMENT, robot TEXT NOT NULL, group_id INTEGER NOT NULL, alert_id INTEGER, status TEXT NOT NULL,
  content TEXT NOT NULL, errcode INTEGER NOT NULL DEFAULT 0, error TEXT, sent_us INTEGER NOT NULL, answered_us INTEGER, slot_until INTEGER NOT NULL
);
CREATE INDEX ix_message_robot ON alert_messages (robot, slot_until);
CREATE INDEX ix_message_status ON alert_messages (robot, status);
CREATE INDEX ix_message_alert ON alert_messages (alert_id);

CREATE TABLE alert_robots (
  robot TEXT PRIMARY KEY, owner TEXT, lease_us INTEGER, paused_us INTEGER, reason_code TEXT, reason_detail TEXT, reason_until INTEGER,
  failures INTEGER NOT NULL DEFAULT 0, broken INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE alert_remediations (
  id INTEGER PRIMARY KEY AUTOINCREMENT, alert_id INTEGER NOT NULL, fingerprint TEXT, action TEXT NOT NULL, container TEXT NOT NULL, status TEXT NOT NULL,
  reason_code TEXT, reason_detail TEXT, reason_until INTEGER, requested_by TEXT, requested_us INTEGER NOT NULL, ordered_us INTEGER, ended_us INTEGER, next_us INTEGER,
  container_id TEXT, started_before TEXT, started_after TEXT, engine_mark TEXT, call_limit_us INTEGER, checks INTEGER NOT NULL DEFAULT 0, owner TEXT, lease_us INTEGER,
  active_key TEXT GENERATED ALWAYS AS (CASE WHEN status IN ('REQUESTED','RUNNING','VERIFYING') THEN container ELSE NULL END) VIRTUAL
);
CREATE UNIQUE INDEX uk_remediation_active ON alert_remediations (active_key) WHERE active_key IS NOT NULL;
CREATE INDEX ix_remediation_alert ON alert_remediations (alert_id);
CREATE INDEX ix_remediation_container ON alert_remediations (container, requested_us);

CREATE TABLE alert_decisions (
  alert_id INTEGER NOT NULL, seq INTEGER NOT NULL, what TEXT NOT NULL, word_code TEXT, word_detail TEXT, word_until INTEGER,
  remedy_code TEXT, remedy_detail TEXT, remedy_until INTEGER, note TEXT, times INTEGER NOT NULL DEFAULT 1, at_us INTEGER NOT NULL, last_us INTEGER NOT NULL,
  PRIMARY KEY (alert_id, seq)
) WITHOUT ROWID;

CREATE TABLE alert_totals (
  scope TEXT NOT NULL, service_name TEXT NOT NULL, alert_type TEXT NOT NULL, status TEXT NOT NULL, severity TEXT NOT NULL, shard INTEGER NOT NULL, n INTEGER NOT NULL,
  PRIMARY KEY (scope, service_name, alert_type, status, severity, shard)
) WITHOUT ROWID;

CREATE TABLE alert_rechecks (alert_id INTEGER PRIMARY KEY, at_us INTEGER NOT NULL);
CREATE INDEX ix_recheck_at ON alert_rechecks (at_us);

CREATE TABLE alert_idempotency (key_hash TEXT PRIMARY KEY, body_hash TEXT NOT NULL, receipt TEXT NOT NULL, expires_us INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX ix_idempotency_expires ON alert_idempotency (expires_us);
