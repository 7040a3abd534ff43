// Package storetest holds what tests of the store share: a private MariaDB
// server, and one conformance suite that every engine must pass.
package storetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Server is a private MariaDB: its own data directory, socket and port on
// loopback. Nothing of the machine's own server is touched.
type Server struct {
	Host     string
	Port     int
	User     string
	Password string

	dir     string
	durable bool
	options []string
	process *exec.Cmd
	exited  chan struct{}
}

// Database names a fresh, empty database of a Server.
type Database struct {
	*Server
	Name string
}

var shared struct {
	sync.Mutex
	server *Server
	err    error
	main   bool
	count  atomic.Int64
}

// Main runs the tests of a package and then ends the server that they shared:
//
//	func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }
func Main(m *testing.M) int {
	shared.main = true
	code := m.Run()
	if shared.server != nil {
		shared.server.remove()
	}
	return code
}

// MariaDB gives a fresh database on the server that the tests of a package
// share.
func MariaDB(t testing.TB) Database {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if !shared.main {
		t.Fatal("the package's TestMain must call storetest.Main")
	}
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = launch(false) // nothing of it outlives the tests
	}
	if shared.err != nil {
		t.Fatalf("MariaDB is needed by this test (apt-get install mariadb-server): %v", shared.err)
	}
	return shared.server.fresh(t)
}

// OwnMariaDB gives a server of the test's own, which it may stop and start, with
// further options of mariadbd.
func OwnMariaDB(t testing.TB, options ...string) Database {
	t.Helper()
	s, err := launch(true, options...)
	if err != nil {
		t.Fatalf("MariaDB is needed by this test (apt-get install mariadb-server): %v", err)
	}
	t.Cleanup(s.remove)
	return s.fresh(t)
}

// launch starts a server. A durable one keeps what was committed through a
// power cut, as a real one does; the other never waits for the disk.
func launch(durable bool, options ...string) (*Server, error) {
	if _, err := exec.LookPath("mariadbd"); err != nil {
		if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin"); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp("", "tm-mariadb-")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &Server{Host: "127.0.0.1", Port: port, User: "trade", Password: "test-only-password", dir: dir, durable: durable, options: options}
	if err := os.MkdirAll(s.tmp(), 0o700); err != nil {
		return nil, err
	}
	install := exec.Command("mariadb-install-db", "--no-defaults", "--user="+owner(), "--datadir="+s.data(), "--tmpdir="+s.tmp(), "--auth-root-authentication-method=normal", "--skip-test-db")
	install.Env = append(os.Environ(), "TMPDIR="+s.tmp())
	out, err := install.CombinedOutput()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("mariadb-install-db: %w: %.2000s", err, out), os.RemoveAll(dir))
	}
	if err := s.start(); err != nil {
		s.remove()
		return nil, err
	}
	root, err := sql.Open("mysql", "root@unix("+s.socket()+")/")
	if err != nil {
		return nil, err
	}
	defer root.Close()
	for _, statement := range []string{
		"CREATE USER '" + s.User + "'@'%' IDENTIFIED BY '" + s.Password + "'",
		"GRANT ALL ON *.* TO '" + s.User + "'@'%'",
	} {
		if _, err := root.Exec(statement); err != nil {
			s.remove()
			return nil, err
		}
	}
	return s, nil
}

func owner() string {
	if os.Getuid() == 0 {
		return "root"
	}
	return strconv.Itoa(os.Getuid())
}

func (s *Server) data() string   { return filepath.Join(s.dir, "data") }
func (s *Server) socket() string { return filepath.Join(s.dir, "sock") }

// tmp is of its own, too: a server that starts, also for an installation,
// removes the temporary tables that it finds there, those of others as well.
func (s *Server) tmp() string { return filepath.Join(s.dir, "tmp") }

func (s *Server) start() error {
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command("mariadbd", "--no-defaults", "--user="+owner(), "--datadir="+s.data(), "--socket="+s.socket(), "--tmpdir="+s.tmp(),
		"--bind-address=127.0.0.1", "--port="+strconv.Itoa(s.Port), "--innodb-buffer-pool-size=128M",
		"--pid-file="+filepath.Join(s.dir, "pid"), "--character-set-server=utf8mb4", "--max-connections=100", "--skip-name-resolve")
	if s.durable {
		cmd.Args = append(cmd.Args, "--innodb-flush-log-at-trx-commit=1")
	} else {
		cmd.Args = append(cmd.Args, "--innodb-flush-log-at-trx-commit=2", "--innodb-flush-method=nosync", "--innodb-doublewrite=0")
	}
	cmd.Args = append(cmd.Args, s.options...)
	cmd.Stdout, cmd.Stderr = log, log
	// A test binary that is killed takes its server along.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.process, s.exited = cmd, make(chan struct{})
	go func(done chan struct{}) { _ = cmd.Wait(); close(done) }(s.exited)
	return s.await()
}

func (s *Server) await() error {
	db, err := sql.Open("mysql", "root@unix("+s.socket()+")/")
	if err != nil {
		return err
	}
	defer db.Close()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		select {
		case <-s.exited:
			text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("mariadbd ended: %.2000s", text)
		default:
		}
		if db.PingContext(context.Background()) == nil {
			return nil
		}
	}
	return errors.New("mariadbd did not answer within 30 s")
}

// Start starts a stopped server on the same data.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if err := s.start(); err != nil {
		t.Fatalf("start MariaDB: %v", err)
	}
}

// Stop ends the server in order.
func (s *Server) Stop() { s.signal(syscall.SIGTERM) }

// Kill ends the server as a power cut would.
func (s *Server) Kill() { s.signal(syscall.SIGKILL) }

// Signal sends a signal to the server: SIGSTOP makes it hang, SIGCONT wakes it.
func (s *Server) Signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := s.process.Process.Signal(sig); err != nil {
		t.Fatalf("signal MariaDB: %v", err)
	}
}

func (s *Server) signal(sig syscall.Signal) {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Signal(sig)
	<-s.exited
	s.process = nil
}

func (s *Server) remove() {
	s.Kill()
	_ = os.RemoveAll(s.dir)
}

func (s *Server) fresh(t testing.TB) Database {
	t.Helper()
	db := Database{Server: s, Name: fmt.Sprintf("trade_%d", shared.count.Add(1))}
	root := db.Admin(t, "")
	if _, err := root.Exec("CREATE DATABASE " + db.Name + " CHARACTER SET utf8mb4"); err != nil {
		t.Fatalf("create a database: %v", err)
	}
	return db
}

// Admin connects as root to the named database, for what a person would do by
// SQL.
func (s *Server) Admin(t testing.TB, database string) *sql.DB {
	t.Helper()
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr, cfg.DBName, cfg.MultiStatements = "root", "unix", s.socket(), database, true
	cfg.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatalf("connect as root: %v", err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
