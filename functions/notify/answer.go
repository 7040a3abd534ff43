package notify

import (
	"trade-monitor/shared/alerting"
	"trade-monitor/shared/httpapi"
)

// answer is what the author of an event reads: the guide's three fields first
// and in its order, then what was decided.
type answer struct {
	Success      bool                 `json:"success"`
	AlertID      *int64               `json:"alertId"`
	Message      string               `json:"message"`
	Status       alerting.AlertStatus `json:"status,omitempty"`
	Occurrences  int64                `json:"occurrences"`
	Notification notification         `json:"notification"`
	Remediation  remediation          `json:"remediation"`
	Notes        []string             `json:"notes,omitempty"`
}

type notification struct {
	Groups     []string      `json:"groups"`
	MoreGroups int           `json:"moreGroups,omitempty"`
	Reason     string        `json:"reason,omitempty"`
	ReasonCode string        `json:"reasonCode,omitempty"`
	RetryAt    httpapi.Stamp `json:"retryAt,omitzero"`
}

type remediation struct {
	Status     alerting.RemediationStatus `json:"status"`
	Reason     string                     `json:"reason,omitempty"`
	ReasonCode string                     `json:"reasonCode,omitempty"`
	RetryAt    httpapi.Stamp              `json:"retryAt,omitzero"`
}

// noRemediation is the answer's word where the alert type has no action.
const noRemediation = "NONE"

func (f *Function) answer(r alerting.Receipt) answer {
	a := answer{
		Success:      true,
		Message:      f.views.Language.Pick("事件通知已接收并处理", "event received and processed"),
		Status:       r.Status,
		Occurrences:  r.Occurrences,
		Notification: notification{Groups: append([]string{}, r.Groups...), MoreGroups: r.MoreGroups},
		Remediation:  remediation{Status: r.RemediationStatus},
		Notes:        r.Notes,
	}
	if r.AlertID != 0 {
		a.AlertID = &r.AlertID
	}
	if a.Remediation.Status == "" {
		a.Remediation.Status = noRemediation
	}
	// As of the receipt, not of now: a repeated request reads the same answer.
	n, m := &a.Notification, &a.Remediation
	n.Reason, n.ReasonCode, n.RetryAt = r.NotTold.Text(f.views.Language, r.At), r.NotTold.Code, f.views.At(r.NotTold.Until)
	m.Reason, m.ReasonCode, m.RetryAt = r.NotRemedied.Text(f.views.Language, r.At), r.NotRemedied.Code, f.views.At(r.NotRemedied.Until)
	return a
}
