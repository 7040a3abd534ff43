package httpapi

import (
	"cmp"
	"encoding/json"
	"time"

	"trade-monitor/shared/alerting"
)

// Story is an alert with everything on record about it.
type Story struct {
	Alert
	Events        []Event        `json:"events"`
	Notifications []Notification `json:"notifications"`
	Messages      []Message      `json:"messages"`
	Remediations  []Remediation  `json:"remediations"`
	Trail         []Decision     `json:"trail"`
	Groups        []GroupAccount `json:"groups"`
}

// Story shows an alert's story.
func (v Views) Story(s alerting.Story) Story {
	return Story{
		Alert:         v.Alert(s.Alert),
		Events:        each(s.Events, v.Event),
		Notifications: each(s.Notifications, v.Notification),
		Messages:      each(s.Messages, v.Message),
		Remediations:  each(s.Remediations, v.Remediation),
		Trail:         each(s.Decisions, v.Decision),
		Groups:        each(s.Groups, v.GroupAccount),
	}
}

// GroupAccount says what became of telling one group.
type GroupAccount struct {
	GroupID     int64        `json:"groupId"`
	GroupName   string       `json:"groupName"`
	State       string       `json:"state"`
	Reason      *Reason      `json:"reason"`
	Words       int          `json:"words"`
	Arrived     int          `json:"arrived"`
	LastMessage *LastMessage `json:"lastMessage"`
}

// LastMessage is the newest that was to reach a group, and what WeCom said.
type LastMessage struct {
	ID         int64   `json:"id"`
	Status     string  `json:"status"`
	ErrCode    int     `json:"errCode"`
	Error      *string `json:"error"`
	SentAt     Stamp   `json:"sentAt"`
	AnsweredAt Stamp   `json:"answeredAt"`
}

// GroupAccount shows what became of telling a group.
func (v Views) GroupAccount(a alerting.GroupAccount) GroupAccount {
	shown := GroupAccount{GroupID: a.ID, GroupName: a.Name, State: string(a.State), Reason: v.Reason(a.Why, a.AsOf), Words: a.Words, Arrived: a.Arrived}
	if m := a.Last; m != nil {
		shown.LastMessage = &LastMessage{ID: m.ID, Status: string(m.Status), ErrCode: m.ErrCode, Error: orNull(m.Error), SentAt: v.At(m.SentAt), AnsweredAt: v.At(m.AnsweredAt)}
	}
	return shown
}

// Event is one event as the alert keeps it.
type Event struct {
	N          int64           `json:"n"`
	Severity   string          `json:"severity"`
	Title      string          `json:"title"`
	Message    string          `json:"message"`
	Metadata   json.RawMessage `json:"metadata"`
	Resolved   bool            `json:"resolved"`
	Notes      []string        `json:"notes"`
	ReceivedAt Stamp           `json:"receivedAt"`
}

// Event shows a kept event.
func (v Views) Event(e alerting.KeptEvent) Event {
	return Event{
		N: e.N, Severity: string(e.Severity), Title: e.Title, Message: e.Message, Metadata: object(e.Metadata),
		Resolved: e.Resolved, Notes: append([]string{}, e.Notes...), ReceivedAt: v.At(e.ReceivedAt),
	}
}

// Reason is a code for programs and its sentence for people.
type Reason struct {
	Code  string `json:"code"`
	Text  string `json:"text"`
	Until Stamp  `json:"until"`
}

// Reason shows a reason as it read at a time; nil when there is none.
func (v Views) Reason(why alerting.Reason, at time.Time) *Reason {
	if why.IsZero() {
		return nil
	}
	return &Reason{Code: why.Code, Text: why.Text(v.Language, at), Until: v.At(why.Until)}
}

// Notification is word owed to one group.
type Notification struct {
	ID            int64   `json:"id"`
	Kind          string  `json:"kind"`
	GroupID       int64   `json:"groupId"`
	GroupName     string  `json:"groupName"`
	Severity      string  `json:"severity"`
	Status        string  `json:"status"`
	Reason        *Reason `json:"reason"`
	Attempts      int     `json:"attempts"`
	CreatedAt     Stamp   `json:"createdAt"`
	NextAt        Stamp   `json:"nextAt"`
	SettledAt     Stamp   `json:"settledAt"`
	MessageID     *int64  `json:"messageId"`
	Folded        bool    `json:"folded"`
	Waits         *Reason `json:"waits"`
	RemediationID *int64  `json:"remediationId"`
}

// Notification shows a notification.
func (v Views) Notification(n alerting.Notification) Notification {
	return Notification{
		ID: n.ID, Kind: string(n.Kind), GroupID: n.GroupID, GroupName: n.GroupName, Severity: string(n.Severity),
		Status: string(n.Status), Reason: v.Reason(n.Reason, n.CreatedAt), Attempts: n.Attempts,
		CreatedAt: v.At(n.CreatedAt), NextAt: v.At(n.NextAt), SettledAt: v.At(n.SettledAt),
		MessageID: idOrNull(n.MessageID), Folded: n.Folded, Waits: v.Reason(n.Waits, n.AsOf), RemediationID: idOrNull(n.RemediationID),
	}
}

// Message is what a robot was sent.
type Message struct {
	ID         int64   `json:"id"`
	Kind       *string `json:"kind"`
	Words      int     `json:"words"`
	RobotID    string  `json:"robotId"`
	GroupID    int64   `json:"groupId"`
	Status     string  `json:"status"`
	Format     string  `json:"format"`
	Content    string  `json:"content"`
	ErrCode    int     `json:"errCode"`
	Error      *string `json:"error"`
	SentAt     Stamp   `json:"sentAt"`
	AnsweredAt Stamp   `json:"answeredAt"`
}

// Message shows a message.
func (v Views) Message(m alerting.Message) Message {
	return Message{
		ID: m.ID, Kind: orNull(string(m.Kind)), Words: m.Words, RobotID: m.Robot, GroupID: m.GroupID, Status: string(m.Status), Format: string(cmp.Or(m.Format, alerting.Markdown)), Content: m.Content,
		ErrCode: m.ErrCode, Error: orNull(m.Error), SentAt: v.At(m.SentAt), AnsweredAt: v.At(m.AnsweredAt),
	}
}

// Remediation is one execution of an action.
type Remediation struct {
	ID            int64     `json:"id"`
	AlertID       int64     `json:"alertId"`
	Action        string    `json:"action"`
	Rung          int       `json:"rung"`
	Container     string    `json:"container"`
	Host          *string   `json:"host"`
	Status        string    `json:"status"`
	Reason        *Reason   `json:"reason"`
	Outcome       string    `json:"outcome"`
	RequestedBy   *string   `json:"requestedBy"`
	RequestedAt   Stamp     `json:"requestedAt"`
	OrderedAt     Stamp     `json:"orderedAt"`
	EndedAt       Stamp     `json:"endedAt"`
	ContainerID   *string   `json:"containerId"`
	StartedBefore Stamp     `json:"startedBefore"`
	StartedAfter  Stamp     `json:"startedAfter"`
	Evidence      *Evidence `json:"evidence"`
}

// Remediation shows a remediation, its reason as it read when it was given.
func (v Views) Remediation(r alerting.Remediation) Remediation {
	at := r.EndedAt
	if at.IsZero() {
		at = r.RequestedAt
	}
	return Remediation{
		ID: r.ID, AlertID: r.AlertID, Action: string(r.Action), Rung: r.Rung, Container: r.Container, Host: orNull(r.Host), Status: string(r.Status),
		Reason: v.Reason(r.Reason, at), Outcome: r.Verdict(v.Language, at), RequestedBy: orNull(r.RequestedBy),
		RequestedAt: v.At(r.RequestedAt), OrderedAt: v.At(r.OrderedAt), EndedAt: v.At(r.EndedAt),
		ContainerID: orNull(r.ContainerID), StartedBefore: v.At(r.StartedBefore), StartedAfter: v.At(r.StartedAfter), Evidence: v.evidence(r.Evidence),
	}
}

// Decision is one line of the trail.
type Decision struct {
	Seq    int     `json:"seq"`
	What   string  `json:"what"`
	Text   string  `json:"text"`
	Word   *Reason `json:"word"`
	Remedy *Reason `json:"remedy"`
	Note   *string `json:"note"`
	Count  int64   `json:"count"`
	At     Stamp   `json:"at"`
	LastAt Stamp   `json:"lastAt"`
}

// Decision shows a line of the trail.
func (v Views) Decision(d alerting.Decision) Decision {
	return Decision{
		Seq: d.Seq, What: string(d.What), Text: d.Text(v.Language), Word: v.Reason(d.Word, d.LastAt),
		Remedy: v.Reason(d.Remedy, d.LastAt), Note: orNull(d.Note), Count: d.Count, At: v.At(d.At), LastAt: v.At(d.LastAt),
	}
}
