//go:build unix

package main

import (
	"os"
	"strconv"
	"syscall"
)

// openFiles is how many files this process may have open.
func openFiles() (limit uint64, known bool) {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 0, false
	}
	return uint64(r.Cur), true // signed on some systems
}

// freeSpace is how many bytes an ordinary user may still write below a folder.
func freeSpace(dir string) (bytes uint64, known bool) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return 0, false
	}
	return uint64(fs.Bavail) * uint64(fs.Bsize), true // types differ between systems
}

// groupOf is the number of a file's group, for people.
func groupOf(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return "?"
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "?"
	}
	return strconv.FormatUint(uint64(stat.Gid), 10)
}
