package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// part is a group of figures that are taken together.
type part struct {
	name string
	run  func(context.Context, *bench) error
}

func parts() []part {
	return []part{
		{"size", measureSizes},
		{"latency", measureLatency},
		{"sqlite", measureSQLite},
		{"mariadb", measureMariaDB},
		{"history", measureHistory},
		{"delivery", measureDelivery},
		{"heartbeats", measureHeartbeats},
	}
}

func partNames() []string {
	var names []string
	for _, p := range parts() {
		names = append(names, p.name)
	}
	return names
}

// bench is one run.
type bench struct {
	plan
	dir      string // everything that the run leaves on the disk
	progress io.Writer
	robots   *robots
	figures  []figure
}

func (b *bench) add(f ...figure) { b.figures = append(b.figures, f...) }

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.progress, "bench: "+format+"\n", args...)
}

// measure takes the figures. Those that were taken are returned with an error
// too.
func measure(ctx context.Context, p plan, progress io.Writer) (_ []figure, err error) {
	binary, err := filepath.Abs(p.binary)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(binary); err != nil {
		return nil, fmt.Errorf("先运行 make build (run make build first): %w", err)
	}
	p.binary = binary
	dir, err := workFolder()
	if err != nil {
		return nil, err
	}
	b := &bench{plan: p, dir: dir, progress: progress}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if b.robots, err = startRobots(); err != nil {
		return nil, err
	}
	defer b.robots.close()
	for _, part := range parts() {
		if !slices.Contains(p.parts, part.name) {
			continue
		}
		b.say("%s …", part.name)
		if err := part.run(ctx, b); err != nil {
			return b.figures, fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return b.figures, nil
}

// workFolder is on a disk: where a file lives in memory, a durable commit
// costs nothing and every ratio would flatter us.
func workFolder() (string, error) {
	dir, err := os.MkdirTemp("", "trade-monitor-bench-")
	if err != nil {
		return "", err
	}
	const inMemory = 0x01021994 // TMPFS_MAGIC of statfs(2)
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return "", errors.Join(fmt.Errorf("statfs %s: %w", dir, err), os.Remove(dir))
	}
	if fs.Type == inMemory {
		return "", errors.Join(fmt.Errorf("%s 在内存中，请用 TMPDIR 指定磁盘上的目录 (is in memory: name a folder on a disk by TMPDIR)", dir), os.Remove(dir))
	}
	return dir, nil
}
