package main

import (
	"sort"
	"sync"
	"time"
)

// latencies collects how long things took.
type latencies struct {
	sync.Mutex
	took []time.Duration
}

func (l *latencies) add(d time.Duration) {
	l.Lock()
	l.took = append(l.took, d)
	l.Unlock()
}

// into adds the quantiles to r, in microseconds, their names begun by prefix.
func (l *latencies) into(r result, prefix string) {
	l.Lock()
	defer l.Unlock()
	sort.Slice(l.took, func(i, j int) bool { return l.took[i] < l.took[j] })
	r[prefix+"count"] = len(l.took)
	for name, q := range map[string]float64{"p50_us": 0.5, "p99_us": 0.99, "p999_us": 0.999} {
		if len(l.took) > 0 {
			at := l.took[min(len(l.took)-1, int(q*float64(len(l.took))))]
			r[prefix+name] = float64(at.Nanoseconds()) / 1e3
		}
	}
}

// failures counts what went wrong, and keeps the words of the first.
type failures struct {
	sync.Mutex
	count int
	first string
}

var failed failures

func (f *failures) add(err error) {
	f.Lock()
	defer f.Unlock()
	if f.count == 0 {
		f.first = err.Error()
	}
	f.count++
}

func (f *failures) seen() (int, string) {
	f.Lock()
	defer f.Unlock()
	return f.count, f.first
}
