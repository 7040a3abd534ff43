package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"trade-monitor/shared/config"
)

// policyInterval is how often the file is looked at. A look is one stat, which
// sees what notifications of the kernel do not: renames over the file, symbolic
// links that are switched, folders of a network.
const policyInterval = 2 * time.Second

// policyFile keeps the policy in force in step with POLICY_FILE.
type policyFile struct {
	cfg     config.Config
	log     *slog.Logger
	inForce *admitted

	current config.PolicyInForce // the last that could be used
	seen    os.FileInfo          // at the last look
	read    os.FileInfo          // when it was last read
	failed  []byte               // what could not be used, to say so once

	mu      sync.Mutex
	problem string // empty: the file is in force
}

// openPolicy reads the policy for the start, which a bad file ends.
func openPolicy(cfg config.Config, log *slog.Logger) (*policyFile, error) {
	current, err := cfg.ReadPolicy(cfg.PolicyFile)
	if err != nil {
		return nil, fmt.Errorf("POLICY_FILE: %w", err)
	}
	f := &policyFile{cfg: cfg, log: log, current: current, inForce: newAdmitted(current.Policy)}
	f.warn(current)
	return f, nil
}

// Usable tells whether the file, as it is now, is in force.
func (f *policyFile) Usable() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.problem == ""
}

// follow looks at the file until ctx ends.
func (f *policyFile) follow(ctx context.Context) error {
	if f.cfg.PolicyFile == "" {
		<-ctx.Done()
		return nil
	}
	ticks := time.NewTicker(policyInterval)
	defer ticks.Stop()
	for {
		f.look(time.Now())
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// look reads the file when it changed. One that was written just now may be
// half written: it is read when it is a little older, or has stayed the same
// since the look before.
func (f *policyFile) look(now time.Time) {
	info, err := os.Stat(f.cfg.PolicyFile)
	if err != nil {
		f.read = nil
		f.refuse(nil, fmt.Errorf("策略文件无法读取 (the policy file cannot be read): %w", err))
		return
	}
	if sameFile(info, f.read) {
		return
	}
	settled := sameFile(info, f.seen) || now.Sub(info.ModTime()) > policyInterval/2
	f.seen = info
	if !settled {
		return
	}
	f.read = info
	f.reload()
}

// sameFile compares by identity, size and time: a file renamed over another has
// another identity.
func sameFile(a, b os.FileInfo) bool {
	return a != nil && b != nil && os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

func (f *policyFile) reload() {
	next, err := f.cfg.ReadPolicy(f.cfg.PolicyFile)
	if err != nil {
		// The content only tells two failures apart; that it cannot be read
		// either is no news.
		content, _ := os.ReadFile(f.cfg.PolicyFile)
		f.refuse(content, err)
		return
	}
	changes := f.current.Changes(next)
	f.current = next
	f.inForce.configure(next.Policy)
	if f.settle("") || len(changes) > 0 {
		f.log.Info("策略文件已生效 (the policy file is in force)", "file", f.cfg.PolicyFile, "changes", changes)
		f.warn(next)
	}
}

// refuse keeps the policy in force and says so, once for each change.
func (f *policyFile) refuse(content []byte, err error) {
	again := !f.settle(err.Error()) && bytes.Equal(content, f.failed)
	f.failed = content
	if !again {
		f.log.Error("策略文件无法使用，沿用之前的策略 (the policy file cannot be used; the policy before it stays)", "file", f.cfg.PolicyFile, "error", err)
	}
}

// settle notes what is wrong with the file and tells whether that is new.
func (f *policyFile) settle(problem string) (news bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	news = f.problem != problem
	f.problem = problem
	return news
}

func (f *policyFile) warn(in config.PolicyInForce) {
	for _, w := range in.Warnings {
		f.log.Warn("策略文件 (policy file): "+w.String(), "file", in.File)
	}
}

var policyUp = prometheus.NewDesc("trade_monitor_policy_file_up", "1 while POLICY_FILE, as it is now, is in force (or there is none).", nil, nil)

// Describe implements prometheus.Collector.
func (f *policyFile) Describe(ch chan<- *prometheus.Desc) { ch <- policyUp }

// Collect implements prometheus.Collector.
func (f *policyFile) Collect(ch chan<- prometheus.Metric) {
	up := 0.0
	if f.Usable() {
		up = 1
	}
	ch <- prometheus.MustNewConstMetric(policyUp, prometheus.GaugeValue, up)
}

func policyInForce(cfg config.Config) string {
	if cfg.PolicyFile == "" {
		return "默认 (default); trade-monitor policy show"
	}
	return cfg.PolicyFile + "; trade-monitor policy show"
}

// policyCheck is the command: it names what is wrong with a file.
func policyCheck(_ context.Context, a app) error {
	file := a.cfg.PolicyFile
	if len(a.args) > 0 {
		file = a.args[0]
	}
	if file == "" {
		return usageError{"请给出文件，或设置 POLICY_FILE (name a file, or set POLICY_FILE)"}
	}
	in, err := a.cfg.ReadPolicy(file)
	if err != nil {
		return legiblePath(err)
	}
	for _, w := range in.Warnings {
		if _, err := fmt.Fprintf(a.stdout, "注意 (warning)：%s\n", w); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(a.stdout, "%s 正确 (is good)，注意 (warnings): %d\n", file, len(in.Warnings))
	return err
}

// legiblePath adds to a missing file what is seldom thought of: in a container
// the path is another.
func legiblePath(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w；在容器中请检查该路径是否已挂载 (in a container: is the path mounted?)", err)
	}
	return err
}

// policyShow is the command: it prints what is in force, as a policy file.
func policyShow(_ context.Context, a app) error {
	in, err := a.cfg.ReadPolicy(a.cfg.PolicyFile)
	if err != nil {
		return legiblePath(err)
	}
	text, err := in.YAML()
	if err != nil {
		return err
	}
	file := "未设置 (not set)"
	if in.File != "" {
		file = in.File
	}
	_, err = fmt.Fprintf(a.stdout, "# 生效的策略 (the policy in force)，可直接用作 POLICY_FILE (can be used as POLICY_FILE)\n# POLICY_FILE: %s\n# REMEDIATION_MODE: %s\n%s",
		file, a.cfg.Mode, text)
	return err
}
