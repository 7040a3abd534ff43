package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/config"
)

// policyFolder is a folder with a policy file in it, and what follows it.
type policyFolder struct {
	t    *testing.T
	path string
	file *policyFile
	log  bytes.Buffer
	now  time.Time
}

func followPolicy(t *testing.T, content string) *policyFolder {
	t.Helper()
	f := &policyFolder{t: t, path: filepath.Join(t.TempDir(), "policy.yaml"), now: time.Now().Add(time.Hour)}
	f.write(content)
	f.open()
	return f
}

func (f *policyFolder) open() {
	f.t.Helper()
	cfg, err := config.Load(f.t.Context(), func(name string) (string, bool) {
		value, set := map[string]string{"POLICY_FILE": f.path}[name]
		return value, set
	})
	require.NoError(f.t, err)
	f.file, err = openPolicy(cfg, slog.New(slog.NewTextHandler(&f.log, nil)))
	require.NoError(f.t, err)
	f.look()
	require.Empty(f.t, f.said(), "what was read at the start is no news")
}

// write replaces the file's content; each write has a time of its own.
func (f *policyFolder) write(content string) {
	f.t.Helper()
	require.NoError(f.t, os.WriteFile(f.path, []byte(content), 0o600))
	f.touch(f.path)
}

func (f *policyFolder) touch(path string) {
	f.t.Helper()
	f.now = f.now.Add(10 * time.Second)
	require.NoError(f.t, os.Chtimes(path, f.now, f.now))
}

// look is the next look of the loop, some time later.
func (f *policyFolder) look() {
	f.now = f.now.Add(policyInterval)
	f.file.look(f.now)
}

func (f *policyFolder) repeat() time.Duration { return f.file.inForce.policy().Repeat }

// said gives what was logged since the last call.
func (f *policyFolder) said() string {
	text := f.log.String()
	f.log.Reset()
	return text
}

func TestAChangedPolicyFileIsTakenOverAndWhatChangedIsLogged(t *testing.T) {
	f := followPolicy(t, "repeat: 1h")
	f.write("repeat: 2h\nbrake: {containers: 0}\ntypes: {A: {action: restart, target: gateway}, B: {action: [restart, stop]}}")
	f.look()
	require.Equal(t, 2*time.Hour, f.repeat())
	policy := f.file.inForce.policy()
	require.Zero(t, policy.Brake.Containers)
	require.Equal(t, alerting.Stop, policy.Rule("B").Step(1))
	require.Equal(t, alerting.Restart, policy.Rule("A").Action)
	said := f.said()
	require.Contains(t, said, "repeat: 1h → 2h")
	require.Contains(t, said, "types.A.action: none → restart")
	require.Contains(t, said, "types.B.action: none → [restart, stop]")
	require.Contains(t, said, "brake.containers: 3 → 0")
	require.Contains(t, said, "types.A.target", "and what it warns of")
	f.look()
	require.Empty(t, f.said())
}

func TestABadPolicyFileKeepsTheOldPolicyAndIsToldOfOncePerChange(t *testing.T) {
	f := followPolicy(t, "repeat: 1h")
	f.write("repeat: soon\nnonsense: 1")
	f.look()
	require.Equal(t, time.Hour, f.repeat())
	require.False(t, f.file.Usable())
	said := f.said()
	require.Contains(t, said, "repeat")
	require.Contains(t, said, "nonsense", "every problem")
	require.Equal(t, 1, strings.Count(said, "level=ERROR"))

	f.look()
	f.touch(f.path)
	f.look()
	require.Empty(t, f.said(), "the same mistake is no news")

	f.write("repeat: later\nnonsense: 1") // the same complaint about another content
	f.look()
	require.Equal(t, 1, strings.Count(f.said(), "level=ERROR"))

	f.write("repeat: 1h")
	f.look()
	require.True(t, f.file.Usable())
	require.Contains(t, f.said(), "已生效")
}

func TestAPolicyFileThatIsBeingWrittenIsNotReadYet(t *testing.T) {
	f := followPolicy(t, "repeat: 1h")
	f.write("") // an editor that truncates first
	f.file.look(f.now)
	require.True(t, f.file.Usable())
	require.Empty(t, f.said())

	f.write("repeat: 2h")
	f.file.look(f.now)
	require.Equal(t, time.Hour, f.repeat())
	f.file.look(f.now)
	require.Equal(t, 2*time.Hour, f.repeat(), "the same at two looks")

	future := f.now.Add(24 * time.Hour) // a server whose clock is ahead
	require.NoError(t, os.WriteFile(f.path, []byte("repeat: 3h"), 0o600))
	require.NoError(t, os.Chtimes(f.path, future, future))
	f.look()
	f.look()
	require.Equal(t, 3*time.Hour, f.repeat())
}

func TestAPolicyFileReplacedByARenameIsSeen(t *testing.T) {
	f := followPolicy(t, "repeat: 1h")
	before, err := os.Stat(f.path)
	require.NoError(t, err)
	other := f.path + ".new"
	require.NoError(t, os.WriteFile(other, []byte("repeat: 2h"), 0o600))
	require.NoError(t, os.Chtimes(other, before.ModTime(), before.ModTime())) // same size, same time
	require.NoError(t, os.Rename(other, f.path))
	f.look()
	require.Equal(t, 2*time.Hour, f.repeat())
}

// TestASwitchedLinkIsSeen does what Kubernetes does with a ConfigMap.
func TestASwitchedLinkIsSeen(t *testing.T) {
	dir := t.TempDir()
	version := func(name, content string) {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name, "policy.yaml"), []byte(content), 0o600))
		require.NoError(t, os.Symlink(name, filepath.Join(dir, "..new")))
		require.NoError(t, os.Rename(filepath.Join(dir, "..new"), filepath.Join(dir, "..data")))
	}
	version("..1", "repeat: 1h")
	require.NoError(t, os.Symlink(filepath.Join("..data", "policy.yaml"), filepath.Join(dir, "policy.yaml")))
	f := &policyFolder{t: t, path: filepath.Join(dir, "policy.yaml"), now: time.Now().Add(time.Hour)}
	f.open()
	version("..2", "repeat: 2h")
	f.look()
	require.Equal(t, 2*time.Hour, f.repeat())
}

func TestAPolicyFileThatIsGoneKeepsThePolicy(t *testing.T) {
	f := followPolicy(t, "repeat: 1h")
	require.NoError(t, os.Remove(f.path))
	f.look()
	f.look()
	require.Equal(t, time.Hour, f.repeat())
	require.False(t, f.file.Usable())
	require.Equal(t, 1, strings.Count(f.said(), "level=ERROR"))
	f.write("repeat: 1h")
	f.look()
	require.True(t, f.file.Usable())
	require.Contains(t, f.said(), "已生效")
}

func TestLabelledContainersStayAdmittedWhenThePolicyChanges(t *testing.T) {
	a := newAdmitted(alerting.Policy{Containers: []string{"b"}})
	require.NoError(t, a.refresh(t.Context(), labelledContainers{"c", "b"}))
	a.configure(alerting.Policy{Containers: []string{"a"}})
	require.Equal(t, []string{"a", "b", "c"}, a.policy().Containers)
	require.NoError(t, a.refresh(t.Context(), labelledContainers{}))
	require.Equal(t, []string{"a"}, a.policy().Containers, "the file's list replaced the one before")
}

type labelledContainers []string

func (l labelledContainers) Labelled(context.Context) ([]string, error) { return l, nil }

func TestARunningServiceTakesItsPolicyFileOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	replace := func(content string) {
		require.NoError(t, os.WriteFile(path+".new", []byte(content), 0o600))
		require.NoError(t, os.Rename(path+".new", path))
	}
	replace("types: {}")
	s := launch(t, "POLICY_FILE="+path, "DOCKER_HOST=unix://"+filepath.Join(t.TempDir(), "no-docker.sock"))
	event := ticker("aifuturetrade-async-service")
	event.EventType = "ORDER_STUCK"
	remediation := func() map[string]any { return s.notify(event).object("remediation") }
	require.Equal(t, "no_action", remediation()["reasonCode"])

	replace("types: {ORDER_STUCK: {action: rstart}}")
	await(t, 10*time.Second, "degraded", func() bool { return strings.Contains(s.get("/readyz").text, "POLICY_FILE") })
	require.Equal(t, http.StatusOK, s.get("/readyz").status, "a policy of yesterday is no reason to be taken out")
	require.Equal(t, "no_action", remediation()["reasonCode"], "the policy before it stays")
	require.Contains(t, s.output.String(), "types.ORDER_STUCK.action")
	require.Contains(t, s.get("/metrics").text, "trade_monitor_policy_file_up 0")

	replace("types: {ORDER_STUCK: {action: restart}}")
	await(t, 10*time.Second, "taken over", func() bool { return !strings.Contains(s.get("/readyz").text, "POLICY_FILE") })
	require.Equal(t, "REQUESTED", remediation()["status"])
	require.Contains(t, s.output.String(), "types.ORDER_STUCK.action: none → restart")
}

func TestThePolicyCommands(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	good, bad := write("good.yaml", "repeat: 1h"), write("bad.yaml", "repeat: 1h\nrepaet: 2h\ndefaults: {cooldown: 25m}")
	ladder := write("ladder.yaml", "brake: {containers: 0}\ntypes: {TICKER_SYNC_TIMEOUT: {action: [restart, restart, escalate], backoff: 1.5, host: trading-1}}")
	senseless := write("senseless.yaml", "types: {A: {action: [escalate]}}")
	doubtful := write("doubtful.yaml", "types: {A: {action: restart, target: gateway}}")
	for name, test := range map[string]struct {
		args []string
		env  []string
		code int
		want []string
	}{
		"good":               {[]string{"policy", "check", good}, nil, 0, []string{"正确", "注意 (warnings): 0"}},
		"with warnings":      {[]string{"policy", "check", doubtful}, nil, 0, []string{"第 1 行 types.A.target"}},
		"ladder":             {[]string{"policy", "check", ladder}, nil, 0, []string{"注意 (warnings): 0"}},
		"ladder of nothing":  {[]string{"policy", "check", senseless}, nil, 1, []string{"第 1 行 types.A.action[0]", "write action: none"}},
		"show a ladder":      {[]string{"policy", "show"}, []string{"POLICY_FILE=" + ladder}, 0, []string{"action: [restart, restart, escalate] # 策略文件第 2 行", "containers: 0 # 策略文件第 1 行", "backoff: 1.5", "steady: 2m # 默认"}},
		"bad":                {[]string{"policy", "check", bad}, nil, 1, []string{"第 2 行 repaet", "did you mean repeat"}},
		"configured":         {[]string{"policy", "check"}, []string{"POLICY_FILE=" + bad}, 1, []string{"repaet"}},
		"missing":            {[]string{"policy", "check", "nowhere.yaml"}, nil, 1, []string{"nowhere.yaml", "挂载"}},
		"no file":            {[]string{"policy", "check"}, nil, 2, []string{"POLICY_FILE"}},
		"two files":          {[]string{"policy", "check", good, bad}, nil, 2, []string{bad}},
		"no verb":            {[]string{"policy"}, nil, 2, []string{"policy check [FILE]"}},
		"show takes no file": {[]string{"policy", "show", good}, nil, 2, []string{good}},
		"show nothing":       {[]string{"policy", "show"}, nil, 0, []string{"incidentGap: 30m", "REMEDIATION_MODE: auto"}},
		"show bad":           {[]string{"policy", "show"}, []string{"POLICY_FILE=" + bad}, 1, []string{"repaet"}},
		"start bad":          {nil, []string{"PORT=0", "POLICY_FILE=" + bad}, 1, []string{"POLICY_FILE", "repaet"}},
	} {
		t.Run(name, func(t *testing.T) {
			out, code := runOnce(t, test.env, test.args...)
			require.Equal(t, test.code, code, out)
			for _, want := range test.want {
				require.Contains(t, out, want)
			}
		})
	}
	for file, want := range map[string]string{doubtful: "target: gateway # 策略文件第 1 行", ladder: "host: trading-1 # 策略文件第 2 行"} {
		shown, code := runOnce(t, []string{"POLICY_FILE=" + file}, "policy", "show")
		require.Zero(t, code)
		require.Contains(t, shown, want)
		out, code := runOnce(t, nil, "policy", "check", write("shown.yaml", shown))
		require.Zero(t, code, out)
	}
}

// runOnce runs the built program once and gives what it printed.
func runOnce(t *testing.T, env []string, args ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(t), args...)
	cmd.Dir, cmd.Env = t.TempDir(), env
	out, _ := cmd.CombinedOutput()
	return string(out), cmd.ProcessState.ExitCode()
}
