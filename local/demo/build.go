package main

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"time"
)

// programs are the parts and the packages that they are built from.
var programs = []struct{ part, source string }{
	{tradeMonitor, "trade-monitor/local"},
	{dockerView, "trade-monitor/local/demo/view"},
	{robot, "trade-monitor/local/demo/robot"},
	{asyncService, "trade-monitor/local/demo/asyncservice"},
}

// build makes an image of each part, FROM scratch out of a static program: no
// registry is needed.
func (s *stage) build(ctx context.Context, arch string) error {
	s.out.say("正在构建四个程序，首次需要一两分钟…", "building four programs; the first time takes a minute or two …")
	dir, err := os.MkdirTemp("", s.name+"-")
	if err != nil {
		return fmt.Errorf("build directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", dir + string(filepath.Separator)}
	for _, p := range programs {
		args = append(args, p.source)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("构建失败，请在仓库目录中运行 (go build failed; run it in the repository): %w\n%s", err, out)
	}
	for _, p := range programs {
		if err := s.image(ctx, p.part, filepath.Join(dir, path.Base(p.source))); err != nil {
			return err
		}
	}
	s.out.say("四个镜像已就绪（FROM scratch，不需要镜像仓库）", "four images are ready: FROM scratch, no registry needed")
	return nil
}

func (s *stage) image(ctx context.Context, part, program string) error {
	binary, err := os.ReadFile(program)
	if err != nil {
		return fmt.Errorf("image of %s: %w", part, err)
	}
	layer, err := layer(binary)
	if err != nil {
		return fmt.Errorf("image of %s: %w", part, err)
	}
	changes := []string{`ENTRYPOINT ["/program"]`}
	for name, value := range s.labels {
		changes = append(changes, "LABEL "+name+"="+strconv.Quote(value))
	}
	return s.engine.Import(ctx, s.of(part), layer, changes...)
}

// layer is all that is in an image: the program, and the folders that it may
// write to.
func layer(binary []byte) (*bytes.Buffer, error) {
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	made := time.Unix(1, 0)
	for _, folder := range []string{"tmp/", "data/", "logs/"} {
		if err := w.WriteHeader(&tar.Header{Name: folder, Typeflag: tar.TypeDir, Mode: 0o1777, ModTime: made}); err != nil {
			return nil, err
		}
	}
	if err := w.WriteHeader(&tar.Header{Name: "program", Mode: 0o755, Size: int64(len(binary)), ModTime: made}); err != nil {
		return nil, err
	}
	if _, err := w.Write(binary); err != nil {
		return nil, err
	}
	return &layer, w.Close()
}
