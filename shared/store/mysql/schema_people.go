package mysql

// groupColumns are those that migration 5 adds to wechat_groups: how its
// messages are written. Rows that people insert are markdown.
var groupColumns = []column{
	{"message_format", "VARCHAR(20) NOT NULL DEFAULT 'markdown' COMMENT '消息格式: markdown 或 text'"},
}

// escalationColumns are those that it adds to alert_records: when people were
// first told, from which steps count, when the next one is due, and which are
// taken, the first of them the lowest bit.
var escalationColumns = []column{
	{"word_first_us", micro},
	{"escalate_us", micro},
	{"escalated", "INT NOT NULL DEFAULT 0 COMMENT '已升级的步骤, 按位'"},
}

// formatColumns are those that it adds to alert_messages. Messages of an older
// version have no format, and were markdown.
var formatColumns = []column{
	{"format", "VARCHAR(20) DEFAULT NULL"},
}

// wordColumns are those that it adds to alert_notifications: how often nobody
// can tell whether people saw the word; and whether it was counted as owed, which
// versions before this one do not, that may run beside it during an upgrade.
var wordColumns = []column{
	{"unanswered", "INT NOT NULL DEFAULT 0"},
	{"counted", "TINYINT NOT NULL DEFAULT 0"},
}

// peopleTables are those of migration 5: the alerts whose escalation is due some
// day, few beside all alerts.
var peopleTables = []string{
	"CREATE TABLE IF NOT EXISTS `alert_escalations` (`alert_id` BIGINT NOT NULL, `at_us` BIGINT NOT NULL, PRIMARY KEY (`alert_id`), KEY `ix_escalation_at` (`at_us`))" + ofOurs,
}
