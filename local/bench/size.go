package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// measureSizes weighs what is deployed, and says what the machine is like: a
// durable commit cannot be faster than its disk.
func measureSizes(ctx context.Context, b *bench) error {
	busy, err := otherLoad()
	if err != nil {
		return err
	}
	sync, err := diskSync(b.dir)
	if err != nil {
		return err
	}
	b.add(figure{name: "测量前的系统负载 (load average before the run)", value: busy, note: "what else runs here costs the service more than the bare server: above 1 a MISS says little"})
	b.add(figure{name: "磁盘同步 p50 (the disk's own append + fsync)", value: milliseconds(sync), unit: " ms"})
	if err := b.weigh("程序大小 (size of the program)", b.binary); err != nil {
		return err
	}
	for _, f := range b.lambdas {
		out := filepath.Join(b.dir, f)
		if err := buildLambda(ctx, f, out); err != nil {
			return err
		}
		if err := b.weigh("Lambda "+f, out); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) weigh(name, file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	b.add(figure{name: name, value: float64(info.Size()) / (1 << 20), unit: " MiB"})
	return nil
}

// otherLoad is how many tasks the machine ran or waited for in the last minute.
func otherLoad() (load float64, err error) {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0, err
	}
	_, err = fmt.Sscan(string(text), &load)
	return load, err
}

// diskSync is the median time of a small append that is on the disk when it
// returns.
func diskSync(dir string) (time.Duration, error) {
	file, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return 0, err
	}
	defer file.Close()
	var took []time.Duration
	block := make([]byte, 4096)
	for range 100 {
		begun := time.Now()
		if _, err := file.Write(block); err != nil {
			return 0, err
		}
		if err := file.Sync(); err != nil {
			return 0, err
		}
		took = append(took, time.Since(begun))
	}
	return quantile(took, .5), nil
}

// buildLambda builds a bootstrap as the Makefile does.
func buildLambda(ctx context.Context, function, out string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w", "-o", out, "./functions/"+function+"/lambda")
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w: %.2000s", function, err, text)
	}
	return nil
}
