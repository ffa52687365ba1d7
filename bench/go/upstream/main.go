// Command upstream stands in for an API server: as fast as Go can be, and nothing else.
//
//	GET  …?size=N          N bytes of JSON-like text (4096 by default)
//	GET  …?watch=1         a stream that gets a line with the present time every -every
//	POST …                 reads the body and says how long it was
//	Upgrade: anything      101, then every byte comes back
//
// HTTP/1.1 over TLS only, for that is what the gate speaks to API servers.
package main

import (
	"bytes"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"strconv"
	"sync"
	"time"
)

var (
	listen = flag.String("listen", "127.0.0.1:0", "address")
	cert   = flag.String("cert", "", "certificate")
	key    = flag.String("key", "", "key")
	every  = flag.Duration("every", 5*time.Second, "how often watchers get a line")
)

// A hub wakes every watcher at the same moment, so that what is measured is the fan-out.
type hub struct {
	sync.Mutex
	next chan struct{}
	line []byte
}

func (h *hub) wait() <-chan struct{} {
	h.Lock()
	defer h.Unlock()
	return h.next
}

func (h *hub) run() {
	for range time.Tick(*every) {
		h.Lock()
		h.line = []byte(fmt.Sprintf(`{"type":"MODIFIED","sent":%d}`+"\n", time.Now().UnixNano()))
		close(h.next)
		h.next = make(chan struct{})
		h.Unlock()
	}
}

func (h *hub) latest() []byte {
	h.Lock()
	defer h.Unlock()
	return h.line
}

var (
	events = &hub{next: make(chan struct{})}
	filler = bytes.Repeat([]byte(`{"kind":"Pod"} `), 1<<16)
)

func main() {
	flag.Parse()
	go events.run()
	server := &http.Server{
		Addr:         *listen,
		Handler:      http.HandlerFunc(serve),
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	log.Fatal(server.ListenAndServeTLS(*cert, *key))
}

func serve(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	switch {
	case r.Header.Get("Upgrade") != "":
		echo(w, r)
	case query.Get("watch") != "":
		watch(w, r)
	case r.Method == http.MethodPost:
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, `{"read":%d}`, n)
	default:
		size, err := strconv.Atoi(query.Get("size"))
		if err != nil {
			size = 4096
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(size))
		for size > 0 {
			piece := min(size, len(filler))
			if _, err := w.Write(filler[:piece]); err != nil {
				return
			}
			size -= piece
		}
	}
}

func watch(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	flusher := w.(http.Flusher)
	flusher.Flush()
	for {
		select {
		case <-events.wait():
			if _, err := w.Write(events.latest()); err != nil {
				return
			}
			flusher.Flush()
		case <-r.Context().Done():
			return
		}
	}
}

func echo(w http.ResponseWriter, r *http.Request) {
	conn, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n",
		r.Header.Get("Upgrade"))
	io.CopyBuffer(conn, buffered, make([]byte, 64<<10))
}
