package wecomtest

import (
	"net"
	"net/http"
	"time"
)

// Server is a set of robots on a loopback address.
type Server struct {
	*Robots
	Base string // http://127.0.0.1:port
	Host string // 127.0.0.1:port, as WECHAT_ALLOWED_HOSTS wants it
}

// Start serves robots until the test ends.
func Start(t TB) *Server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("wecomtest: %v", err)
		return nil
	}
	robots := New()
	mux := http.NewServeMux()
	mux.Handle(Path, robots)
	mux.Handle("/", robots.Page())
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = srv.Close()
		<-served
	})
	host := listener.Addr().String()
	return &Server{Robots: robots, Base: "http://" + host, Host: host}
}

// Webhook registers a robot and returns its whole webhook.
func (s *Server) Webhook(name string) string { return URL(s.Base, s.Key(name)) }
