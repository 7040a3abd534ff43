//go:build image

package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The image is built from the real Dockerfile. What a registry would give, the
// base with Go, is made of this machine's own; what a module proxy would give
// comes from this machine's module cache, which holds all that this test was
// compiled from. So the build needs no network, and proves both build arguments.

// builderTools is what the Dockerfile's commands use beside Go, and what plays a
// neighbour of the container.
var builderTools = []string{"sh", "mkdir", "ln", "chmod", "sleep"}

// baseImage makes the image that the Dockerfile's BASE names.
func baseImage(t *testing.T, tag string) {
	t.Helper()
	cache := compiled(t)
	cmd := exec.Command("docker", "import", "--change", "ENV PATH=/usr/local/go/bin:/usr/bin:/bin", "--change", "ENV GOTOOLCHAIN=local GOCACHE=/go-build", "-", tag)
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	require.NoError(t, cmd.Start())
	b := &baseTar{out: tar.NewWriter(stdin)}
	b.goTree(goEnv(t, "GOROOT"))
	b.tree(cache, "go-build", nil)
	b.tools()
	b.file("/etc/ssl/certs/ca-certificates.crt", "etc/ssl/certs/ca-certificates.crt")
	b.add(&tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777}, nil)
	b.check(b.out.Close())
	b.check(stdin.Close())
	require.NoError(t, cmd.Wait(), "%s", &said)
	require.NoError(t, b.err)
	t.Cleanup(func() { removeImages(t, tag) })
}

// compiled is a build cache of what the image is built from, kept on this
// machine between runs: from nothing the libraries take minutes. The container
// compiles the same with the same compiler and finds it.
func compiled(t *testing.T) string {
	t.Helper()
	base, err := os.UserCacheDir()
	require.NoError(t, err)
	dir := filepath.Join(base, "trade-monitor-image-test")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", os.DevNull, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOCACHE="+dir)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return dir
}

// baseTar gathers the files of the base image; the first error stays.
type baseTar struct {
	out *tar.Writer
	err error
}

func (b *baseTar) check(err error) {
	if b.err == nil {
		b.err = err
	}
}

func (b *baseTar) add(header *tar.Header, content io.Reader) {
	if b.err != nil {
		return
	}
	header.ModTime = time.Unix(1, 0)
	b.check(b.out.WriteHeader(header))
	if content != nil && b.err == nil {
		_, err := io.Copy(b.out, content)
		b.check(err)
	}
}

// file adds one file, as what a link leads to.
func (b *baseTar) file(from, to string) {
	in, err := os.Open(from)
	if err != nil {
		b.check(err)
		return
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		b.check(err)
		return
	}
	b.add(&tar.Header{Name: to, Mode: int64(info.Mode().Perm()), Size: info.Size()}, in)
}

func (b *baseTar) tree(from, to string, skip func(name string) bool) {
	b.check(filepath.WalkDir(from, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case skip != nil && skip(name) && entry.IsDir():
			return filepath.SkipDir
		case entry.IsDir(), skip != nil && skip(name):
			return nil
		}
		b.file(name, to+strings.TrimPrefix(name, from))
		return b.err
	}))
}

// goTree adds what compiling needs of a Go installation.
func (b *baseTar) goTree(root string) {
	for _, name := range []string{"bin/go", "go.env", "VERSION"} {
		b.file(filepath.Join(root, name), "usr/local/go/"+name)
	}
	for _, dir := range []string{"pkg/tool", "pkg/include", "src"} {
		b.tree(filepath.Join(root, dir), "usr/local/go/"+dir, func(name string) bool {
			return filepath.Base(name) == "testdata" || strings.HasSuffix(name, "_test.go")
		})
	}
}

var libraryPath = regexp.MustCompile(`/\S+`)

// tools adds the commands and the libraries that they are linked with.
func (b *baseTar) tools() {
	added := map[string]bool{}
	for _, tool := range builderTools {
		name, err := exec.LookPath(tool)
		if err != nil {
			b.check(err)
			return
		}
		b.file(name, "bin/"+tool)
		libraries, err := exec.Command("ldd", name).Output()
		b.check(err)
		for _, library := range libraryPath.FindAllString(string(libraries), -1) {
			if !added[library] {
				b.file(library, strings.TrimPrefix(library, "/"))
				added[library] = true
			}
		}
	}
}

// moduleProxy serves this machine's module cache, whose layout is that of a
// module proxy, and gives a GOPROXY with it in front.
func moduleProxy(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &http.Server{Handler: http.FileServer(http.Dir(filepath.Join(goEnv(t, "GOMODCACHE"), "cache", "download"))), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return fmt.Sprintf("http://%s,%s", listener.Addr(), goEnv(t, "GOPROXY"))
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}
