package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The image holds nothing but this program, and people type
// `docker exec -it aifuturetrade-trade-monitor tail -f /app/logs/alert.log`:
// the program does what its other name says.

// calledTail tells whether the program was started by that other name.
func calledTail(name string) bool { return filepath.Base(name) == "tail" }

// tailInterval is how often a followed file is looked at.
const tailInterval = 250 * time.Millisecond

// tailOptions are what was asked for.
type tailOptions struct {
	file   string
	lines  int
	follow bool
}

// tailCommand is tail [-n N] [-f|-F] FILE. Both ways of following go by the
// name, across rotation, and wait for a file that is not there yet: alert.log
// begins with the first event.
func tailCommand(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseTail(args)
	if err != nil {
		fmt.Fprintf(stderr, "tail: %v\n用法 (usage): tail [-n N] [-f|-F] FILE\n", err)
		return exitUsage
	}
	f := &follower{path: o.file, out: stdout}
	defer f.leave()
	err = f.begin(o.lines)
	if errors.Is(err, fs.ErrNotExist) && o.follow {
		fmt.Fprintf(stderr, "tail: %s 尚不存在，等待中 (does not exist yet; waiting)\n", o.file)
		err = nil
	}
	for err == nil && o.follow {
		select {
		case <-ctx.Done():
			return exitOK
		case <-time.After(tailInterval):
			err = f.advance()
		}
	}
	if err != nil {
		fmt.Fprintf(stderr, "tail: %v\n", err)
		return exitFailed
	}
	return exitOK
}

// parseTail reads the options as people write them: -f, -n 5, -n5, -5, -fn 5.
func parseTail(args []string) (tailOptions, error) {
	o := tailOptions{lines: 10}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		letters, option := strings.CutPrefix(arg, "-")
		switch {
		case !option || letters == "":
			if o.file != "" {
				return o, errors.New("只能有一个文件 (one file only)")
			}
			o.file = arg
			continue
		case letters == "-follow":
			o.follow = true
			continue
		case strings.HasPrefix(letters, "-lines="):
			letters = "n" + strings.TrimPrefix(letters, "-lines=")
		}
		for letters != "" && strings.ContainsRune("fF", rune(letters[0])) {
			o.follow, letters = true, letters[1:]
		}
		if letters == "" {
			continue
		}
		number := strings.TrimPrefix(letters, "n")
		if number == "" && len(args) > 0 {
			number, args = args[0], args[1:]
		}
		n, err := strconv.ParseUint(number, 10, 31)
		if err != nil {
			return o, fmt.Errorf("不支持的选项 (no such option): %s", arg)
		}
		o.lines = int(n)
	}
	if o.file == "" {
		return o, errors.New("缺少文件名 (no file)")
	}
	return o, nil
}

// follower prints what is added to the file that a name stands for.
type follower struct {
	path string
	out  io.Writer
	file *os.File // nil while there is none
}

func (f *follower) leave() {
	if f.file != nil {
		_ = f.file.Close()
	}
	f.file = nil
}

// begin opens the file and prints its last lines.
func (f *follower) begin(lines int) error {
	file, err := os.Open(f.path)
	if err != nil {
		return err
	}
	f.file = file
	start, err := lastLines(file, lines)
	if err != nil {
		return err
	}
	if _, err := file.Seek(start, io.SeekStart); err != nil {
		return err
	}
	return f.copy()
}

// advance prints what was added. When the name has come to stand for another
// file, the rest of the old one comes first: it is not written to any more.
func (f *follower) advance() error {
	now, err := os.Stat(f.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if f.file != nil {
		if err := f.rewindIfCut(); err != nil {
			return err
		}
		if err := f.copy(); err != nil {
			return err
		}
		old, err := f.file.Stat()
		if err != nil || now == nil || os.SameFile(old, now) {
			return err
		}
		f.leave()
	}
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	f.file = file
	return f.copy()
}

// rewindIfCut starts again in a file that was cut short in place.
func (f *follower) rewindIfCut() error {
	info, err := f.file.Stat()
	if err != nil {
		return err
	}
	at, err := f.file.Seek(0, io.SeekCurrent)
	if err != nil || info.Size() >= at {
		return err
	}
	_, err = f.file.Seek(0, io.SeekStart)
	return err
}

func (f *follower) copy() error {
	_, err := io.Copy(f.out, f.file)
	return err
}

// lastLines finds where the last n lines of a file begin, from its end.
func lastLines(file io.ReadSeeker, n int) (int64, error) {
	end, err := file.Seek(0, io.SeekEnd)
	if err != nil || n == 0 {
		return end, err
	}
	const step = 8 << 10
	var block [step]byte
	for at := end; at > 0; {
		size := min(at, step)
		at -= size
		if _, err := file.Seek(at, io.SeekStart); err != nil {
			return 0, err
		}
		text := block[:size]
		if _, err := io.ReadFull(file, text); err != nil {
			return 0, err
		}
		if at+size == end { // the newline at the very end ends a line, it begins none
			text = bytes.TrimSuffix(text, []byte("\n"))
		}
		for i := bytes.LastIndexByte(text, '\n'); i >= 0; i = bytes.LastIndexByte(text[:i], '\n') {
			if n--; n == 0 {
				return at + int64(i) + 1, nil
			}
		}
	}
	return 0, nil
}
