package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// bulk transfers large bodies in one direction: responses, or with -post requests.
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

// upload sends a body; the upstream returns how many bytes came.
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

// stall requests large responses and reads only their heads, until its input ends.
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
