package main

import (
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// A tally is what became of a caller's requests. Latencies are from when a request was due.
type tally struct {
	sync.Mutex
	codes    map[string]int
	took     map[string][]int64 // microseconds; by what became of it
	settled  time.Time          // what was due before is told of apart
	missed   int              // no connection was idle when it was due
	failed   int              // no answer
	bare     int              // refused without Retry-After
	firstErr string
}

func newTally() *tally {
	return &tally{codes: map[string]int{}, took: map[string][]int64{}}
}

func (t *tally) answered(answer *http.Response, due time.Time) {
	took := time.Since(due).Microseconds()
	t.Lock()
	defer t.Unlock()
	t.codes[strconv.Itoa(answer.StatusCode)]++
	kind := "refused"
	if answer.StatusCode == http.StatusOK {
		kind = "served"
	}
	if due.Before(t.settled) {
		kind = "onset_" + kind
	}
	t.took[kind] = append(t.took[kind], took)
	if answer.StatusCode != http.StatusOK && answer.Header.Get("Retry-After") == "" {
		t.bare++
	}
}

func (t *tally) miss() {
	t.Lock()
	t.missed++
	t.Unlock()
}

func (t *tally) fail(err error) {
	t.Lock()
	t.failed++
	if t.firstErr == "" {
		t.firstErr = err.Error()
	}
	t.Unlock()
}

func (t *tally) add(other *tally) {
	for code, count := range other.codes {
		t.codes[code] += count
	}
	for kind, took := range other.took {
		t.took[kind] = append(t.took[kind], took...)
	}
	t.missed += other.missed
	t.failed += other.failed
	t.bare += other.bare
	if t.firstErr == "" {
		t.firstErr = other.firstErr
	}
}

func (t *tally) told() map[string]any {
	all := map[string]any{
		"codes": t.codes, "missed": t.missed, "failed": t.failed, "error": t.firstErr,
		"without_retry_after": t.bare,
	}
	for name, took := range t.took {
		slices.Sort(took)
		for quantile, share := range map[string]float64{"p50_us": 0.5, "p99_us": 0.99, "max_us": 1} {
			all[name+"_"+quantile] = took[min(len(took)-1, int(share*float64(len(took))))]
		}
	}
	return all
}
