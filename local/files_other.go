//go:build !unix

package main

// openFiles: other systems do not say.
func openFiles() (limit uint64, known bool) { return 0, false }

// freeSpace is not known here.
func freeSpace(string) (bytes uint64, known bool) { return 0, false }

// groupOf is not known here.
func groupOf(string) string { return "?" }
