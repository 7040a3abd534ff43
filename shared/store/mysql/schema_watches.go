package mysql

// watchTables are those of migration 2. A program of version 1 beside it does
// not look at them.
var watchTables = []string{
	"CREATE TABLE IF NOT EXISTS `alert_heartbeats` (`name` VARCHAR(100) NOT NULL, `declared` VARCHAR(10) NOT NULL, `period_us` BIGINT NOT NULL, `grace_us` BIGINT NOT NULL, " +
		"`alert_type` VARCHAR(50) NOT NULL, `service_name` VARCHAR(100) NOT NULL, `severity` VARCHAR(20) NOT NULL, `state` VARCHAR(20) NOT NULL, `since_us` BIGINT NOT NULL, " +
		"`cause` VARCHAR(20) DEFAULT NULL, `declared_us` BIGINT NOT NULL, `last_ping_us` BIGINT DEFAULT NULL, `last_ok_us` BIGINT DEFAULT NULL, `started_us` BIGINT DEFAULT NULL, " +
		"`down_us` BIGINT DEFAULT NULL, `last_signal` VARCHAR(10) DEFAULT NULL, `exit_code` BIGINT DEFAULT NULL, `note` TEXT DEFAULT NULL, `paused_by` VARCHAR(200) DEFAULT NULL, " +
		"`pings` BIGINT NOT NULL DEFAULT 0, `counted_us` BIGINT NOT NULL, `run_us` BIGINT DEFAULT NULL, `deadline_us` BIGINT DEFAULT NULL, `alarmed` TINYINT(1) NOT NULL DEFAULT 0, " +
		"`owed` VARCHAR(10) DEFAULT NULL, `owed_us` BIGINT DEFAULT NULL, `seq` BIGINT NOT NULL DEFAULT 0, PRIMARY KEY (`name`), KEY `ix_heartbeat_deadline` (`deadline_us`), " +
		"KEY `ix_heartbeat_owed` (`owed_us`), KEY `ix_heartbeat_period` (`period_us`), KEY `ix_heartbeat_declared` (`declared`))" + ofOurs,
	"CREATE TABLE IF NOT EXISTS `alert_watches` (`kind` VARCHAR(20) NOT NULL, `name` VARCHAR(255) NOT NULL, `host` VARCHAR(100) NOT NULL, `state` VARCHAR(20) NOT NULL, " +
		"`since_us` BIGINT DEFAULT NULL, `last_seen_us` BIGINT DEFAULT NULL, `deadline_us` BIGINT DEFAULT NULL, `limit_us` BIGINT NOT NULL DEFAULT 0, `alert_type` VARCHAR(50) NOT NULL, " +
		"`service_name` VARCHAR(255) NOT NULL, `detail` TEXT DEFAULT NULL, `false_alarms` BIGINT NOT NULL DEFAULT 0, `deaf_times` BIGINT NOT NULL DEFAULT 0, " +
		"`memory` MEDIUMTEXT DEFAULT NULL, `updated_us` BIGINT NOT NULL, PRIMARY KEY (`kind`, `name`, `host`))" + ofOurs,
	"CREATE TABLE IF NOT EXISTS `alert_liveness` (`id` INT NOT NULL, `alive_us` BIGINT NOT NULL, PRIMARY KEY (`id`))" + ofOurs,
}
