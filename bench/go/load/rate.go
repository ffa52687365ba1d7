package main

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	prSetTimerSlack = 29
	drain           = 10 * time.Second
)

var began = time.Now()

// A paced connection carries one request at a time; due is when that one should have gone out, in
// nanoseconds from began.
type paced struct {
	*conn
	due atomic.Int64
}

// atRate is an open loop: a request is late from when it was due, not from when there was a
// connection for it. "late_…" is how late the client itself was: its own error, within the others.
func atRate() result {
	s := theTarget()
	head := s.head("GET", "", "")
	idle := make(chan *paced, *workers)
	seen, late := &latencies{}, &latencies{}
	for range *workers {
		c, err := s.dial()
		if err == nil {
			_, err = c.ask(head) // what the first request warms isn't what is measured
		}
		if err != nil {
			failed.add(err)
			return result{}
		}
		one := &paced{conn: c}
		idle <- one
		go one.read(seen, idle)
	}
	start := time.Now()
	pace(int(*rate**seconds), func(due time.Duration) {
		one := <-idle
		one.due.Store(int64(due))
		late.add(time.Since(began) - due)
		if _, err := one.Write(head); err != nil {
			failed.add(err)
		}
	})
	allBack(idle)
	r := result{"seconds": time.Since(start).Seconds()}
	seen.into(r, "")
	late.into(r, "late_")
	return r
}

// read takes the answers as they come. A connection that fails is not used again.
func (p *paced) read(seen *latencies, idle chan<- *paced) {
	for {
		if _, err := p.rest(); err != nil {
			failed.add(err)
			return
		}
		seen.add(time.Since(began) - time.Duration(p.due.Load()))
		idle <- p
	}
}

// pace calls fire when each of total requests is due. It sleeps on a thread of its own in the
// kernel: timers of Go's runtime are late by up to a millisecond where nothing else wakes it, which
// is more than what a proxy adds.
func pace(total int, fire func(due time.Duration)) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	syscall.RawSyscall(syscall.SYS_PRCTL, prSetTimerSlack, 1, 0)
	first := time.Since(began) + 10*time.Millisecond
	for n := range total {
		due := first + time.Duration(float64(n) / *rate * float64(time.Second))
		for wait := due - time.Since(began); wait > 0; wait = due - time.Since(began) {
			left := syscall.NsecToTimespec(int64(wait))
			syscall.Nanosleep(&left, nil)
		}
		fire(due)
	}
}

// allBack waits until every connection is idle again, that is until every answer is there.
func allBack(idle <-chan *paced) {
	deadline := time.After(drain)
	for range *workers {
		select {
		case <-idle:
		case <-deadline:
			failed.add(fmt.Errorf("answers were missing %v after the last request", drain))
			return
		}
	}
}
