package mysql

// remediationColumns are those that migration 3 adds to alert_remediations.
var remediationColumns = []column{
	{"rung", "INT NOT NULL DEFAULT 0"},
	{"host", "VARCHAR(200) DEFAULT NULL"},
	{"proven_us", micro},
}

var orderedIndex = index{"alert_remediations", "ix_remediation_ordered", "INDEX `ix_remediation_ordered` ON `alert_remediations` (`ordered_us`)"}

// remediationTables are those of migration 3.
var remediationTables = []string{
	"CREATE TABLE IF NOT EXISTS `alert_evidence` (`remediation_id` BIGINT NOT NULL, `alert_id` BIGINT NOT NULL, `evidence` MEDIUMTEXT NOT NULL, " +
		"PRIMARY KEY (`remediation_id`), KEY `ix_evidence_alert` (`alert_id`))" + ofOurs,
	"CREATE TABLE IF NOT EXISTS `alert_runners` (`owner` VARCHAR(200) NOT NULL, `host` VARCHAR(200) NOT NULL, `host_name` VARCHAR(200) NOT NULL, `mode` VARCHAR(20) NOT NULL, " +
		"`reachable` TINYINT(1) NOT NULL, `containers` MEDIUMTEXT NOT NULL, `seen_us` BIGINT NOT NULL, PRIMARY KEY (`owner`), KEY `ix_runner_seen` (`seen_us`))" + ofOurs,
	"CREATE TABLE IF NOT EXISTS `alert_brakes` (`host` VARCHAR(200) NOT NULL, `host_name` VARCHAR(200) NOT NULL, `engaged_us` BIGINT NOT NULL, `until_us` BIGINT NOT NULL, " +
		"`containers` TEXT NOT NULL, `released_by` VARCHAR(100) DEFAULT NULL, `owed` VARCHAR(10) DEFAULT NULL, PRIMARY KEY (`host`))" + ofOurs,
	"CREATE TABLE IF NOT EXISTS `alert_rearms` (`container` VARCHAR(128) NOT NULL, `at_us` BIGINT NOT NULL, `rearmed_by` VARCHAR(100) NOT NULL, PRIMARY KEY (`container`))" + ofOurs,
	"CREATE TABLE IF NOT EXISTS `alert_silences` (`id` BIGINT NOT NULL AUTO_INCREMENT, `alert_type` VARCHAR(50) DEFAULT NULL, `service_name` VARCHAR(255) DEFAULT NULL, " +
		"`severity` VARCHAR(20) DEFAULT NULL, `starts_us` BIGINT NOT NULL, `ends_us` BIGINT NOT NULL, `author` VARCHAR(100) NOT NULL, `comment` VARCHAR(500) NOT NULL, " +
		"`hold_remediation` TINYINT(1) NOT NULL DEFAULT 0, `created_us` BIGINT NOT NULL, `ended_by` VARCHAR(100) DEFAULT NULL, PRIMARY KEY (`id`), KEY `ix_silence_ends` (`ends_us`))" + ofOurs,
}
