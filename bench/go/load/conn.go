package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const dialSeconds = 30

// A server is an address, and how to verify it.
type server struct {
	where *url.URL
	trust *tls.Config
}

func serverAt(address, caFile string) *server {
	where, err := url.Parse(address)
	if err != nil {
		log.Fatal(err)
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		log.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		log.Fatalf("no certificate in %s", caFile)
	}
	return &server{where, &tls.Config{
		RootCAs: pool, ServerName: where.Hostname(), CurvePreferences: []tls.CurveID{tls.X25519},
	}}
}

func theTarget() *server { return serverAt(*target, *ca) }

// A conn is one TLS connection with HTTP/1.1, without net/http's client: it shares the machine with
// the measured server, so it should use little CPU time.
type conn struct {
	*tls.Conn
	in *bufio.Reader
}

func (s *server) dial() (*conn, error) {
	raw, err := net.DialTimeout("tcp", s.where.Host, dialSeconds*time.Second)
	if err != nil {
		return nil, err
	}
	c := tls.Client(raw, s.trust)
	if err := c.Handshake(); err != nil {
		raw.Close()
		return nil, err
	}
	return &conn{c, bufio.NewReader(c)}, nil
}

// head is a request's head; more is whole header lines.
func (s *server) head(method, query, more string) []byte {
	path := s.where.RequestURI()
	if query != "" {
		separator := "?"
		if s.where.RawQuery != "" {
			separator = "&"
		}
		path += separator + query
	}
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"+
		"User-Agent: bench\r\nAccept: application/json\r\n%s\r\n",
		method, path, s.where.Host, *token, more)
}

// answer reads the head of a response, which must have the expected status.
func (c *conn) answer(wanted int) (*http.Response, error) {
	got, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return nil, err
	}
	if got.StatusCode != wanted {
		said, _ := io.ReadAll(io.LimitReader(got.Body, 500))
		return nil, fmt.Errorf("status %d: %s", got.StatusCode, said)
	}
	return got, nil
}

// ask sends a request and reads its response to the end; it returns the length of the body.
func (c *conn) ask(head []byte) (int64, error) {
	if _, err := c.Write(head); err != nil {
		return 0, err
	}
	return c.rest()
}

func (c *conn) rest() (int64, error) {
	got, err := c.answer(http.StatusOK)
	if err != nil {
		return 0, err
	}
	return io.Copy(io.Discard, got.Body)
}

// inParallel does work -count times, -workers at a time; each worker has a number.
func inParallel(work func(worker int) error) {
	var all sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(*count))
	for worker := range min(*workers, *count) {
		all.Add(1)
		go func() {
			defer all.Done()
			for left.Add(-1) >= 0 {
				if err := work(worker); err != nil {
					failed.add(err)
				}
			}
		}()
	}
	all.Wait()
}
