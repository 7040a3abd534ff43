package mysql

// The tables as of migration 1. wechat_groups and alert_records begin as the
// user guide creates them, so that a database made by the guide and an empty
// one go the same way.
const (
	createGroups = "CREATE TABLE IF NOT EXISTS `wechat_groups` (\n" +
		"  `id` BIGINT NOT NULL AUTO_INCREMENT COMMENT '主键ID',\n" +
		"  `group_name` VARCHAR(100) NOT NULL COMMENT '群组名称',\n" +
		"  `webhook_url` VARCHAR(500) NOT NULL COMMENT '企业微信Webhook URL',\n" +
		"  `alert_types` VARCHAR(500) DEFAULT NULL COMMENT '告警类型(逗号分隔)',\n" +
		"  `is_enabled` TINYINT(1) NOT NULL DEFAULT 1 COMMENT '是否启用',\n" +
		"  `description` VARCHAR(500) DEFAULT NULL COMMENT '描述',\n" +
		"  `created_at` DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,\n" +
		"  `updated_at` DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,\n" +
		"  PRIMARY KEY (`id`)\n" +
		") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"

	createAlerts = "CREATE TABLE IF NOT EXISTS `alert_records` (\n" +
		"  `id` BIGINT NOT NULL AUTO_INCREMENT COMMENT '主键ID',\n" +
		"  `alert_type` VARCHAR(50) NOT NULL COMMENT '告警类型',\n" +
		"  `service_name` VARCHAR(100) NOT NULL COMMENT '服务名称',\n" +
		"  `severity` VARCHAR(20) NOT NULL COMMENT '严重程度',\n" +
		"  `title` VARCHAR(200) NOT NULL COMMENT '告警标题',\n" +
		"  `message` TEXT NOT NULL COMMENT '告警详细信息',\n" +
		"  `status` VARCHAR(20) NOT NULL DEFAULT 'OPEN' COMMENT '状态',\n" +
		"  `action_taken` VARCHAR(500) DEFAULT NULL COMMENT '已执行的处置动作',\n" +
		"  `wechat_sent` TINYINT(1) NOT NULL DEFAULT 0 COMMENT '是否已发送微信通知',\n" +
		"  `wechat_sent_at` DATETIME DEFAULT NULL COMMENT '微信通知发送时间',\n" +
		"  `resolved_at` DATETIME DEFAULT NULL COMMENT '解决时间',\n" +
		"  `created_at` DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,\n" +
		"  `updated_at` DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,\n" +
		"  PRIMARY KEY (`id`)\n" +
		") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
)

// column is one that migration 1 adds to alert_records.
type column struct{ name, definition string }

const (
	bin32 = "VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL"
	micro = "BIGINT DEFAULT NULL"
)

var alertColumns = []column{
	{"fingerprint", bin32 + " COMMENT '同一告警的标识'"},
	{"metadata", "MEDIUMTEXT DEFAULT NULL COMMENT '事件附加信息(JSON)'"},
	{"occurrences", "BIGINT NOT NULL DEFAULT 1 COMMENT '事件次数'"},
	{"created_us", micro + " COMMENT 'UTC微秒, 以下同'"},
	{"updated_us", micro},
	{"last_seen_us", micro},
	{"acknowledged_us", micro},
	{"resolved_us", micro},
	{"wechat_sent_us", micro},
	{"word_us", micro},
	{"word_severity", "VARCHAR(20) DEFAULT NULL"},
	{"word_text", bin32},
	{"latest_text", bin32},
	{"recheck_us", micro},
	{"trail_seq", "INT NOT NULL DEFAULT 0"},
	{"trail_code", "VARCHAR(200) DEFAULT NULL"},
	// One open alert per fingerprint, also after an UPDATE by hand.
	{"open_key", "VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin GENERATED ALWAYS AS (CASE WHEN `status` IN ('OPEN','ACKNOWLEDGED') THEN `fingerprint` ELSE NULL END) VIRTUAL"},
}

// index is one that a migration adds to a table that may hold rows.
type index struct{ table, name, definition string }

var alertIndexes = []index{
	{"alert_records", "uk_alert_open", "UNIQUE INDEX `uk_alert_open` ON `alert_records` (`open_key`)"},
	{"alert_records", "ix_alert_kind", "INDEX `ix_alert_kind` ON `alert_records` (`alert_type`, `status`, `severity`, `id`)"},
	{"alert_records", "ix_alert_service", "INDEX `ix_alert_service` ON `alert_records` (`service_name`, `alert_type`, `status`, `severity`, `id`)"},
}

const reasonColumns = "`reason_code` VARCHAR(40) DEFAULT NULL, `reason_detail` VARCHAR(500) DEFAULT NULL, `reason_until` BIGINT DEFAULT NULL"

const ofOurs = " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"

// ourTables are created whole: nobody else has tables of these names.
var ourTables = []string{
	"CREATE TABLE IF NOT EXISTS `alert_events` (`alert_id` BIGINT NOT NULL, `slot` INT NOT NULL, `n` BIGINT NOT NULL, " +
		"`severity` VARCHAR(20) NOT NULL, `title` MEDIUMTEXT NOT NULL, `message` MEDIUMTEXT NOT NULL, `metadata` MEDIUMTEXT DEFAULT NULL, " +
		"`resolved` TINYINT(1) NOT NULL DEFAULT 0, `notes` TEXT DEFAULT NULL, `received_us` BIGINT NOT NULL, PRIMARY KEY (`alert_id`, `slot`))" + ofOurs,
	"CREATE TABLE IF NOT EXISTS `alert_notifications` (`id` BIGINT NOT NULL AUTO_INCREMENT, `alert_id` BIGINT NOT NULL, `remediation_id` BIGINT NOT NULL DEFAULT 0, " +
		"`group_id` BIGINT NOT NULL, `group_name` VARCHAR(100) NOT NULL, `kind` VARCHAR(20) NOT NULL, `severity` VARCHAR(20) NOT NULL, `priority` INT NOT NULL, " +
		"`status` VARCHAR(20) NOT NULL, " + reasonColumns + ", `attempts` INT NOT NULL DEFAULT 0, `next_us` BIGINT DEFAULT NULL, `created_us` BIGINT NOT NULL, " +
		"`settled_us` BIGINT DEFAULT NULL, `message_id` BIGINT DEFAULT NULL, PRIMARY KEY (`id`), KEY `ix_notification_alert` (`alert_id`), " +
		"KEY `ix_notification_queue` (`status`, `group_id`, `priority`, `id`, `next_us`), KEY `ix_notification_message` (`message_id`))" + ofOurs,
	"CREATE TABLE IF NOT EXISTS `alert_messages` (`id` BIGINT NOT NULL AUTO_INCREMENT, `robot` VARCHAR(32) NOT NULL, `group_id` BIGINT NOT NULL, `alert_id` BIGINT DEFAULT NULL, " +
		"`status` VARCHAR(20) NOT NULL, `content` TEXT NOT NULL, `errcode` INT NOT NULL DEFAULT 0, `error` VARCHAR(500) DEFAULT NULL, `sent_us` BIGINT NOT NULL, " +
		"`answered_us` BIGINT DEFAULT NULL, `slot_until` BIGINT NOT NULL, PRIMARY KEY (`id`), KEY `ix_message_robot` (`robot`, `slot_until`), " +
		"KEY `ix_message_status` (`robot`, `status`), KEY `ix_message_alert` (`alert_id`))" + ofOurs,
	"CREATE TABLE IF NOT EXISTS `alert_robots` (`robot` VARCHAR(32) NOT NULL, `owner` VARCHAR(200) DEFAULT NULL, `lease_us` BIGINT DEFAULT NULL, `paused_us` BIGINT DEFAULT NULL, " +
		reasonColumns + ", `failures` INT NOT NULL DEFAULT 0, `broken` TINYINT(1) NOT NULL DEFAULT 0, PRIMARY KEY (`robot`))" + ofOurs,
	"CREATE TABLE IF NOT EXISTS `alert_remediations` (`id` BIGINT NOT NULL AUTO_INCREMENT, `alert_id` BIGINT NOT NULL, `fingerprint` VARCHAR(32) DEFAULT NULL, " +
		"`action` VARCHAR(20) NOT NULL, `container` VARCHAR(128) NOT NULL, `status` VARCHAR(20) NOT NULL, " + reasonColumns + ", `requested_by` VARCHAR(100) DEFAULT NULL, " +
		"`requested_us` BIGINT NOT NULL, `ordered_us` BIGINT DEFAULT NULL, `ended_us` BIGINT DEFAULT NULL, `next_us` BIGINT DEFAULT NULL, " +
		"`container_id` VARCHAR(64) DEFAULT NULL, `started_before` VARCHAR(40) DEFAULT NULL, `started_after` VARCHAR(40) DEFAULT NULL, `engine_mark` VARCHAR(500) DEFAULT NULL, " +
		"`call_limit_us` BIGINT DEFAULT NULL, `checks` INT NOT NULL DEFAULT 0, `owner` VARCHAR(200) DEFAULT NULL, `lease_us` BIGINT DEFAULT NULL, " +
		"`active_key` VARCHAR(128) GENERATED ALWAYS AS (CASE WHEN `status` IN ('REQUESTED','RUNNING','VERIFYING') THEN `container` ELSE NULL END) VIRTUAL, " +
		"PRIMARY KEY (`id`), UNIQUE KEY `uk_remediation_active` (`active_key`), KEY `ix_remediation_alert` (`alert_id`), KEY `ix_remediation_container` (`container`, `requested_us`))" + ofOurs,
	"CREATE TABLE IF NOT EXISTS `alert_decisions` (`alert_id` BIGINT NOT NULL, `seq` INT NOT NULL, `what` VARCHAR(20) NOT NULL, " +
		"`word_code` VARCHAR(40) DEFAULT NULL, `word_detail` VARCHAR(500) DEFAULT NULL, `word_until` BIGINT DEFAULT NULL, " +
		"`remedy_code` VARCHAR(40) DEFAULT NULL, `remedy_detail` VARCHAR(500) DEFAULT NULL, `remedy_until` BIGINT DEFAULT NULL, " +
		"`note` TEXT DEFAULT NULL, `times` BIGINT NOT NULL DEFAULT 1, `at_us` BIGINT NOT NULL, `last_us` BIGINT NOT NULL, PRIMARY KEY (`alert_id`, `seq`))" + ofOurs,
	"CREATE TABLE IF NOT EXISTS `alert_totals` (`scope` CHAR(1) NOT NULL, `service_name` VARCHAR(100) NOT NULL, `alert_type` VARCHAR(50) NOT NULL, `status` VARCHAR(20) NOT NULL, " +
		"`severity` VARCHAR(20) NOT NULL, `shard` INT NOT NULL, `n` BIGINT NOT NULL, PRIMARY KEY (`scope`, `service_name`, `alert_type`, `status`, `severity`, `shard`))" + ofOurs,
	"CREATE TABLE IF NOT EXISTS `alert_rechecks` (`alert_id` BIGINT NOT NULL, `at_us` BIGINT NOT NULL, PRIMARY KEY (`alert_id`), KEY `ix_recheck_at` (`at_us`))" + ofOurs,
	"CREATE TABLE IF NOT EXISTS `alert_idempotency` (`key_hash` VARCHAR(64) NOT NULL, `body_hash` VARCHAR(64) NOT NULL, `receipt` TEXT NOT NULL, `expires_us` BIGINT NOT NULL, " +
		"PRIMARY KEY (`key_hash`), KEY `ix_idempotency_expires` (`expires_us`))" + ofOurs,
}

// firstCount makes the totals of the rows that were there before us.
var firstCount = []string{
	"DELETE FROM `alert_totals` WHERE `scope` IN ('A', 'S')",
	"INSERT INTO `alert_totals` (`scope`, `service_name`, `alert_type`, `status`, `severity`, `shard`, `n`) " +
		"SELECT 'A', '', `alert_type` COLLATE utf8mb4_bin, `status` COLLATE utf8mb4_bin, `severity` COLLATE utf8mb4_bin, 0, COUNT(*) FROM `alert_records` GROUP BY 3, 4, 5",
	"INSERT INTO `alert_totals` (`scope`, `service_name`, `alert_type`, `status`, `severity`, `shard`, `n`) " +
		"SELECT 'S', `service_name` COLLATE utf8mb4_bin, `alert_type` COLLATE utf8mb4_bin, `status` COLLATE utf8mb4_bin, `severity` COLLATE utf8mb4_bin, 0, COUNT(*) FROM `alert_records` GROUP BY 2, 3, 4, 5",
}
