package alerting

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Secret is a value that must never be printed: every way of formatting it
// gives asterisks. Reveal is the one way to the value.
type Secret string

// Reveal returns the value itself, for the one place that needs it.
func (s Secret) Reveal() string { return string(s) }

func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// Format keeps every verb of package fmt from printing the value: %d and %x
// would not ask String.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText keeps encoders from writing the value.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Group is a WeCom group with a robot in it.
type Group struct {
	ID            int64 // 0: the robot of WECHAT_WEBHOOK_URL
	Name          string
	Webhook       Secret
	FromEnv       bool   // the table has EnvironmentWebhook: Webhook is what the environment says
	AlertTypes    string // comma-separated; empty: all
	Enabled       bool
	MessageFormat string // as the row has it; Format reads it
	Description   string
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// Format is how the group's messages are written.
func (g Group) Format() Format {
	f, _ := ParseFormat(g.MessageFormat)
	return f
}

// EnvironmentWebhook is what the webhook_url of a row says for the robot of
// WECHAT_WEBHOOK_URL: the key is then written in one place only.
const EnvironmentWebhook Secret = "${WECHAT_WEBHOOK_URL}"

// RobotID names the robot behind a webhook without revealing its key: two
// groups with the same robot share budget and lease.
func RobotID(webhook Secret) string {
	sum := sha256.Sum256([]byte("robot\x00" + strings.TrimSpace(string(webhook))))
	return hex.EncodeToString(sum[:12])
}

// Placeholder tells whether a webhook is the guide's example, not a robot.
func Placeholder(webhook Secret) bool {
	w := string(webhook)
	return strings.TrimSpace(w) == "" || strings.Contains(w, "YOUR_KEY") || strings.HasSuffix(w, "key=")
}

// containerEvents are the types that a subscription to CONTAINER_DOWN includes.
var containerEvents = []string{ContainerOOM, ContainerUnhealthy, ContainerRestarting, ContainerStopped}

// ownAlarms say that Trade Monitor itself does not see or cannot act: every
// enabled group is told, whatever types it asks for.
var ownAlarms = []string{RobotBroken, RemediationBrake, TradeMonitorStuck, WatchIsDeaf, WatchUnmatched, WatchNotFound}

// Wants tells whether the group asked for this alert type. Spaces and the
// Chinese comma are tolerated.
func (g Group) Wants(alertType string) bool {
	types := splitTypes(g.AlertTypes)
	if len(types) == 0 || slices.Contains(ownAlarms, alertType) {
		return true
	}
	for _, t := range types {
		t = strings.ToUpper(t)
		if t == alertType || (t == "CONTAINER_DOWN" && slices.Contains(containerEvents, alertType)) {
			return true
		}
	}
	return false
}

// splitTypes reads a list of alert types as people write it.
func splitTypes(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool {
		return r == ',' || r == '，' || r == ';' || r == '、' || r == ' ' || r == '\t' || r == '\n'
	})
}

// Audience picks the groups to tell about an alert type, each robot once.
// Where no row of the table wants it, the fallback (the robot of
// WECHAT_WEBHOOK_URL) is told, unless a disabled row has the same robot: then
// a person switched it off.
func Audience(groups []Group, fallback Secret, alertType string) []Group {
	var told []Group
	seen := map[string]bool{}
	for _, g := range groups {
		robot := RobotID(g.Webhook)
		if !g.Enabled || Placeholder(g.Webhook) || seen[robot] || !g.Wants(alertType) {
			continue
		}
		seen[robot] = true
		told = append(told, g)
	}
	if len(told) > 0 || Placeholder(fallback) {
		return told
	}
	for _, g := range groups {
		if !g.Enabled && RobotID(g.Webhook) == RobotID(fallback) {
			return nil
		}
	}
	return []Group{FallbackGroup(fallback)}
}

// FallbackGroup is the group that WECHAT_WEBHOOK_URL stands for.
func FallbackGroup(webhook Secret) Group {
	return Group{Name: "WECHAT_WEBHOOK_URL", Webhook: webhook, Enabled: true}
}
