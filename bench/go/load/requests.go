package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
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

// bulk moves large bodies, in one direction: answers, or with -post requests.
func bulk() result {
	s := theTarget()
	list := s.head("GET", "size="+strconv.Itoa(*size), "")
	send := s.head("POST", "", "Content-Type: application/json\r\nContent-Length: "+strconv.Itoa(*size)+"\r\n")
	conns := make([]*conn, *workers)
	for n := range conns {
		c, err := s.dial()
		if err != nil {
			failed.add(err)
			return result{}
		}
		conns[n] = c
	}
	var moved atomic.Int64
	start := time.Now()
	inParallel(func(worker int) error {
		c, n := conns[worker], int64(*size)
		var err error
		if *post {
			err = c.upload(send, n)
		} else {
			err = c.download(list, n)
		}
		if err == nil {
			moved.Add(n)
		}
		return err
	})
	return throughput(moved.Load(), time.Since(start))
}

func (c *conn) download(head []byte, wanted int64) error {
	got, err := c.ask(head)
	if err == nil && got != wanted {
		err = fmt.Errorf("%d bytes came of %d", got, wanted)
	}
	return err
}

// upload sends a body; the upstream says how much of it came.
func (c *conn) upload(head []byte, n int64) error {
	if _, err := c.Write(head); err != nil {
		return err
	}
	if err := c.sendZeros(n); err != nil {
		return err
	}
	got, err := c.answer(http.StatusOK)
	if err != nil {
		return err
	}
	said, err := io.ReadAll(got.Body)
	if err == nil && !bytes.Equal(said, fmt.Appendf(nil, `{"read":%d}`, n)) {
		err = fmt.Errorf("of a body of %d bytes the upstream says %s", n, said)
	}
	return err
}

// sendZeros sends n bytes, in writes as large as Go's io.Copy makes them.
func (c *conn) sendZeros(n int64) error {
	piece := make([]byte, 32<<10)
	for n > 0 {
		wrote, err := c.Write(piece[:min(n, int64(len(piece)))])
		if err != nil {
			return err
		}
		n -= int64(wrote)
	}
	return nil
}

// stall asks for large answers and reads no more than their heads, until its input ends.
func stall() result {
	s := theTarget()
	head := s.head("GET", "size="+strconv.Itoa(*size), "")
	held := make(chan *conn, *count)
	inParallel(func(int) error {
		c, err := s.dial()
		if err != nil {
			return err
		}
		if _, err = c.Write(head); err == nil {
			_, err = c.answer(http.StatusOK)
		}
		held <- c
		return err
	})
	opened()
	for range len(held) {
		(<-held).Close()
	}
	return result{}
}

func throughput(moved int64, took time.Duration) result {
	return result{
		"seconds": took.Seconds(), "bytes": moved,
		"mb_per_s": float64(moved) / 1e6 / took.Seconds(),
	}
}
