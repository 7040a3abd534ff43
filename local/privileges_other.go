//go:build !linux

package main

import "trade-monitor/shared/config"

// Images are for Linux; elsewhere we run as whoever starts us.

func becomeUnprivileged(config.Lookup, []string) error { return nil }

func adoptOrphans() {}
