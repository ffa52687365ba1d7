package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// fresh is what calls of kubectl are: a connection, a full handshake, a request, the end.
func fresh() result {
	s, seen := theTarget(), &latencies{}
	head := s.head("GET", "", "")
	start := time.Now()
	inParallel(func(int) error {
		began := time.Now()
		c, err := s.dial()
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := c.ask(head); err != nil {
			return err
		}
		seen.add(time.Since(began))
		return nil
	})
	r := result{"seconds": time.Since(start).Seconds()}
	seen.into(r, "")
	return r
}

// closed is a closed loop: each of the workers has a connection, and asks again when it was answered.
func closed() result {
	s, seen := theTarget(), &latencies{}
	head := s.head("GET", "", "")
	conns := make([]*conn, *workers)
	start := time.Now()
	inParallel(func(worker int) (err error) {
		if conns[worker] == nil {
			if conns[worker], err = s.dial(); err != nil {
				return err
			}
		}
		began := time.Now()
		if _, err = conns[worker].ask(head); err != nil {
			conns[worker] = nil
			return err
		}
		seen.add(time.Since(began))
		return nil
	})
	r := result{"seconds": time.Since(start).Seconds()}
	seen.into(r, "")
	return r
}

// full is a closed loop, too, that begins when it is told to, and lasts for -seconds: what opening
// the connections costs isn't in it.
func full() result {
	s := theTarget()
	head := s.head("GET", "", "")
	conns := make([]*conn, *workers)
	for n := range conns {
		c, err := s.dial()
		if err == nil {
			_, err = c.ask(head)
		}
		if err != nil {
			failed.add(err)
			return result{}
		}
		conns[n] = c
	}
	opened()
	var all sync.WaitGroup
	var done atomic.Int64
	start := time.Now()
	end := start.Add(time.Duration(*seconds * float64(time.Second)))
	for _, c := range conns {
		all.Add(1)
		go func() {
			defer all.Done()
			for time.Now().Before(end) {
				if _, err := c.ask(head); err != nil {
					failed.add(err)
					return
				}
				done.Add(1)
			}
		}()
	}
	all.Wait()
	took := time.Since(start).Seconds()
	return result{"seconds": took, "count": done.Load(), "per_s": float64(done.Load()) / took}
}

// login signs in with a password, each time on a connection of its own.
func login() result {
	s, seen := theTarget(), &latencies{}
	body := fmt.Appendf(nil, `{"username":%q,"password":%q}`, *user, *password)
	inParallel(func(int) error {
		began := time.Now()
		c, err := s.dial()
		if err != nil {
			return err
		}
		defer c.Close()
		head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"+
			"Content-Length: %d\r\n\r\n", s.where.RequestURI(), s.where.Host, len(body))
		if _, err := c.ask(append([]byte(head), body...)); err != nil {
			return err
		}
		seen.add(time.Since(began))
		return nil
	})
	r := result{}
	seen.into(r, "")
	return r
}
