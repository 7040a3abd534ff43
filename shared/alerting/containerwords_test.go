package alerting

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func death(change ...func(*ContainerDeath)) *ContainerDeath {
	d := &ContainerDeath{
		At: noon, StartedAt: noon.Add(-200 * time.Second), ExitCode: 139, RestartPolicy: "always",
		Lines: []string{"同步失败", "password=hunter2"},
	}
	for _, c := range change {
		c(d)
	}
	return d
}

func TestADeadContainerIsToldWithItsEvidence(t *testing.T) {
	p := DefaultPolicy()
	n := ContainerNotice{Type: ContainerDown, Container: service, ID: "a", Death: death()}
	ev := n.Event(&p)
	assert.Equal(t, "容器 "+service+" 意外退出，退出码 139（SIGSEGV）", ev.Title)
	assert.Equal(t, Critical, ev.Severity)
	assert.Equal(t, service, ev.Service)
	assert.False(t, ev.Resolved)
	assert.Equal(t, strings.Join([]string{
		ev.Title, "退出时间：" + noon.In(p.Location).Format("2006-01-02 15:04:05"), "退出码 139（SIGSEGV）", "运行了：3分20秒", "重启策略：always",
		"──── 最近日志 ────", "同步失败", "password=***", "────────────────",
	}, "\n"), ev.Message)
	var fields map[string]any
	require.NoError(t, json.Unmarshal(ev.Metadata, &fields))
	assert.Equal(t, map[string]any{
		"container": service, "exitCode": 139.0, "signal": "SIGSEGV", "oomKilled": false, "restartPolicy": "always",
		"startedAt": noon.Add(-200 * time.Second).In(p.Location).Format(time.RFC3339Nano), "finishedAt": noon.In(p.Location).Format(time.RFC3339Nano), "ranSeconds": 200.0,
	}, fields)

	n.Death = death(func(d *ContainerDeath) { d.ExitCode, d.RestartPolicy = 7, "" })
	fields = nil
	require.NoError(t, json.Unmarshal(n.Event(&p).Metadata, &fields))
	assert.NotContains(t, fields, "signal", "what there is not takes no line of a message")
	assert.NotContains(t, fields, "restartPolicy")

	p.Language, n.Death = English, death()
	ev = n.Event(&p)
	assert.Equal(t, "container "+service+" ended unexpectedly, exit code 139 (SIGSEGV)", ev.Title)
	assert.Contains(t, ev.Message, "had run for: 3m20s")
}

func TestEveryContainerNoticeIsAnEventThatIsTaken(t *testing.T) {
	for _, lang := range []Language{Chinese, English} {
		p := DefaultPolicy()
		p.Language = lang
		titles := map[string]bool{}
		for _, n := range []ContainerNotice{
			{Type: ContainerDown, Death: death()},
			{Type: ContainerDown, Death: death(func(d *ContainerDeath) { *d = ContainerDeath{Unseen: true} })},
			{Type: ContainerOOM, Death: death()},
			{Type: ContainerOOM, Processes: 2},
			{Type: ContainerUnhealthy, Says: "not well"},
			{Type: ContainerRestarting, Deaths: 3, Death: death()},
			{Type: ContainerStopped, Death: death()},
			{Type: ContainerStopped, Ours: true},
			{Type: ContainerStopped, Gone: "deleted"},
			{Type: ContainerStopped, Gone: "other"},
			{Type: ContainerDown, Resolved: true},
			{Type: ContainerUnhealthy, Resolved: true},
			{Type: ContainerRestarting, Resolved: true},
			{Type: ContainerUnhealthy, Resolved: true, Gone: "other"},
		} {
			n.Container = service
			ev := n.Event(&p)
			assert.False(t, titles[ev.Title], "each says something else: %s", ev.Title)
			titles[ev.Title] = true
			status := ""
			if ev.Resolved {
				status = "RESOLVED"
			}
			again, err := Normalise(Posted{EventType: ev.Type, ServiceName: ev.Service, Severity: string(ev.Severity), Title: ev.Title, Message: ev.Message, Metadata: ev.Metadata, Status: status})
			require.NoError(t, err)
			assert.Equal(t, ev, again, "it is as tidy as a posted one")
			if lang == English {
				assert.NotContains(t, ev.Title, "容器")
			}
		}
	}
}

func TestWhatAContainerWroteIsData(t *testing.T) {
	p := DefaultPolicy()
	lines := make([]string, 30)
	for i := range lines {
		lines[i] = fmt.Sprint("line ", i)
	}
	lines[29] = "\x1b[31m\u202Ered\x00\xff " + strings.Repeat("长", 5000)
	ev := ContainerNotice{Type: ContainerDown, Container: service, Death: death(func(d *ContainerDeath) { d.Lines = lines })}.Event(&p)
	assert.NotContains(t, ev.Message, "line 19\n")
	assert.Contains(t, ev.Message, "line 20\n", "the last ten")
	assert.True(t, utf8.ValidString(ev.Message))
	assert.NotContains(t, ev.Message, "\x1b")
	assert.NotContains(t, ev.Message, "\u202E")
	assert.Less(t, len(ev.Message), 4000)
}

func TestOnlyASignalIsCalledOne(t *testing.T) {
	for code, name := range map[int]string{0: "", 1: "", 137: "SIGKILL", 139: "SIGSEGV", 134: "SIGABRT", 143: "SIGTERM", 128: "", 160: "", 255: ""} {
		assert.Equal(t, name, (&ContainerDeath{ExitCode: code}).signal(), code)
	}
}

func TestContainerDetail(t *testing.T) {
	for script, want := range map[string]string{
		"start":                            "",
		"start pause":                      "已暂停（docker pause）",
		"start die=137":                    "退出码 137（SIGKILL）",
		"start crash=1 start":              "已在运行，稳定后算恢复",
		"start kill=15 die=0":              "",
		"start kill=15 die=0 destroy":      "容器已被删除",
		"start rename=other":               "容器已改名为 other",
		"create":                           "从未启动",
		"start +1h ~die=1 forget look":     "未在运行，等待 Docker 启动它",
		"start +1h kill=15 die=0 +2m":      "",
		"start +1h kill=15 die=0 +2m look": "",
	} {
		s := newContainerStage(t)
		s.play(script)
		assert.Equal(t, want, s.rec.Detail(Chinese), script)
	}
}

// An engine allows names that are longer than the column of a service, and a
// database that refuses an event would refuse it for ever. What is cut is no
// name of another container, which a restart could reach.
func TestLongContainerNamesFitTheRecord(t *testing.T) {
	name := "k8s_" + strings.Repeat("a", 200)
	policy := DefaultPolicy()
	ev := ContainerNotice{Type: ContainerDown, Container: name}.Event(&policy)
	rule := LogRule{Container: name}
	for _, service := range []string{ev.Service, rule.ServiceName()} {
		assert.Equal(t, MaxService, utf8.RuneCountInString(service))
		assert.True(t, strings.HasSuffix(service, "…"))
	}
	assert.Contains(t, string(ev.Metadata), name)
}
