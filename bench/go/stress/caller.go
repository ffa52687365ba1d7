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
	"time"
)

const patience = 30 * time.Second

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
	pool.AppendCertsFromPEM(pem)
	return &server{where, &tls.Config{
		RootCAs: pool, ServerName: where.Hostname(), CurvePreferences: []tls.CurveID{tls.X25519},
	}}
}

// A caller has a token and connections, and asks the same again and again.
type caller struct {
	name, token string
	rate        float64
	count       int
	conns       []*conn
	tally       *tally
}

type conn struct {
	*tls.Conn
	in   *bufio.Reader
	head []byte
	due  chan time.Time
}

func (c *caller) connect(s *server, dialing chan struct{}) {
	head := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"+
		"User-Agent: stress\r\nAccept: application/json\r\n\r\n",
		s.where.RequestURI(), s.where.Host, c.token)
	var all sync.WaitGroup
	var lock sync.Mutex
	for range c.count {
		all.Add(1)
		dialing <- struct{}{}
		go func() {
			defer func() { <-dialing; all.Done() }()
			one, err := dial(s)
			if err != nil {
				c.tally.fail(err)
				return
			}
			one.head = head
			lock.Lock()
			c.conns = append(c.conns, one)
			lock.Unlock()
		}()
	}
	all.Wait()
}

func dial(s *server) (*conn, error) {
	raw, err := net.DialTimeout("tcp", s.where.Host, patience)
	if err != nil {
		return nil, err
	}
	raw.SetDeadline(time.Now().Add(patience))
	secured := tls.Client(raw, s.trust)
	if err := secured.Handshake(); err != nil {
		raw.Close()
		return nil, err
	}
	return &conn{Conn: secured, in: bufio.NewReader(secured), due: make(chan time.Time, 1)}, nil
}

func (c *caller) run(settled, until time.Time) {
	c.tally.settled = settled
	idle := make(chan *conn, len(c.conns))
	var all sync.WaitGroup
	for _, one := range c.conns {
		all.Add(1)
		go func() {
			defer all.Done()
			defer one.Close()
			if c.rate == 0 {
				c.loop(one, until)
			} else {
				c.serve(one, idle)
			}
		}()
		idle <- one
	}
	if c.rate > 0 {
		c.pace(idle, until)
	}
	for _, one := range c.conns {
		close(one.due)
	}
	all.Wait()
}

func (c *caller) loop(one *conn, until time.Time) {
	for time.Now().Before(until) && c.ask(one, time.Now()) {
	}
}

func (c *caller) serve(one *conn, idle chan<- *conn) {
	for due := range one.due {
		if !c.ask(one, due) {
			return
		}
		idle <- one
	}
}

func (c *caller) pace(idle <-chan *conn, until time.Time) {
	start, sent := time.Now(), 0
	for now := start; now.Before(until); now = time.Now() {
		for ; float64(sent) < now.Sub(start).Seconds()*c.rate; sent++ {
			select {
			case one := <-idle:
				one.due <- start.Add(time.Duration(float64(sent) / c.rate * float64(time.Second)))
			default:
				c.tally.miss()
			}
		}
		time.Sleep(time.Millisecond)
	}
}

// ask tells whether the connection can go on.
func (c *caller) ask(one *conn, due time.Time) bool {
	one.SetDeadline(time.Now().Add(patience))
	if _, err := one.Write(one.head); err != nil {
		c.tally.fail(err)
		return false
	}
	answer, err := http.ReadResponse(one.in, nil)
	if err == nil {
		_, err = io.Copy(io.Discard, answer.Body)
	}
	if err != nil {
		c.tally.fail(err)
		return false
	}
	c.tally.answered(answer, due)
	return !answer.Close
}
