-- Trade Monitor：数据库表 (the database tables)
--
-- 适用于 MySQL 8.0 和 MariaDB 10.6 及以上版本。
-- For MySQL 8.0 and MariaDB 10.6 or later.
--
-- 用法 (usage):
--   mysql -h <host> -P 3306 -u <user> -p --default-character-set=utf8mb4 <database> < sql/init.sql
--
-- 通常不需要手动执行：`trade-monitor init-db` 会创建或升级这些表；执行过本文件之后，
-- 服务账号不再需要建表 (DDL) 权限。可以重复执行。
-- 若数据库里已有旧版的 wechat_groups、alert_records，本文件不会改动它们，请再运行
-- `trade-monitor init-db` 完成升级，原有数据保留。
-- Usually there is no need to run this: `trade-monitor init-db` creates or
-- upgrades the tables. After this file the service's account needs no right to
-- CREATE. It may be run again. Tables wechat_groups and alert_records of an
-- earlier version are left as they are; `trade-monitor init-db` upgrades them
-- and keeps their rows.

SET NAMES utf8mb4;

-- 微信群配置表 (WeCom groups)
CREATE TABLE IF NOT EXISTS `wechat_groups` (
  `id` BIGINT NOT NULL AUTO_INCREMENT COMMENT '主键ID',
  `group_name` VARCHAR(100) NOT NULL COMMENT '群组名称',
  `webhook_url` VARCHAR(500) NOT NULL COMMENT '企业微信Webhook URL',
  `alert_types` VARCHAR(500) DEFAULT NULL COMMENT '告警类型(逗号分隔)',
  `is_enabled` TINYINT(1) NOT NULL DEFAULT 1 COMMENT '是否启用',
  `description` VARCHAR(500) DEFAULT NULL COMMENT '描述',
  `created_at` DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  `updated_at` DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  `message_format` VARCHAR(20) NOT NULL DEFAULT 'markdown' COMMENT '消息格式: markdown 或 text',
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- 告警记录表：前 13 列供人查询，其余列由服务维护
-- (alerts: the first 13 columns are for people, the service keeps the others)
CREATE TABLE IF NOT EXISTS `alert_records` (
  `id` BIGINT NOT NULL AUTO_INCREMENT COMMENT '主键ID',
  `alert_type` VARCHAR(50) NOT NULL COMMENT '告警类型',
  `service_name` VARCHAR(100) NOT NULL COMMENT '服务名称',
  `severity` VARCHAR(20) NOT NULL COMMENT '严重程度',
  `title` VARCHAR(200) NOT NULL COMMENT '告警标题',
  `message` TEXT NOT NULL COMMENT '告警详细信息',
  `status` VARCHAR(20) NOT NULL DEFAULT 'OPEN' COMMENT '状态',
  `action_taken` VARCHAR(500) DEFAULT NULL COMMENT '已执行的处置动作',
  `wechat_sent` TINYINT(1) NOT NULL DEFAULT 0 COMMENT '是否已发送微信通知',
  `wechat_sent_at` DATETIME DEFAULT NULL COMMENT '微信通知发送时间',
  `resolved_at` DATETIME DEFAULT NULL COMMENT '解决时间',
  `created_at` DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  `updated_at` DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  `fingerprint` VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL COMMENT '同一告警的标识',
  `metadata` MEDIUMTEXT DEFAULT NULL COMMENT '事件附加信息(JSON)',
  `occurrences` BIGINT NOT NULL DEFAULT 1 COMMENT '事件次数',
  `created_us` BIGINT DEFAULT NULL COMMENT 'UTC微秒, 以下同',
  `updated_us` BIGINT DEFAULT NULL,
  `last_seen_us` BIGINT DEFAULT NULL,
  `acknowledged_us` BIGINT DEFAULT NULL,
  `resolved_us` BIGINT DEFAULT NULL,
  `wechat_sent_us` BIGINT DEFAULT NULL,
  `word_us` BIGINT DEFAULT NULL,
  `word_severity` VARCHAR(20) DEFAULT NULL,
  `word_text` VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL,
  `latest_text` VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL,
  `recheck_us` BIGINT DEFAULT NULL,
  `trail_seq` INT NOT NULL DEFAULT 0,
  `trail_code` VARCHAR(200) DEFAULT NULL,
  `open_key` VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin GENERATED ALWAYS AS (CASE WHEN `status` IN ('OPEN','ACKNOWLEDGED') THEN `fingerprint` ELSE NULL END) VIRTUAL,
  `word_first_us` BIGINT DEFAULT NULL,
  `escalate_us` BIGINT DEFAULT NULL,
  `escalated` INT NOT NULL DEFAULT 0 COMMENT '已升级的步骤, 按位',
  PRIMARY KEY (`id`),
  UNIQUE KEY `uk_alert_open` (`open_key`),
  KEY `ix_alert_kind` (`alert_type`, `status`, `severity`, `id`),
  KEY `ix_alert_service` (`service_name`, `alert_type`, `status`, `severity`, `id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- 每个告警保留的事件原文 (the events whose own text an alert keeps)
CREATE TABLE IF NOT EXISTS `alert_events` (
  `alert_id` BIGINT NOT NULL,
  `slot` INT NOT NULL,
  `n` BIGINT NOT NULL,
  `severity` VARCHAR(20) NOT NULL,
  `title` MEDIUMTEXT NOT NULL,
  `message` MEDIUMTEXT NOT NULL,
  `metadata` MEDIUMTEXT DEFAULT NULL,
  `resolved` TINYINT(1) NOT NULL DEFAULT 0,
  `notes` TEXT DEFAULT NULL,
  `received_us` BIGINT NOT NULL,
  PRIMARY KEY (`alert_id`, `slot`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- 应发给各群的通知 (word owed to groups)
CREATE TABLE IF NOT EXISTS `alert_notifications` (
  `id` BIGINT NOT NULL AUTO_INCREMENT,
  `alert_id` BIGINT NOT NULL,
  `remediation_id` BIGINT NOT NULL DEFAULT 0,
  `group_id` BIGINT NOT NULL,
  `group_name` VARCHAR(100) NOT NULL,
  `kind` VARCHAR(20) NOT NULL,
  `severity` VARCHAR(20) NOT NULL,
  `priority` INT NOT NULL,
  `status` VARCHAR(20) NOT NULL,
  `reason_code` VARCHAR(40) DEFAULT NULL,
  `reason_detail` VARCHAR(500) DEFAULT NULL,
  `reason_until` BIGINT DEFAULT NULL,
  `attempts` INT NOT NULL DEFAULT 0,
  `next_us` BIGINT DEFAULT NULL,
  `created_us` BIGINT NOT NULL,
  `settled_us` BIGINT DEFAULT NULL,
  `message_id` BIGINT DEFAULT NULL,
  `unanswered` INT NOT NULL DEFAULT 0,
  `counted` TINYINT NOT NULL DEFAULT 0,
  PRIMARY KEY (`id`),
  KEY `ix_notification_alert` (`alert_id`),
  KEY `ix_notification_queue` (`status`, `group_id`, `priority`, `id`, `next_us`),
  KEY `ix_notification_message` (`message_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- 实际发送给机器人的消息 (what robots were really sent)
CREATE TABLE IF NOT EXISTS `alert_messages` (
  `id` BIGINT NOT NULL AUTO_INCREMENT,
  `robot` VARCHAR(32) NOT NULL,
  `group_id` BIGINT NOT NULL,
  `alert_id` BIGINT DEFAULT NULL,
  `status` VARCHAR(20) NOT NULL,
  `content` TEXT NOT NULL,
  `errcode` INT NOT NULL DEFAULT 0,
  `error` VARCHAR(500) DEFAULT NULL,
  `sent_us` BIGINT NOT NULL,
  `answered_us` BIGINT DEFAULT NULL,
  `slot_until` BIGINT NOT NULL,
  `kind` VARCHAR(20) DEFAULT NULL,
  `words` INT NOT NULL DEFAULT 1,
  `format` VARCHAR(20) DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `ix_message_robot` (`robot`, `slot_until`),
  KEY `ix_message_status` (`robot`, `status`),
  KEY `ix_message_alert` (`alert_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- 机器人的状态 (the robots' state)
CREATE TABLE IF NOT EXISTS `alert_robots` (
  `robot` VARCHAR(32) NOT NULL,
  `owner` VARCHAR(200) DEFAULT NULL,
  `lease_us` BIGINT DEFAULT NULL,
  `paused_us` BIGINT DEFAULT NULL,
  `reason_code` VARCHAR(40) DEFAULT NULL,
  `reason_detail` VARCHAR(500) DEFAULT NULL,
  `reason_until` BIGINT DEFAULT NULL,
  `failures` INT NOT NULL DEFAULT 0,
  `broken` TINYINT(1) NOT NULL DEFAULT 0,
  `storm_us` BIGINT DEFAULT NULL,
  `storm_group` BIGINT DEFAULT NULL,
  PRIMARY KEY (`robot`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- 处置记录 (remediations)
CREATE TABLE IF NOT EXISTS `alert_remediations` (
  `id` BIGINT NOT NULL AUTO_INCREMENT,
  `alert_id` BIGINT NOT NULL,
  `fingerprint` VARCHAR(32) DEFAULT NULL,
  `action` VARCHAR(20) NOT NULL,
  `container` VARCHAR(128) NOT NULL,
  `status` VARCHAR(20) NOT NULL,
  `reason_code` VARCHAR(40) DEFAULT NULL,
  `reason_detail` VARCHAR(500) DEFAULT NULL,
  `reason_until` BIGINT DEFAULT NULL,
  `requested_by` VARCHAR(100) DEFAULT NULL,
  `requested_us` BIGINT NOT NULL,
  `ordered_us` BIGINT DEFAULT NULL,
  `ended_us` BIGINT DEFAULT NULL,
  `next_us` BIGINT DEFAULT NULL,
  `container_id` VARCHAR(64) DEFAULT NULL,
  `started_before` VARCHAR(40) DEFAULT NULL,
  `started_after` VARCHAR(40) DEFAULT NULL,
  `engine_mark` VARCHAR(500) DEFAULT NULL,
  `call_limit_us` BIGINT DEFAULT NULL,
  `checks` INT NOT NULL DEFAULT 0,
  `owner` VARCHAR(200) DEFAULT NULL,
  `lease_us` BIGINT DEFAULT NULL,
  `active_key` VARCHAR(128) GENERATED ALWAYS AS (CASE WHEN `status` IN ('REQUESTED','RUNNING','VERIFYING') THEN `container` ELSE NULL END) VIRTUAL,
  `rung` INT NOT NULL DEFAULT 0,
  `host` VARCHAR(200) DEFAULT NULL,
  `proven_us` BIGINT DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `uk_remediation_active` (`active_key`),
  KEY `ix_remediation_alert` (`alert_id`),
  KEY `ix_remediation_container` (`container`, `requested_us`),
  KEY `ix_remediation_ordered` (`ordered_us`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- 每个告警的决定及原因 (what was decided on each alert, and why)
CREATE TABLE IF NOT EXISTS `alert_decisions` (
  `alert_id` BIGINT NOT NULL,
  `seq` INT NOT NULL,
  `what` VARCHAR(20) NOT NULL,
  `word_code` VARCHAR(40) DEFAULT NULL,
  `word_detail` VARCHAR(500) DEFAULT NULL,
  `word_until` BIGINT DEFAULT NULL,
  `remedy_code` VARCHAR(40) DEFAULT NULL,
  `remedy_detail` VARCHAR(500) DEFAULT NULL,
  `remedy_until` BIGINT DEFAULT NULL,
  `note` TEXT DEFAULT NULL,
  `times` BIGINT NOT NULL DEFAULT 1,
  `at_us` BIGINT NOT NULL,
  `last_us` BIGINT NOT NULL,
  PRIMARY KEY (`alert_id`, `seq`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- 统计合计 (maintained totals)
CREATE TABLE IF NOT EXISTS `alert_totals` (
  `scope` CHAR(1) NOT NULL,
  `service_name` VARCHAR(100) NOT NULL,
  `alert_type` VARCHAR(50) NOT NULL,
  `status` VARCHAR(20) NOT NULL,
  `severity` VARCHAR(20) NOT NULL,
  `shard` INT NOT NULL,
  `n` BIGINT NOT NULL,
  PRIMARY KEY (`scope`, `service_name`, `alert_type`, `status`, `severity`, `shard`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- 冷却结束后重新判断的告警 (alerts to be decided again)
CREATE TABLE IF NOT EXISTS `alert_rechecks` (
  `alert_id` BIGINT NOT NULL,
  `at_us` BIGINT NOT NULL,
  PRIMARY KEY (`alert_id`),
  KEY `ix_recheck_at` (`at_us`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- 无人确认时要升级的告警 (alerts that escalate when nobody acknowledges them)
CREATE TABLE IF NOT EXISTS `alert_escalations` (
  `alert_id` BIGINT NOT NULL,
  `at_us` BIGINT NOT NULL,
  PRIMARY KEY (`alert_id`),
  KEY `ix_escalation_at` (`at_us`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- 幂等键 (idempotency keys)
CREATE TABLE IF NOT EXISTS `alert_idempotency` (
  `key_hash` VARCHAR(64) NOT NULL,
  `body_hash` VARCHAR(64) NOT NULL,
  `receipt` TEXT NOT NULL,
  `expires_us` BIGINT NOT NULL,
  PRIMARY KEY (`key_hash`),
  KEY `ix_idempotency_expires` (`expires_us`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- 心跳 (heartbeats: dead man's switches)
CREATE TABLE IF NOT EXISTS `alert_heartbeats` (
  `name` VARCHAR(100) NOT NULL,
  `declared` VARCHAR(10) NOT NULL,
  `period_us` BIGINT NOT NULL,
  `grace_us` BIGINT NOT NULL,
  `alert_type` VARCHAR(50) NOT NULL,
  `service_name` VARCHAR(100) NOT NULL,
  `severity` VARCHAR(20) NOT NULL,
  `state` VARCHAR(20) NOT NULL,
  `since_us` BIGINT NOT NULL,
  `cause` VARCHAR(20) DEFAULT NULL,
  `declared_us` BIGINT NOT NULL,
  `last_ping_us` BIGINT DEFAULT NULL,
  `last_ok_us` BIGINT DEFAULT NULL,
  `started_us` BIGINT DEFAULT NULL,
  `down_us` BIGINT DEFAULT NULL,
  `last_signal` VARCHAR(10) DEFAULT NULL,
  `exit_code` BIGINT DEFAULT NULL,
  `note` TEXT DEFAULT NULL,
  `paused_by` VARCHAR(200) DEFAULT NULL,
  `pings` BIGINT NOT NULL DEFAULT 0,
  `counted_us` BIGINT NOT NULL,
  `run_us` BIGINT DEFAULT NULL,
  `deadline_us` BIGINT DEFAULT NULL,
  `alarmed` TINYINT(1) NOT NULL DEFAULT 0,
  `owed` VARCHAR(10) DEFAULT NULL,
  `owed_us` BIGINT DEFAULT NULL,
  `seq` BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (`name`),
  KEY `ix_heartbeat_deadline` (`deadline_us`),
  KEY `ix_heartbeat_owed` (`owed_us`),
  KEY `ix_heartbeat_period` (`period_us`),
  KEY `ix_heartbeat_declared` (`declared`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- 日志与容器监视的记忆 (what the watches of logs and containers keep)
CREATE TABLE IF NOT EXISTS `alert_watches` (
  `kind` VARCHAR(20) NOT NULL,
  `name` VARCHAR(255) NOT NULL,
  `host` VARCHAR(100) NOT NULL,
  `state` VARCHAR(20) NOT NULL,
  `since_us` BIGINT DEFAULT NULL,
  `last_seen_us` BIGINT DEFAULT NULL,
  `deadline_us` BIGINT DEFAULT NULL,
  `limit_us` BIGINT NOT NULL DEFAULT 0,
  `alert_type` VARCHAR(50) NOT NULL,
  `service_name` VARCHAR(255) NOT NULL,
  `detail` TEXT DEFAULT NULL,
  `false_alarms` BIGINT NOT NULL DEFAULT 0,
  `deaf_times` BIGINT NOT NULL DEFAULT 0,
  `memory` MEDIUMTEXT DEFAULT NULL,
  `updated_us` BIGINT NOT NULL,
  PRIMARY KEY (`kind`, `name`, `host`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- 服务自身最近一次存活的时间 (when the service last wrote that it lives)
CREATE TABLE IF NOT EXISTS `alert_liveness` (
  `id` INT NOT NULL,
  `alive_us` BIGINT NOT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- 处置前的现场 (how a container was before it was acted on)
CREATE TABLE IF NOT EXISTS `alert_evidence` (
  `remediation_id` BIGINT NOT NULL,
  `alert_id` BIGINT NOT NULL,
  `evidence` MEDIUMTEXT NOT NULL,
  PRIMARY KEY (`remediation_id`),
  KEY `ix_evidence_alert` (`alert_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- 正在运行的处置进程及其容器 (processes that remediate, and the containers of their engines)
CREATE TABLE IF NOT EXISTS `alert_runners` (
  `owner` VARCHAR(200) NOT NULL,
  `host` VARCHAR(200) NOT NULL,
  `host_name` VARCHAR(200) NOT NULL,
  `mode` VARCHAR(20) NOT NULL,
  `reachable` TINYINT(1) NOT NULL,
  `containers` MEDIUMTEXT NOT NULL,
  `seen_us` BIGINT NOT NULL,
  PRIMARY KEY (`owner`),
  KEY `ix_runner_seen` (`seen_us`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- 主机级刹车 (the host-wide brake)
CREATE TABLE IF NOT EXISTS `alert_brakes` (
  `host` VARCHAR(200) NOT NULL,
  `host_name` VARCHAR(200) NOT NULL,
  `engaged_us` BIGINT NOT NULL,
  `until_us` BIGINT NOT NULL,
  `containers` TEXT NOT NULL,
  `released_by` VARCHAR(100) DEFAULT NULL,
  `owed` VARCHAR(10) DEFAULT NULL,
  PRIMARY KEY (`host`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- 人工复位的熔断 (breakers that people re-armed)
CREATE TABLE IF NOT EXISTS `alert_rearms` (
  `container` VARCHAR(128) NOT NULL,
  `at_us` BIGINT NOT NULL,
  `rearmed_by` VARCHAR(100) NOT NULL,
  PRIMARY KEY (`container`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- 静默 (silences)
CREATE TABLE IF NOT EXISTS `alert_silences` (
  `id` BIGINT NOT NULL AUTO_INCREMENT,
  `alert_type` VARCHAR(50) DEFAULT NULL,
  `service_name` VARCHAR(255) DEFAULT NULL,
  `severity` VARCHAR(20) DEFAULT NULL,
  `starts_us` BIGINT NOT NULL,
  `ends_us` BIGINT NOT NULL,
  `author` VARCHAR(100) NOT NULL,
  `comment` VARCHAR(500) NOT NULL,
  `hold_remediation` TINYINT(1) NOT NULL DEFAULT 0,
  `created_us` BIGINT NOT NULL,
  `ended_by` VARCHAR(100) DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `ix_silence_ends` (`ends_us`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- 表结构版本与升级锁 (which migrations are applied, and who is applying them)
CREATE TABLE IF NOT EXISTS `alert_schema_version` (
  `id` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  `version_id` BIGINT NOT NULL,
  `is_applied` TINYINT(1) NOT NULL,
  `tstamp` DATETIME NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (`id`)
);

CREATE TABLE IF NOT EXISTS `alert_schema_lock` (
  `lock_id` BIGINT NOT NULL,
  `locked` TINYINT(1) NOT NULL DEFAULT 0,
  `locked_at` DATETIME(6) NULL,
  `locked_by` TEXT NULL,
  `lease_expires_at` DATETIME(6) NULL,
  `updated_at` DATETIME(6) NULL,
  PRIMARY KEY (`lock_id`)
);

INSERT INTO `alert_schema_version` (`id`, `version_id`, `is_applied`)
SELECT 1, 0, 1 FROM DUAL
WHERE NOT EXISTS (SELECT 1 FROM `alert_schema_version` AS `v` WHERE `v`.`version_id` = 0);

-- 版本 1 仅在 alert_records 已是新结构时才登记
-- (version 1 is entered only where alert_records has its new shape)
INSERT INTO `alert_schema_version` (`id`, `version_id`, `is_applied`)
SELECT 2, 1, 1 FROM DUAL
WHERE NOT EXISTS (SELECT 1 FROM `alert_schema_version` AS `v` WHERE `v`.`version_id` = 1)
  AND EXISTS (SELECT 1 FROM `information_schema`.`statistics` AS `s`
              WHERE `s`.`table_schema` = DATABASE() AND `s`.`table_name` = 'alert_records' AND `s`.`index_name` = 'ix_alert_service');

-- 版本 2 仅在版本 1 已登记时才登记
-- (version 2 only where version 1 is entered)
INSERT INTO `alert_schema_version` (`version_id`, `is_applied`)
SELECT 2, 1 FROM DUAL
WHERE NOT EXISTS (SELECT 1 FROM `alert_schema_version` AS `v` WHERE `v`.`version_id` = 2)
  AND EXISTS (SELECT 1 FROM `alert_schema_version` AS `w` WHERE `w`.`version_id` = 1 AND `w`.`is_applied` = 1);

-- 版本 3 仅在版本 2 已登记且 alert_remediations 已是新结构时才登记
-- (version 3 only where version 2 is entered and alert_remediations has its new shape)
INSERT INTO `alert_schema_version` (`version_id`, `is_applied`)
SELECT 3, 1 FROM DUAL
WHERE NOT EXISTS (SELECT 1 FROM `alert_schema_version` AS `v` WHERE `v`.`version_id` = 3)
  AND EXISTS (SELECT 1 FROM `alert_schema_version` AS `w` WHERE `w`.`version_id` = 2 AND `w`.`is_applied` = 1)
  AND EXISTS (SELECT 1 FROM `information_schema`.`statistics` AS `s`
              WHERE `s`.`table_schema` = DATABASE() AND `s`.`table_name` = 'alert_remediations' AND `s`.`index_name` = 'ix_remediation_ordered');

-- 版本 4 仅在版本 3 已登记且 alert_robots 已是新结构时才登记
-- (version 4 only where version 3 is entered and alert_robots has its new shape)
INSERT INTO `alert_schema_version` (`version_id`, `is_applied`)
SELECT 4, 1 FROM DUAL
WHERE NOT EXISTS (SELECT 1 FROM `alert_schema_version` AS `v` WHERE `v`.`version_id` = 4)
  AND EXISTS (SELECT 1 FROM `alert_schema_version` AS `w` WHERE `w`.`version_id` = 3 AND `w`.`is_applied` = 1)
  AND EXISTS (SELECT 1 FROM `information_schema`.`columns` AS `s`
              WHERE `s`.`table_schema` = DATABASE() AND `s`.`table_name` = 'alert_robots' AND `s`.`column_name` = 'storm_group');

-- 版本 5 仅在版本 4 已登记且三张表已是新结构时才登记
-- (version 5 only where version 4 is entered and three tables have their new shape)
INSERT INTO `alert_schema_version` (`version_id`, `is_applied`)
SELECT 5, 1 FROM DUAL
WHERE NOT EXISTS (SELECT 1 FROM `alert_schema_version` AS `v` WHERE `v`.`version_id` = 5)
  AND EXISTS (SELECT 1 FROM `alert_schema_version` AS `w` WHERE `w`.`version_id` = 4 AND `w`.`is_applied` = 1)
  AND EXISTS (SELECT 1 FROM `information_schema`.`columns` AS `s`
              WHERE `s`.`table_schema` = DATABASE() AND `s`.`table_name` = 'wechat_groups' AND `s`.`column_name` = 'message_format')
  AND EXISTS (SELECT 1 FROM `information_schema`.`columns` AS `s`
              WHERE `s`.`table_schema` = DATABASE() AND `s`.`table_name` = 'alert_messages' AND `s`.`column_name` = 'format')
  AND EXISTS (SELECT 1 FROM `information_schema`.`columns` AS `s`
              WHERE `s`.`table_schema` = DATABASE() AND `s`.`table_name` = 'alert_notifications' AND `s`.`column_name` = 'counted')
  AND EXISTS (SELECT 1 FROM `information_schema`.`columns` AS `s`
              WHERE `s`.`table_schema` = DATABASE() AND `s`.`table_name` = 'alert_records' AND `s`.`column_name` = 'escalated');
