package config

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"trade-monitor/shared/alerting"
)

// PolicyInForce is a policy, and where each of its values comes from.
type PolicyInForce struct {
	Policy   alerting.Policy
	File     string          // empty: no file
	Warnings []PolicyProblem // worth a look; they do not keep the policy from being used

	said        map[place]int // the line of each value that the file gives
	environment map[place]string
}

// place is where a value stands: a key below types.<name>, or of another
// section with names of its own, or, with an empty name, a key of its own such
// as "repeat" or "defaults.budget.max".
type place struct {
	alertType, key string
	section        string // logs or heartbeats; empty: types
}

func (p place) String() string {
	if p.alertType == "" {
		return p.key
	}
	return strings.TrimSuffix(p.under()+"."+legible(p.alertType)+"."+p.key, ".")
}

// under is the section of a place that has a name.
func (p place) under() string {
	if p.section != "" {
		return p.section
	}
	return "types"
}

// PolicyProblem is one thing that is wrong with a policy file and how to mend
// it, in Chinese and in English.
type PolicyProblem struct {
	Line  int    // from 1; 0: the file as a whole
	Where string // the path of the key; may be empty
	Zh    string
	En    string
}

func (p PolicyProblem) String() string {
	zh, en := "", ""
	if p.Where != "" {
		zh = p.Where + "："
	}
	if p.Line > 0 {
		zh, en = fmt.Sprintf("第 %d 行 %s", p.Line, zh), fmt.Sprintf("line %d: ", p.Line)
	}
	return zh + p.Zh + " (" + en + p.En + ")"
}

// PolicyError names everything that is wrong with a policy file. Like
// InvalidError it shows keys and never values.
type PolicyError struct {
	File     string
	Problems []PolicyProblem
}

func (e *PolicyError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "策略文件 %s 有 %d 处错误 (problems in the policy file: %d)：", e.File, len(e.Problems), len(e.Problems))
	for _, p := range e.Problems {
		b.WriteString("\n  - " + p.String())
	}
	return b.String()
}

// maxPolicyFile is the size of a file that somebody wrote by hand, with room.
const maxPolicyFile = 256 << 10

// ReadPolicy is what the environment and the file amount to; without a file,
// what the environment does. A file that can be read and not used gives a
// *PolicyError.
func (c Config) ReadPolicy(file string) (PolicyInForce, error) {
	if file == "" {
		return c.withoutFile(), nil
	}
	content, err := readSmall(file)
	if err != nil {
		return PolicyInForce{}, fmt.Errorf("策略文件无法读取 (the policy file cannot be read): %w", err)
	}
	return c.ParsePolicy(file, content)
}

// FixedPolicy is the policy of the environment and of POLICY_FILE as it is now,
// for functions, which live too short to take changes over.
func (c Config) FixedPolicy() (func() alerting.Policy, error) {
	in, err := c.ReadPolicy(c.PolicyFile)
	if err != nil {
		return nil, fmt.Errorf("POLICY_FILE: %w", err)
	}
	return func() alerting.Policy { return in.Policy }, nil
}

// readSmall refuses what is no plain file before it opens it: to open a pipe
// may wait for ever.
func readSmall(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: 不是普通文件 (not a regular file)", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxPolicyFile+1))
	if err == nil && len(content) > maxPolicyFile {
		err = fmt.Errorf("%s: 超过 256 KiB (larger than 256 KiB)", name)
	}
	return content, err
}

// ParsePolicy is ReadPolicy with the file's content at hand.
func (c Config) ParsePolicy(file string, content []byte) (PolicyInForce, error) {
	r := &policyReader{said: map[place]int{}, async: c.Async}
	in := c.withoutFile()
	in.File = file
	if root := r.document(content); root != nil {
		r.policy(root, &in.Policy)
	}
	in.said = r.said
	if len(r.problems) == 0 {
		r.contradictions(c, &in)
		r.doubts(c, &in)
	}
	if len(r.problems) > 0 {
		return PolicyInForce{}, &PolicyError{File: file, Problems: byLine(r.problems)}
	}
	in.Warnings = byLine(r.warnings)
	return in, nil
}

func byLine(problems []PolicyProblem) []PolicyProblem {
	slices.SortStableFunc(problems, func(a, b PolicyProblem) int { return a.Line - b.Line })
	return slices.Compact(problems)
}

// withoutFile is the policy of the environment. A value that differs from the
// default must have come from there.
func (c Config) withoutFile() PolicyInForce {
	in := PolicyInForce{Policy: c.Policy(), environment: map[place]string{}}
	usual := alerting.DefaultPolicy()
	if !slices.Equal(in.Policy.Containers, usual.Containers) {
		in.environment[place{key: "containers"}] = "REMEDIATION_CONTAINERS"
	}
	if len(c.Callees) > 0 {
		in.environment[place{key: "defaults.mention"}] = "WECHAT_MENTION_MOBILES"
	}
	in.environment[place{section: logsSection, alertType: c.Async.Container}] = "ASYNC_MONITOR_*"
	if in.Policy.Rules[alerting.TickerSyncTimeout].Symptom != usual.Rules[alerting.TickerSyncTimeout].Symptom {
		in.environment[place{alertType: alerting.TickerSyncTimeout, key: "symptom"}] = "ASYNC_MONITOR_TICKER_TIMEOUT + ASYNC_MONITOR_CHECK_INTERVAL"
	}
	return in
}
