package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/natefinch/lumberjack.v2"
)

// tailed runs tail and gives what it prints and its exit code.
func tailed(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, complaints output
	code = tailCommand(t.Context(), args, &out, &complaints)
	return out.String(), complaints.String(), code
}

func numbered(from, to int) string {
	var text strings.Builder
	for i := from; i <= to; i++ {
		fmt.Fprintf(&text, "line %d\n", i)
	}
	return text.String()
}

func TestTailPrintsTheLastLines(t *testing.T) {
	file := filepath.Join(t.TempDir(), "alert.log")
	const lines = 5000 // several blocks
	require.NoError(t, os.WriteFile(file, []byte(numbered(1, lines)), 0o600))
	for args, want := range map[string]string{
		"":           numbered(lines-9, lines),
		"-n 3":       numbered(lines-2, lines),
		"-n3":        numbered(lines-2, lines),
		"-3":         numbered(lines-2, lines),
		"--lines=3":  numbered(lines-2, lines),
		"-n 2000":    numbered(lines-1999, lines),
		"-n 5000":    numbered(1, lines),
		"-n 9999999": numbered(1, lines),
		"-n 0":       "",
	} {
		out, complaints, code := tailed(t, append(strings.Fields(args), file)...)
		assert.Equal(t, want, out, args)
		assert.Empty(t, complaints, args)
		assert.Zero(t, code, args)
	}

	require.NoError(t, os.WriteFile(file, []byte("first\nlast without an end"), 0o600))
	out, _, _ := tailed(t, "-n", "1", file)
	assert.Equal(t, "last without an end", out)
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	out, _, code := tailed(t, file)
	assert.Empty(t, out)
	assert.Zero(t, code)
}

func TestTailRefusesWhatItDoesNotDo(t *testing.T) {
	for _, args := range []string{"", "-f", "-c 5 x", "-n", "-n x y", "a b", "-fz x", "-n -1 x"} {
		_, complaints, code := tailed(t, strings.Fields(args)...)
		assert.Equal(t, exitUsage, code, args)
		assert.Contains(t, complaints, "tail [-n N] [-f|-F] FILE", args)
	}
	_, complaints, code := tailed(t, filepath.Join(t.TempDir(), "none"))
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, complaints, "none")
}

// following runs tail in the background until stop, which gives its exit code.
func following(t *testing.T, args ...string) (printed *output, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	printed, done := &output{}, make(chan int, 1)
	go func() { done <- tailCommand(ctx, args, printed, printed) }()
	return printed, func() int { cancel(); return <-done }
}

func TestTailFollowsAcrossRotation(t *testing.T) {
	file := filepath.Join(t.TempDir(), "alert.log")
	log := &lumberjack.Logger{Filename: file, MaxSize: 1, MaxBackups: 3}
	defer log.Close()
	write := func(text string) {
		_, err := log.Write([]byte(text))
		require.NoError(t, err)
	}
	printed, stop := following(t, "-f", file)
	await(t, 5*time.Second, "it waits for the first line", func() bool { return strings.Contains(printed.String(), "等待中") })

	var want strings.Builder
	for i := range 3 {
		one := fmt.Sprintf("before rotation %d\n", i)
		write(one)
		want.WriteString(one)
		await(t, 5*time.Second, "the line is printed", func() bool { return strings.HasSuffix(printed.String(), want.String()) })
		write("rest of the old file\n")
		require.NoError(t, log.Rotate())
		write("begin of the new file\n")
		want.WriteString("rest of the old file\nbegin of the new file\n")
		await(t, 5*time.Second, "every line is printed once", func() bool { return strings.HasSuffix(printed.String(), want.String()) })
	}
	entries, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	require.Greater(t, len(entries), 1, "it was rotated")
	require.Zero(t, stop(), "Ctrl-C is the way to end it")
}

func TestTailFollowsAFileThatIsCutShort(t *testing.T) {
	file := filepath.Join(t.TempDir(), "alert.log")
	require.NoError(t, os.WriteFile(file, []byte(numbered(1, 20)), 0o600))
	printed, stop := following(t, "-fn", "2", file)
	await(t, 5*time.Second, "the last lines", func() bool { return printed.String() == numbered(19, 20) })
	require.NoError(t, os.Truncate(file, 0))
	time.Sleep(2 * tailInterval)
	require.NoError(t, os.WriteFile(file, []byte("anew\n"), 0o600))
	await(t, 5*time.Second, "it begins anew", func() bool { return printed.String() == numbered(19, 20)+"anew\n" })
	require.Zero(t, stop())
}
