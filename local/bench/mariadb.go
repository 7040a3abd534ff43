package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// mariaDB is a private server: its own folder and port, durable at commit as a
// server is by default.
type mariaDB struct {
	cmd    *exec.Cmd
	port   int
	exited chan struct{}
}

const (
	mariaUser     = "trade"
	mariaPassword = "bench-only-password"
	mariaDatabase = "trade_monitor"
)

// findMariaDB looks where Debian keeps daemons, too.
func findMariaDB() (string, error) {
	path, err := exec.LookPath("mariadbd")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/mariadbd")
	}
	return path, err
}

func startMariaDB(ctx context.Context, dir string) (*mariaDB, error) {
	path, err := findMariaDB()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	data, tmp := filepath.Join(dir, "data"), filepath.Join(dir, "tmp")
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		return nil, err
	}
	install := exec.CommandContext(ctx, "mariadb-install-db", "--no-defaults", "--user="+account(), "--datadir="+data, "--tmpdir="+tmp, "--skip-test-db")
	install.Env = append(os.Environ(), "TMPDIR="+tmp) // servers that share one remove each other's tables
	out, err := install.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("mariadb-install-db: %w: %.2000s", err, out)
	}
	first := filepath.Join(dir, "first.sql")
	statements := "CREATE DATABASE " + mariaDatabase + " CHARACTER SET utf8mb4;\n" +
		"CREATE USER '" + mariaUser + "'@'%' IDENTIFIED BY '" + mariaPassword + "';\n" +
		"GRANT ALL ON " + mariaDatabase + ".* TO '" + mariaUser + "'@'%';\n"
	if err := os.WriteFile(first, []byte(statements), 0o600); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	db := &mariaDB{port: port, exited: make(chan struct{})}
	db.cmd = exec.Command(path, "--no-defaults", "--user="+account(), "--datadir="+data, "--socket="+filepath.Join(dir, "sock"), "--tmpdir="+tmp,
		"--pid-file="+filepath.Join(dir, "pid"), "--bind-address=127.0.0.1", "--port="+strconv.Itoa(port), "--init-file="+first,
		"--innodb-flush-log-at-trx-commit=1", "--character-set-server=utf8mb4", "--skip-name-resolve")
	log := &tail{}
	db.cmd.Stdout, db.cmd.Stderr = log, log
	db.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := db.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { _ = db.cmd.Wait(); close(db.exited) }()
	if err := db.await(ctx); err != nil {
		db.stop()
		return nil, fmt.Errorf("%w: %s", err, log)
	}
	return db, nil
}

// await waits until the server takes connections, which it does after it has
// run first.sql.
func (db *mariaDB) await(ctx context.Context) error {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		select {
		case <-db.exited:
			return errors.New("mariadbd ended")
		default:
		}
		if conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(db.port))); err == nil {
			return conn.Close()
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return errors.New("mariadbd did not answer within 30 s")
}

func (db *mariaDB) settings() []string {
	return []string{
		"MYSQL_HOST=127.0.0.1", "MYSQL_PORT=" + strconv.Itoa(db.port), "MYSQL_USER=" + mariaUser,
		"MYSQL_PASSWORD=" + mariaPassword, "MYSQL_DATABASE=" + mariaDatabase,
	}
}

// stop ends the server at once: its folder is thrown away.
func (db *mariaDB) stop() {
	_ = db.cmd.Process.Kill()
	<-db.exited
}

func account() string {
	if os.Getuid() == 0 {
		return "root"
	}
	return strconv.Itoa(os.Getuid())
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
