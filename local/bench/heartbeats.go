package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// pingRate is a thousand services that ping every second.
	pingRate = 1000
	// calmRate is a thousand that ping every minute.
	calmRate = 1000.0 / 60
	// mostPingCost is how many times the processor time of a bare server that
	// answers the same requests a thousand pings a second may cost.
	mostPingCost = 3
	// mostCalm is the share of one core that a thousand heartbeats may cost
	// that ping every minute, in per cent.
	mostCalm = 5
	beats    = 1000
)

// measureHeartbeats compares the processor time of the two servers at one rate:
// it is not about how many pings there could be.
func measureHeartbeats(ctx context.Context, b *bench) (err error) {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	bare, err := start(ctx, exec.Command(self, bareWord))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bare.stop()) }()
	ours, err := b.serve(ctx, filepath.Join(b.dir, "heartbeats"), "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ours.stop()) }()
	if _, err := ours.process.pinged(ctx, beats/2, 2*time.Second); err != nil { // declares them
		return err
	}
	var theirs, cost, calm []float64
	for range b.rounds {
		for _, run := range []struct {
			of   *process
			rate float64
			into *[]float64
		}{{bare, pingRate, &theirs}, {ours.process, pingRate, &cost}, {ours.process, calmRate, &calm}} {
			share, err := run.of.pinged(ctx, run.rate, 2*time.Duration(b.seconds)*time.Second)
			if err != nil {
				return err
			}
			*run.into = append(*run.into, share)
		}
	}
	yardstick, busy := quantile(theirs, 0.5), quantile(cost, 0.5)
	b.add(
		figure{name: "每秒 1000 次心跳的处理器时间，空服务器的倍数 (processor time of 1,000 heartbeats a second, bare server = 1)", value: busy / yardstick, target: atMost(mostPingCost),
			note: fmt.Sprintf("%.1f %% of one core against %.1f %%", busy, yardstick)},
		figure{name: "1000 个心跳每 60 秒一次，占一个核 (1,000 heartbeats every 60 s, of one core)", value: quantile(calm, 0.5), unit: " %", target: atMost(mostCalm)},
	)
	return nil
}

// pinged sends pings at a rate, spread over 1,000 names, and gives the share of
// one core that the server needed for them, in per cent.
func (p *process) pinged(ctx context.Context, rate float64, during time.Duration) (percent float64, err error) {
	const callers = 32
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: callers}}
	defer client.CloseIdleConnections()
	before, err := p.processorTime()
	if err != nil {
		return 0, err
	}
	total := int64(rate * during.Seconds())
	var next, failed atomic.Int64
	var first sync.Once
	var why error
	begun := time.Now()
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for n := next.Add(1) - 1; n < total && ctx.Err() == nil; n = next.Add(1) - 1 {
				time.Sleep(time.Until(begun.Add(time.Duration(float64(n) / rate * float64(time.Second)))))
				if err := p.ping(ctx, client, n%beats); err != nil {
					failed.Add(1)
					first.Do(func() { why = err })
				}
			}
		})
	}
	all.Wait()
	took := time.Since(begun)
	after, err := p.processorTime()
	switch {
	case err != nil:
		return 0, err
	case failed.Load() > 0:
		return 0, fmt.Errorf("%d of %d heartbeats were refused: %w", failed.Load(), total, why)
	case took > during+during/4:
		return 0, fmt.Errorf("%d heartbeats took %s instead of %s", total, took, during)
	}
	return 100 * (after - before).Seconds() / took.Seconds(), nil
}

func (p *process) ping(ctx context.Context, client *http.Client, n int64) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/api/heartbeats/service-%d?period=1m&grace=10s", p.url, n), nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return nil
}

// tick is the unit of /proc/<pid>/stat, which is 1/100 s on every Linux that Go
// runs on.
const tick = 10 * time.Millisecond

// processorTime is what the process has used of all cores.
func (p *process) processorTime() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(stat), ") ") // the name may hold anything
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0, fmt.Errorf("%s is not what proc(5) says", stat)
	}
	var ticks int64
	for _, field := range fields[11:13] { // utime, stime
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, nil
}
