package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"sort"
	"strconv"
	"sync"
	"time"
)

const eventSeconds = 30

// watch opens -count watches and says so; when its input has a line or ends, it has the upstream
// send -events events, one after the other, and says how late they reached the watchers: "last_us"
// is when the last one had an event, the median over the events.
func watch() result {
	s := theTarget()
	head := s.head("GET", "", "")
	arrivals := make(chan time.Duration, *count)
	inParallel(func(int) error {
		c, err := s.dial()
		if err != nil {
			return err
		}
		if _, err := c.Write(head); err != nil {
			return err
		}
		got, err := c.answer(http.StatusOK)
		if err != nil {
			return err
		}
		go follow(got.Body, arrivals)
		return nil
	})
	if n, _ := failed.seen(); n > 0 {
		fmt.Fprintln(os.Stderr, "failed")
		return result{}
	}
	opened()
	seen, lasts := &latencies{}, &latencies{}
	for range *events {
		if last, err := oneEvent(arrivals, seen); err != nil {
			failed.add(err)
			break
		} else {
			lasts.add(last)
		}
	}
	r := result{"open": *count}
	seen.into(r, "")
	if len(lasts.took) > 0 {
		sort.Slice(lasts.took, func(i, j int) bool { return lasts.took[i] < lasts.took[j] })
		r["last_us"] = float64(lasts.took[len(lasts.took)/2].Microseconds())
	}
	return r
}

// opened tells whoever measures that now is the time, and waits until that is done.
func opened() {
	fmt.Fprintln(os.Stderr, "open")
	bufio.NewReader(os.Stdin).ReadString('\n')
}

func oneEvent(arrivals <-chan time.Duration, seen *latencies) (last time.Duration, err error) {
	upstream := serverAt(*notify, *notifyCA)
	c, err := upstream.dial()
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if _, err := c.ask(upstream.head("POST", "", "Content-Length: 0\r\n")); err != nil {
		return 0, err
	}
	deadline := time.After(eventSeconds * time.Second)
	for n := range *count {
		select {
		case took := <-arrivals:
			seen.add(took)
			last = max(last, took)
		case <-deadline:
			return 0, fmt.Errorf("an event reached %d of %d watchers in %d s", n, *count, eventSeconds)
		}
	}
	return last, nil
}

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 512) }}

// follow reads events, whose "sent" is when the upstream sent them (nanoseconds of the clock).
func follow(body io.Reader, arrivals chan<- time.Duration) {
	lines := readers.Get().(*bufio.Reader)
	lines.Reset(body)
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return
		}
		now := time.Now().UnixNano()
		_, after, found := bytes.Cut(line, []byte(`"sent":`))
		sent, err := strconv.ParseInt(string(bytes.TrimRight(after, "}\n")), 10, 64)
		if !found || err != nil {
			failed.add(fmt.Errorf("no event: %q", line))
			return
		}
		arrivals <- time.Duration(now - sent)
	}
}
