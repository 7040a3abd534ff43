// Package config turns the environment into values: every name, its default
// and what it may hold is said here once. It reads no environment of its own;
// a main passes a lookup in. A bad value stops the start, and the error names
// all of them at once and never shows a value: a secret pasted behind the wrong
// name must not end up in a log.
package config
