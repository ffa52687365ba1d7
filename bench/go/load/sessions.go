package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// upgrade opens a session as kubectl's exec does since 1.31. Frames are opaque to all proxies here,
// so the sessions transfer plain bytes.
func (s *server) upgrade(query string) (*conn, error) {
	c, err := s.dial()
	if err != nil {
		return nil, err
	}
	head := s.head("GET", query, "Connection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"+
		"Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n")
	if _, err = c.Write(head); err == nil {
		_, err = c.answer(http.StatusSwitchingProtocols)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// execSessions are short: -messages of -size bytes each way, in turn; then the other side ends them,
// as a kubelet does when the command has ended.
func execSessions() result {
	s, seen := theTarget(), &latencies{}
	query := fmt.Sprintf("close_after=%d", *messages**size)
	start := time.Now()
	inParallel(func(int) error {
		began := time.Now()
		c, err := s.upgrade(query)
		if err != nil {
			return err
		}
		defer c.Close()
		message := make([]byte, *size)
		for range *messages {
			if err := c.trip(message); err != nil {
				return err
			}
		}
		if n, err := io.Copy(io.Discard, c.in); n != 0 || err != nil {
			return fmt.Errorf("the session ended with %d bytes and %v", n, err)
		}
		seen.add(time.Since(began))
		return nil
	})
	r := result{"seconds": time.Since(start).Seconds()}
	seen.into(r, "")
	return r
}

func (c *conn) trip(message []byte) error {
	if _, err := c.Write(message); err != nil {
		return err
	}
	_, err := io.ReadFull(c.in, message)
	return err
}

// trips sends one byte at a time and waits for its return.
func trips() result {
	r, seen := result{}, &latencies{}
	err := inSession(func(c *conn) error {
		one := make([]byte, 1)
		for range *count {
			began := time.Now()
			if err := c.trip(one); err != nil {
				return err
			}
			seen.add(time.Since(began))
		}
		return nil
	})
	if err != nil {
		failed.add(err)
	}
	seen.into(r, "")
	return r
}

// stream sends -size bytes and reads them back at the same time; "bytes" counts both ways.
func stream() result {
	var took time.Duration
	err := inSession(func(c *conn) error {
		start := time.Now()
		err := bothWays(
			func() error { return c.sendZeros(int64(*size)) },
			func() error { _, err := io.CopyN(io.Discard, c.in, int64(*size)); return err },
		)
		took = time.Since(start)
		return err
	})
	if err != nil {
		failed.add(err)
		return result{}
	}
	return throughput(2*int64(*size), took)
}

// chat sends -count messages of -size bytes with up to -workers of them under way, as forwarded
// connections do that share a session; each message is a write, and so a TLS record.
func chat() result {
	var took time.Duration
	err := inSession(func(c *conn) error {
		window := make(chan struct{}, *workers)
		sent, got := make([]byte, *size), make([]byte, *size)
		start := time.Now()
		err := bothWays(
			func() error {
				for range *count {
					window <- struct{}{}
					if _, err := c.Write(sent); err != nil {
						return err
					}
				}
				return nil
			},
			func() error {
				for range *count {
					if _, err := io.ReadFull(c.in, got); err != nil {
						return err
					}
					<-window
				}
				return nil
			},
		)
		took = time.Since(start)
		return err
	})
	if err != nil {
		failed.add(err)
		return result{}
	}
	r := throughput(2*int64(*count)*int64(*size), took)
	r["messages"] = 2 * *count
	r["messages_per_s"] = 2 * float64(*count) / took.Seconds()
	return r
}

func inSession(use func(c *conn) error) error {
	c, err := theTarget().upgrade("")
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.trip(make([]byte, 64)); err != nil { // both ways are open
		return err
	}
	return use(c)
}

// bothWays sends and receives at the same time.
func bothWays(send, receive func() error) error {
	sent := make(chan error, 1)
	go func() { sent <- send() }()
	received := receive()
	if received != nil {
		return received // the sender may wait for ever
	}
	return errors.Join(<-sent, received)
}
