package store

import (
	"context"
	"database/sql"
	"fmt"

	"trade-monitor/shared/alerting"
)

// mention adds to a brief whom its message mentions, by the policy of now: that
// depends on what the group has really been told of the alert.
func (t *tx) mention(ctx context.Context, b *alerting.Brief) error {
	if len(t.policy.Rule(b.Alert.Type).Mentions) == 0 {
		return nil
	}
	told, err := collect(ctx, t, func(row scanner) (alerting.Severity, error) {
		var severity sql.NullString
		err := row.Scan(&severity)
		return alerting.Severity(severity.String), err
	}, "SELECT DISTINCT severity FROM alert_notifications WHERE alert_id = ? AND group_id = ? AND kind IN (?, ?) AND status = ?",
		b.Alert.ID, b.Notification.GroupID, string(alerting.Firing), string(alerting.Escalation), string(alerting.Sent))
	if err != nil {
		return fmt.Errorf("read what the group was told: %w", err)
	}
	b.Mention = t.policy.Mention(b, told)
	return nil
}

// toldRank is, in SQL, how bad the worst was that the group of a notification n
// was told of its alert a before; NULL: nothing, or nobody is called by anything.
// A single event was not told of twice, and of those is a storm.
func (t *tx) toldRank() string {
	if !t.policy.Calls() {
		return "NULL"
	}
	rank := "CASE o.severity"
	for _, severity := range alerting.Severities {
		rank += fmt.Sprintf(" WHEN '%s' THEN %d", severity, severity.Rank())
	}
	return "CASE WHEN a.occurrences > 1 THEN (SELECT MAX(" + rank + " ELSE 0 END) FROM alert_notifications o WHERE o.alert_id = n.alert_id AND o.group_id = n.group_id AND o.kind IN ('FIRING', 'ESCALATION') AND o.status = 'SENT') END"
}
