package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// figure is one line of the table.
type figure struct {
	name   string
	value  float64
	unit   string  // after the value: "", " ms", " MiB"
	target *target // nil: shown, and not judged
	note   string
}

// target is what a figure must reach.
type target struct {
	atLeast bool // else at most
	value   float64
}

func atLeast(v float64) *target { return &target{atLeast: true, value: v} }
func atMost(v float64) *target  { return &target{value: v} }

func (t target) met(v float64) bool {
	if t.atLeast {
		return v >= t.value
	}
	return v <= t.value
}

func (f figure) measured() string {
	digits := 2
	switch {
	case f.value >= 100:
		digits = 0
	case f.unit == "": // a ratio: its target must not be met by rounding
		digits = 3
	}
	return fmt.Sprintf("%.*f%s", digits, f.value, f.unit)
}

func (f figure) wanted() string {
	switch {
	case f.target == nil:
		return ""
	case f.target.atLeast:
		return fmt.Sprintf("≥ %g%s", f.target.value, f.unit)
	}
	return fmt.Sprintf("≤ %g%s", f.target.value, f.unit)
}

func (f figure) verdict() string {
	switch {
	case f.target == nil:
		return ""
	case f.target.met(f.value):
		return "OK"
	}
	return "MISS"
}

func missed(figures []figure) bool {
	return slices.ContainsFunc(figures, func(f figure) bool { return f.target != nil && !f.target.met(f.value) })
}

// writeText prints the table for a terminal. Names come last: what is wide in
// Chinese would bend the columns after it.
func writeText(w io.Writer, figures []figure) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "measured\ttarget\t\tfigure")
	for _, f := range figures {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", f.measured(), f.wanted(), f.verdict(), f.labelled(" — "))
	}
	return table.Flush()
}

// writeMarkdown prints the same table for a page.
func writeMarkdown(w io.Writer, figures []figure) error {
	var page strings.Builder
	page.WriteString("| figure | measured | target | |\n|---|---:|---:|---|\n")
	for _, f := range figures {
		fmt.Fprintf(&page, "| %s | %s | %s | %s |\n", f.labelled("<br>"), f.measured(), f.wanted(), f.verdict())
	}
	_, err := io.WriteString(w, page.String())
	return err
}

func (f figure) labelled(separator string) string {
	if f.note == "" {
		return f.name
	}
	return f.name + separator + f.note
}

// quantile is the smallest sample that at least the share q of them does not
// exceed: of two rounds the median is the lower.
func quantile[T cmp.Ordered](samples []T, q float64) T {
	var none T
	if len(samples) == 0 {
		return none
	}
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}
