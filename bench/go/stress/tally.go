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
	took     map[bool][]int64 // microseconds; by whether it was served
	missed   int              // no connection was idle when it was due
	failed   int              // no answer
	bare     int              // refused without Retry-After
	firstErr string
}

func newTally() *tally {
	return &tally{codes: map[string]int{}, took: map[bool][]int64{}}
}

func (t *tally) answered(answer *http.Response, took time.Duration) {
	t.Lock()
	defer t.Unlock()
	t.codes[strconv.Itoa(answer.StatusCode)]++
	served := answer.StatusCode == http.StatusOK
	t.took[served] = append(t.took[served], took.Microseconds())
	if !served && answer.Header.Get("Retry-After") == "" {
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
	for served, took := range other.took {
		t.took[served] = append(t.took[served], took...)
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
	for served, name := range map[bool]string{true: "served", false: "refused"} {
		took := t.took[served]
		slices.Sort(took)
		for quantile, share := range map[string]float64{"p50_us": 0.5, "p99_us": 0.99, "max_us": 1} {
			if len(took) > 0 {
				all[name+"_"+quantile] = took[min(len(took)-1, int(share*float64(len(took))))]
			}
		}
	}
	return all
}
