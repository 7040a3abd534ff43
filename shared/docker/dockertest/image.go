package dockertest

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Service is the package of the small program that most tests run.
const Service = "trade-monitor/shared/docker/dockertest/service"

// Image makes an image of the machine's engine: see Engine.Image.
func Image(t testing.TB, program string) string {
	t.Helper()
	return Require(t).Image(t, program)
}

// Image makes an image FROM scratch whose entry point is a static Go program:
// the path of a main package, or its source. The program is built once per test
// binary; the image is shared by the tests that hold it and removed after the
// last of them.
func (e *Engine) Image(t testing.TB, program string) string {
	t.Helper()
	binary, err := builds.get(program)
	if err != nil {
		t.Fatalf("building the program of a test image: %v", err)
	}
	tag, err := images.hold(e, program, binary)
	if err != nil {
		t.Fatalf("making a test image: %v", err)
	}
	t.Cleanup(func() {
		if err := images.release(e, program); err != nil {
			t.Errorf("removing a test image: %v", err)
		}
	})
	return tag
}

var builds = &buildCache{done: map[string][]byte{}}

// buildCache keeps the programs that this test binary has built.
type buildCache struct {
	mu   sync.Mutex
	done map[string][]byte
}

func (c *buildCache) get(program string) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if binary, ok := c.done[program]; ok {
		return binary, nil
	}
	binary, err := build(program)
	if err == nil {
		c.done[program] = binary
	}
	return binary, err
}

func build(program string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "tmtest-build-")
	if err != nil {
		return nil, fmt.Errorf("build directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	target := program
	if strings.Contains(program, "package main") {
		target = filepath.Join(dir, "main.go")
		if err := os.WriteFile(target, []byte(program), 0o600); err != nil {
			return nil, fmt.Errorf("writing the source: %w", err)
		}
	}
	binary := filepath.Join(dir, "program")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, target)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return os.ReadFile(binary)
}

var images = &imageCache{held: map[imageKey]*heldImage{}}

type imageKey struct {
	engine  string
	program string
}

type heldImage struct {
	tag   string
	users int
}

// imageCache counts the tests that use an image, so that the last one removes
// it and nothing of ours stays on the machine.
type imageCache struct {
	mu   sync.Mutex
	held map[imageKey]*heldImage
}

func (c *imageCache) hold(e *Engine, program string, binary []byte) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := imageKey{e.Host, program}
	if image, ok := c.held[key]; ok {
		image.users++
		return image.tag, nil
	}
	name := uniqueName("image")
	if err := e.importImage(name, binary); err != nil {
		return "", err
	}
	c.held[key] = &heldImage{tag: name + ":latest", users: 1}
	return c.held[key].tag, nil
}

func (c *imageCache) release(e *Engine, program string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := imageKey{e.Host, program}
	image := c.held[key]
	if image.users--; image.users > 0 {
		return nil
	}
	delete(c.held, key)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err := e.call(ctx, http.MethodDelete, "/images/"+image.tag+"?force=1", nil, nil)
	if notFound(err) || e.discarded() {
		return nil
	}
	return err
}

func (e *Engine) importImage(name string, binary []byte) error {
	layer, err := layer(binary)
	if err != nil {
		return err
	}
	query := url.Values{"fromSrc": {"-"}, "repo": {name}, "tag": {"latest"}, "changes": {`ENTRYPOINT ["/service"]`}}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var answer bytes.Buffer
	if err := e.call(ctx, http.MethodPost, "/images/create?"+query.Encode(), layer, &answer); err != nil {
		return err
	}
	if strings.Contains(answer.String(), `"error"`) {
		return fmt.Errorf("import: %s", answer.String())
	}
	return nil
}

func layer(binary []byte) (*bytes.Buffer, error) {
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	header := &tar.Header{Name: "service", Mode: 0o755, Size: int64(len(binary)), ModTime: time.Unix(1, 0)}
	if err := w.WriteHeader(header); err != nil {
		return nil, fmt.Errorf("image layer: %w", err)
	}
	if _, err := w.Write(binary); err != nil {
		return nil, fmt.Errorf("image layer: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("image layer: %w", err)
	}
	return &layer, nil
}

// uniqueName is a name that no other run, and nobody else, uses.
func uniqueName(what string) string {
	random := make([]byte, 4)
	_, _ = rand.Read(random) // never fails, see crypto/rand
	return fmt.Sprintf("tmtest-%d-%s-%s", os.Getpid(), hex.EncodeToString(random), what)
}
