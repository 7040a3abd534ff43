package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"trade-monitor/shared/config"
	"trade-monitor/shared/docker"
)

// The image starts as root and does two things with that: it hands the folders
// that we write to over to the user that RUN_AS names, and takes the group of
// Docker's socket along, whatever its number is on this host. Then it becomes
// that user by exec, so that the container's first process is the service
// itself: signals reach it directly, and nothing is left that is root.
//
// Every command of the image does so, those of `docker exec` too: what they
// may do is what the service may do.

// runAsName is the name in the environment; the image sets it. Without it, or
// when we are not root, we stay who we are.
const runAsName = "RUN_AS"

// account is an unprivileged user.
type account struct{ uid, gid int }

// becomeUnprivileged returns nil when there is nothing to become, and not at
// all when this process has become the user.
func becomeUnprivileged(lookup config.Lookup, args []string) error {
	wanted, _ := lookup(runAsName)
	if wanted == "" || os.Geteuid() != 0 {
		return nil
	}
	user, err := parseAccount(wanted)
	if err != nil {
		return err
	}
	if user.uid == 0 {
		return nil // asked for: in a rootless engine, root is an ordinary user outside
	}
	program, err := os.Executable() // before the change: afterwards /proc/self is root's
	if err != nil {
		return fmt.Errorf("%s: %w", runAsName, err)
	}
	groups := []int{user.gid}
	// A bad setting is told by the command itself, in its own words.
	if cfg, err := settings(lookup); err == nil {
		groups = append(groups, socketGroup(cfg.DockerHost)...)
		if writes(args) {
			for _, dir := range []string{cfg.DataDir, cfg.LogDir} {
				if err := handOver(dir, user); err != nil {
					fmt.Fprintf(os.Stderr, "trade-monitor: %s 不能交给用户 %s，可能无法写入 (cannot be handed over to this user and may not be writable): %v\n", dir, wanted, err)
				}
			}
		}
	}
	if err := user.become(groups); err != nil {
		return fmt.Errorf("%s: 容器需要 SETUID 和 SETGID 权限，或用 user: 直接指定用户 (the container needs SETUID and SETGID, or name the user by user:): %w", runAsName, err)
	}
	return syscall.Exec(program, args, os.Environ())
}

// settings reads what the command will read again.
func settings(lookup config.Lookup) (config.Config, error) {
	lookup, err := config.DotEnv(".env", lookup)
	if err != nil {
		return config.Config{}, err
	}
	return config.Load(context.Background(), lookup)
}

func parseAccount(text string) (account, error) {
	uid, gid, both := strings.Cut(text, ":")
	if !both {
		gid = uid
	}
	u, badUID := strconv.ParseUint(uid, 10, 31)
	g, badGID := strconv.ParseUint(gid, 10, 31)
	if badUID != nil || badGID != nil {
		return account{}, fmt.Errorf("%s：应为 用户号:组号，如 10001:10001 (write uid:gid, such as 10001:10001)", runAsName)
	}
	return account{uid: int(u), gid: int(g)}, nil
}

// writes tells the commands that open the folders for writing.
func writes(args []string) bool {
	return len(args) < 2 || args[1] == "serve" || args[1] == "init-db"
}

// socketGroup is the group that may use Docker's socket, if a group may.
func socketGroup(dockerHost string) []int {
	if dockerHost == "" {
		dockerHost = docker.DefaultHost
	}
	socket, local := strings.CutPrefix(dockerHost, "unix://")
	if !local {
		return nil
	}
	info, err := os.Stat(socket)
	if err != nil || info.Mode().Perm()&0o060 != 0o060 {
		return nil
	}
	return []int{int(info.Sys().(*syscall.Stat_t).Gid)}
}

// handOver makes a folder, and what is in it, the user's. It changes only what
// is not yet, follows no link, and cannot be led out of the folder by one that
// appears meanwhile: what writes here is not root.
func handOver(dir string, to account) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	return fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // rotated away meanwhile
		}
		if err != nil {
			return err
		}
		if owner := info.Sys().(*syscall.Stat_t); int(owner.Uid) == to.uid && int(owner.Gid) == to.gid {
			return nil
		}
		return root.Lchown(name, to.uid, to.gid)
	})
}

// become changes all threads of this process, the group first: the user may
// not change it any more.
func (a account) become(groups []int) error {
	slices.Sort(groups)
	if err := syscall.Setgroups(slices.Compact(groups)); err != nil {
		return fmt.Errorf("setgroups: %w", err)
	}
	if err := syscall.Setgid(a.gid); err != nil {
		return fmt.Errorf("setgid: %w", err)
	}
	if err := syscall.Setuid(a.uid); err != nil {
		return fmt.Errorf("setuid: %w", err)
	}
	return nil
}

// adoptOrphans reaps what the kernel gives to a container's first process:
// children of whatever joined it (`docker exec`, a container that shares its
// processes) and ended before them. We start no processes of our own, so that
// no wait of ours can be taken away by this.
func adoptOrphans() {
	if os.Getpid() != 1 {
		return
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	go func() {
		for range ended {
			for pid := 1; pid > 0; {
				pid, _ = syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
			}
		}
	}()
}
