//go:build image

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/wecom/wecomtest"
)

// isAtHomeInTenMinutes is a newcomer's first hour: every line comes from the
// README, and nothing else is needed from the clone to the message in the group.
// The base image is there before, as it is where Docker Hub can be reached.
func (r registry) isAtHomeInTenMinutes(t *testing.T) {
	robots, address, ca := secureRobots(t)
	d := &deployment{from: r, name: fmt.Sprintf("tmimage-%d-new", os.Getpid()), dir: filepath.Join(t.TempDir(), "trade-monitor"), port: freePort(t)}
	d.image, d.container = d.name+":test", d.name+"-trade-monitor"
	t.Cleanup(func() {
		d.compose(t, "down", "-v")
		removeImages(t, d.image)
	})
	repository := publish(t)

	begun := time.Now()
	for _, line := range readmeSteps(t) {
		since := time.Now()
		line = strings.NewReplacer("YOUR_REPOSITORY_URL", repository, "aifuturetrade-trade-monitor", d.container, "http://localhost:5005", d.url()).Replace(line)
		out := d.inShell(t, line)
		t.Logf("%5.1f s  %s\n%s", time.Since(since).Seconds(), firstLine(line), out)
		if strings.Contains(line, "cp .env.example .env") { // “write the webhook into .env”
			d.edit(t, d.asOthers())
			d.edit(t, map[string]string{"WECHAT_WEBHOOK_URL": wecomtest.URL("https://"+address, robots.Key("new")), "WECHAT_ALLOWED_HOSTS": address})
			d.override(t, trusting(ca))
		}
		if strings.Contains(line, "wechat-test") {
			robots.ExpectWithin(t, 5*time.Second, robots.Key("new"), "测试")
		}
	}
	robots.ExpectWithin(t, 5*time.Second, robots.Key("new"), "测试告警", "这是一条测试告警消息")
	took := time.Since(begun)
	t.Logf("%5.1f s  from the clone to the message", took.Seconds())
	require.Less(t, took, 10*time.Minute)
}

// readmeSteps are the commands that the README has a newcomer type: those of its
// section about docker-compose, and the event that it shows. Both languages show
// the same.
func readmeSteps(t *testing.T) []string {
	t.Helper()
	section := regexp.MustCompile("(?s)## (?:用 docker-compose 启动|With docker-compose)\n(.*?)\n## ")
	shell := regexp.MustCompile("(?s)```bash\n(.*?)```")
	event := regexp.MustCompile("(?s)```bash\n(curl -X POST http://localhost:5005/api/events/notify.*?)```")
	var steps [][]string
	for _, readme := range readmes {
		text := fromRoot(t, readme)
		found, posted := section.FindStringSubmatch(text), event.FindStringSubmatch(text)
		require.NotNil(t, found, "%s has the section", readme)
		require.NotNil(t, posted, "%s shows an event", readme)
		var commands []string
		for _, block := range shell.FindAllStringSubmatch(found[1], -1) {
			commands = append(commands, commandsOf(block[1])...)
		}
		steps = append(steps, append(commands, commandsOf(posted[1])...))
	}
	require.Equal(t, steps[0], steps[1])
	return steps[0]
}

var remark = regexp.MustCompile(`\s+#.*$`)

// commandsOf splits a block of shell into its commands, without remarks.
func commandsOf(block string) []string {
	var commands []string
	open := ""
	for line := range strings.Lines(block) {
		line = strings.TrimRight(line, "\n")
		if open == "" {
			line = remark.ReplaceAllString(line, "")
		}
		if open == "" && (line == "" || strings.HasPrefix(line, "#")) {
			continue
		}
		open += line
		if strings.HasSuffix(line, `\`) || strings.Count(open, "'")%2 == 1 {
			open += "\n"
			continue
		}
		commands = append(commands, open)
		open = ""
	}
	return commands
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// publish makes a git repository of what is here, as it stands.
func publish(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "trade-monitor.git")
	copyRepository(t, dir)
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "-A"}, {"-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "-qm", "all"}} {
		out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput()
		require.NoError(t, err, "git %v: %s", args, out)
	}
	return dir
}

// trusting lets the container reach and believe the robots of the test, which
// are not in the Internet.
func trusting(ca string) string {
	return fmt.Sprintf(`
services:
  trade-monitor:
    build:
      network: host
    extra_hosts:
      - "%s:host-gateway"
    environment:
      SSL_CERT_FILE: /app/ca.pem
    volumes:
      - %s:/app/ca.pem:ro
`, robotHost, ca)
}

// inShell runs one command of a page, in the clone when there is one.
func (d *deployment) inShell(t *testing.T, command string) string {
	t.Helper()
	dir := d.dir
	if _, err := os.Stat(dir); err != nil {
		dir = filepath.Dir(dir)
	}
	cmd := exec.Command("timeout", "600", "bash", "-euo", "pipefail", "-c", command)
	cmd.Dir, cmd.Env = dir, bareEnvironment()
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", command, out)
	return string(out)
}
