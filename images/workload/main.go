// Command workload is what runs in a sandbox on real nodes. Its replies show whether a process is still the one that
// was asked before: who it is was drawn when it started, and what it was told it keeps in memory only.
//
//	workload [-listen ADDRESS] [-fail-after DURATION]   serve until SIGTERM, or exit 3 after a while
//	workload identity                                   print the identity of the process that serves in this Pod
//	workload crash                                      let that process end with exit code 4
//
//	GET  /          the identity as JSON
//	PUT  /nonce     keep the body (at most 256 bytes) as the nonce
//	POST /exit      end with exit code 4
package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

const (
	port     = "8080"
	maxNonce = 256
	patience = 10 * time.Second
)

// identity is who a process is. Nothing but Nonce changes while it lives.
type identity struct {
	BootID    string `json:"bootId"`
	StartedAt string `json:"startedAt"`
	PID       int    `json:"pid"`
	Hostname  string `json:"hostname"`
	Node      string `json:"node"`
	Nonce     string `json:"nonce"`
}

type server struct {
	mutex sync.Mutex
	self  identity
}

func newServer() (*server, error) {
	hostname, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	return &server{self: identity{
		BootID:    rand.Text(),
		StartedAt: time.Now().UTC().Format(time.RFC3339Nano),
		PID:       os.Getpid(),
		Hostname:  hostname,
		Node:      os.Getenv("NODE_NAME"),
	}}, nil
}

func (s *server) show(w http.ResponseWriter, _ *http.Request) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s.self)
}

func (s *server) keep(w http.ResponseWriter, r *http.Request) {
	nonce, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxNonce))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	s.mutex.Lock()
	s.self.Nonce = string(nonce)
	s.mutex.Unlock()
	s.show(w, r)
}

func serve(address string, failAfter time.Duration) error {
	s, err := newServer()
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.show)
	mux.HandleFunc("PUT /nonce", s.keep)
	mux.HandleFunc("POST /exit", func(http.ResponseWriter, *http.Request) { os.Exit(4) })
	if failAfter > 0 {
		time.AfterFunc(failAfter, func() { os.Exit(3) })
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- (&http.Server{Handler: mux, ReadHeaderTimeout: patience}).Serve(listener) }()
	select {
	case <-signals:
		return nil
	case err := <-ended:
		return err
	}
}

func ask(method, path string) error {
	request, err := http.NewRequest(method, "http://127.0.0.1:"+port+path, nil)
	if err != nil {
		return err
	}
	client := http.Client{Timeout: patience}
	reply, err := client.Do(request)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		return errors.New(reply.Status)
	}
	_, err = io.Copy(os.Stdout, reply.Body)
	return err
}

func main() {
	address := flag.String("listen", ":"+port, "`address` to serve on")
	failAfter := flag.Duration("fail-after", 0, "exit with code 3 after this `time`; 0 means never")
	flag.Parse()
	var err error
	switch command := flag.Arg(0); command {
	case "":
		err = serve(*address, *failAfter)
	case "identity":
		err = ask(http.MethodGet, "/")
	case "crash":
		err = ask(http.MethodPost, "/exit")
	default:
		err = fmt.Errorf("unknown command %q", command)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "workload:", err)
		os.Exit(1)
	}
}
