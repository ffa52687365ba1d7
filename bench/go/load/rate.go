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

var (
	began      = time.Now()
	errMissing = fmt.Errorf("no answer came for %v", drain)
)

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
	pace(int(*rate**seconds), func(due time.Duration) bool {
		one := take(idle)
		if one == nil {
			failed.add(errMissing)
			return false
		}
		one.due.Store(int64(due))
		late.add(time.Since(began) - due)
		if _, err := one.Write(head); err != nil {
			failed.add(err)
		}
		return true
	})
	for range *workers { // once all are back, all answers are there
		if take(idle) == nil {
			failed.add(errMissing)
			break
		}
	}
	r := result{"seconds": time.Since(start).Seconds()}
	seen.into(r, "")
	late.into(r, "late_")
	return r
}

// read reads the responses as they come. A connection that fails is not used again.
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

// pace calls fire when each of total requests is due, as long as it says so. It sleeps on a thread of its own in the
// kernel: timers of Go's runtime are late by up to a millisecond where nothing else wakes it, which
// is more than what a proxy adds.
func pace(total int, fire func(due time.Duration) bool) {
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
		if !fire(due) {
			return
		}
	}
}

// take returns the next idle connection, or nil if none is idle for long.
func take(idle <-chan *paced) *paced {
	select {
	case one := <-idle:
		return one
	default:
	}
	select {
	case one := <-idle:
		return one
	case <-time.After(drain):
		return nil
	}
}
