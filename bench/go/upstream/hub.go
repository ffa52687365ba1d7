package main

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// A hub wakes all watchers at the same time, to measure the fan-out.
type hub struct {
	sync.Mutex
	next chan struct{}
	line []byte
}

func newHub() *hub { return &hub{next: make(chan struct{})} }

// send gives every watcher a line with the time of sending, in nanoseconds.
func (h *hub) send() {
	h.Lock()
	defer h.Unlock()
	h.line = fmt.Appendf(nil, `{"type":"MODIFIED","sent":%d}`+"\n", time.Now().UnixNano())
	close(h.next)
	h.next = make(chan struct{})
}

// latest returns the last line, and the channel that is closed when there is another.
func (h *hub) latest() ([]byte, <-chan struct{}) {
	h.Lock()
	defer h.Unlock()
	return h.line, h.next
}

func (h *hub) watch(w http.ResponseWriter, r *http.Request) {
	_, next := h.latest()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	flusher := w.(http.Flusher)
	flusher.Flush()
	for {
		select {
		case <-next:
			var line []byte
			if line, next = h.latest(); line != nil {
				if _, err := w.Write(line); err != nil {
					return
				}
				flusher.Flush()
			}
		case <-r.Context().Done():
			return
		}
	}
}
