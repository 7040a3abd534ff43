package docker_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/docker/dockertest"
)

// numbers prints numbered lines: as many as it can, or in pace.
const numbers = `package main

import ("bufio"; "fmt"; "os"; "strconv"; "time")

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	pause, _ := time.ParseDuration(os.Args[2])
	out := bufio.NewWriter(os.Stdout)
	for i := range n {
		fmt.Fprintln(out, i)
		if pause > 0 || i == n-1 { out.Flush(); time.Sleep(pause) }
	}
	time.Sleep(time.Hour)
}
`

func TestAReadOfABigLogIsCompleteAndSparing(t *testing.T) {
	const total = 25_000
	requests := &atomic.Int64{}
	e := open(t, counting(t, requests))
	for _, tty := range []bool{false, true} {
		c := dockertest.Run(t, dockertest.Spec{Image: dockertest.Image(t, numbers), Args: []string{fmt.Sprint(total), "0"}, TTY: tty, LogDriver: "json-file"})
		facts := inspect(t, e, c.Name)
		var all *seen
		require.Eventually(t, func() bool {
			all = readAll(t, e, facts, time.Time{})
			return len(all.texts) == total
		}, 20*time.Second, 100*time.Millisecond)
		for since, calls := range map[int]int64{24_990: 1, 15_001: 1, 15_000: 2, 5_000: 2, 0: 6} {
			requests.Store(0)
			got := readAll(t, e, facts, all.stamps[since])
			assert.Equal(t, all.texts[since:], got.texts, "since line %d", since)
			assert.Equal(t, calls, requests.Load(), "requests for the log since line %d", since)
		}
	}
}

// Around a rotation Engine 20.10 hands a line on twice, and with the driver
// `local` it now and then goes deaf for ever, the connection being well: one
// follower in five, here. So a follower is a good ear and not a proof; a second
// read, and a follower opened anew, have to hear all that is kept.
func TestRotationOfALog(t *testing.T) {
	e := open(t, dockertest.Require(t).Host)
	for _, driver := range []string{"json-file", "local"} {
		const total = 3000 // some 220 KB in the engine's files: a rotation every 300 to 600 lines
		c := dockertest.Run(t, dockertest.Spec{
			Image: dockertest.Image(t, numbers), Args: []string{fmt.Sprint(total), "1ms"},
			LogDriver: driver, LogOptions: map[string]string{"max-size": "20k", "max-file": "3"},
		})
		facts := inspect(t, e, c.Name)
		s := follow(t.Context(), t, e, facts, time.Time{}, -1)
		var kept []string
		require.Eventually(t, func() bool {
			kept = readAll(t, e, facts, facts.StartedAt.Add(-time.Second)).texts
			return len(kept) > 0 && kept[len(kept)-1] == fmt.Sprint(total-1)
		}, 20*time.Second, 100*time.Millisecond)
		for i, text := range kept {
			require.Equal(t, fmt.Sprint(total-len(kept)+i), text, "a second read has all that is kept, %s", driver)
		}
		if driver == "json-file" {
			s.until(t, 1, fmt.Sprint(total-1))
			different := map[string]bool{}
			for _, text := range s.lines() {
				different[text] = true
			}
			assert.Len(t, different, total, "this driver loses none")
		}
		again := follow(t.Context(), t, e, facts, facts.StartedAt.Add(-time.Second), -1)
		again.until(t, 1, kept[0])
		again.until(t, 1, fmt.Sprint(total-1))
	}
}
