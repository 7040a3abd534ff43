package main

import (
	"bytes"
	"io"
	"runtime"
	"strings"
	"time"
)

// longLine is a line of n bytes with a given end; 0: none.
func longLine(n int, end string) string {
	if n <= len(end) {
		return end[:n]
	}
	return strings.Repeat("x", n-len(end)) + end
}

// chat prints lines of 100 bytes, their line break included, evenly: every 10 ms
// those that are due, in one write.
func chat(out io.Writer, perSecond int, begin string) {
	const width = 99
	line := []byte(strings.Repeat(".", width) + "\n")
	copy(line[:width], begin)
	start, printed := time.Now(), 0
	var batch []byte
	for range time.Tick(10 * time.Millisecond) {
		due := int(time.Since(start).Seconds()*float64(perSecond)) - printed
		batch = batch[:0]
		for range due {
			batch = append(batch, line...)
		}
		_, _ = out.Write(batch)
		printed += due
	}
}

// eat takes memory until somebody ends us.
func eat() {
	var all [][]byte
	for {
		all = append(all, bytes.Repeat([]byte("full"), 1<<18)) // written to, or it would not be taken
		runtime.KeepAlive(all)
	}
}
