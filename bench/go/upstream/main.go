// Command upstream is a fast substitute for an API server.
//
//	GET  …?size=N          N bytes of JSON-like text (4096 by default)
//	GET  …?watch=1         a stream that gets a line with the present time at each event
//	POST …?notify=1        an event for all watchers
//	POST …                 reads the body and says how long it was
//	Upgrade: websocket     101, then every byte comes back; with ?close_after=N the first N do
//
// It serves HTTP/1.1 over TLS only, which the proxy uses for API servers.
package main

import (
	"bytes"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"log"
	"math"
	"net/http"
	"strconv"
	"time"
)

var (
	listen = flag.String("listen", "127.0.0.1:0", "address")
	cert   = flag.String("cert", "", "certificate")
	key    = flag.String("key", "", "key")
	every  = flag.Duration("every", 0, "how often watchers get an event unasked; 0: never")
)

var (
	events = newHub()
	filler = bytes.Repeat([]byte(`{"kind":"Pod"} `), 1<<16)
)

func main() {
	flag.Parse()
	if *every > 0 {
		go func() {
			for range time.Tick(*every) {
				events.send()
			}
		}()
	}
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
		echo(w, r, number(query.Get("close_after"), math.MaxInt64))
	case query.Get("watch") != "":
		events.watch(w, r)
	case query.Get("notify") != "":
		events.send()
		fmt.Fprint(w, `{}`)
	case r.Method == http.MethodPost:
		n, _ := io.CopyBuffer(writeOnly{}, r.Body, make([]byte, 64<<10))
		fmt.Fprintf(w, `{"read":%d}`, n)
	default:
		fill(w, number(query.Get("size"), 4096))
	}
}

// fill responds with so many bytes.
func fill(w http.ResponseWriter, size int64) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	for size > 0 {
		piece := min(size, int64(len(filler)))
		if _, err := w.Write(filler[:piece]); err != nil {
			return
		}
		size -= piece
	}
}

// writeOnly discards data; unlike io.Discard, it keeps the size of the reader's buffer.
type writeOnly struct{}

func (writeOnly) Write(p []byte) (int, error) { return len(p), nil }

// echo switches protocols as RFC 6455 requires, because some proxies check, and sends back its
// input: limit bytes, and then it ends the session.
func echo(w http.ResponseWriter, r *http.Request, limit int64) {
	conn, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n"+
		"Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: %s\r\n\r\n", r.Header.Get("Upgrade"),
		base64.StdEncoding.EncodeToString(sum[:]), r.Header.Get("Sec-WebSocket-Protocol"))
	ahead := io.LimitReader(buffered, int64(buffered.Reader.Buffered()))
	io.CopyBuffer(conn, io.LimitReader(io.MultiReader(ahead, conn), limit), make([]byte, 64<<10))
}

func number(text string, otherwise int64) int64 {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	return otherwise
}
