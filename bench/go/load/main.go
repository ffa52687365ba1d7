// Command load drives one server and prints what it saw as one line of JSON.
//
//	load rate   -rate 2000 -seconds 5   latency at a fixed rate, from when a request was due
//	load fresh  -count 500              a new TLS connection for each request
//	load bulk   -size 20971520          the throughput of large answers; with -post of large bodies
//	load watch  -count 5000 -seconds 20 how late events reach idle watchers
//	load pipe   -count 100 -size …      sessions of an upgraded connection: echo and round trips
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

var (
	target  = flag.String("url", "", "what to ask")
	ca      = flag.String("ca", "", "the server's CA")
	token   = flag.String("token", "", "bearer")
	rate    = flag.Float64("rate", 200, "requests a second")
	seconds = flag.Float64("seconds", 5, "how long")
	count   = flag.Int("count", 100, "how many")
	workers = flag.Int("workers", 32, "how many at a time")
	size    = flag.Int("size", 20<<20, "bytes")
	post    = flag.Bool("post", false, "send the bytes instead of asking for them")
)

type result map[string]any

func main() {
	if len(os.Args) < 2 {
		log.Fatal("load rate|fresh|bulk|watch|pipe -url …")
	}
	what := os.Args[1]
	flag.CommandLine.Parse(os.Args[2:])
	run := map[string]func() result{
		"rate": atRate, "fresh": fresh, "bulk": bulk, "watch": watch, "pipe": pipe,
	}[what]
	if run == nil {
		log.Fatalf("no such load: %s", what)
	}
	json.NewEncoder(os.Stdout).Encode(run())
}

func roots() *tls.Config {
	pem, err := os.ReadFile(*ca)
	if err != nil {
		log.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: pool}
}

func client(fresh bool) *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig:     roots(),
		TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{},
		MaxIdleConnsPerHost: 100000,
		DisableKeepAlives:   fresh,
		DisableCompression:  true,
	}}
}

func request(method, url string, body io.Reader) *http.Request {
	r, err := http.NewRequest(method, url, body)
	if err != nil {
		log.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+*token)
	return r
}

func do(c *http.Client, r *http.Request) (int64, error) {
	answer, err := c.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	n, err := io.Copy(io.Discard, answer.Body)
	if err == nil && answer.StatusCode >= 300 {
		err = fmt.Errorf("status %d", answer.StatusCode)
	}
	return n, err
}

type latencies struct {
	sync.Mutex
	took []float64
}

func (l *latencies) add(d time.Duration) {
	l.Lock()
	l.took = append(l.took, float64(d.Microseconds()))
	l.Unlock()
}

func (l *latencies) into(r result) result {
	sort.Float64s(l.took)
	r["count"] = len(l.took)
	for name, q := range map[string]float64{"p50_us": 0.5, "p99_us": 0.99, "p999_us": 0.999} {
		if len(l.took) > 0 {
			r[name] = l.took[min(len(l.took)-1, int(q*float64(len(l.took))))]
		}
	}
	return r
}

// Open loop: a request is late from when it was due, not from when somebody got round to it.
func atRate() result {
	c, seen, errors := client(false), &latencies{}, atomic.Int64{}
	due := make(chan time.Time, 1<<16)
	var all sync.WaitGroup
	for range *workers {
		all.Add(1)
		go func() {
			defer all.Done()
			for when := range due {
				if _, err := do(c, request("GET", *target, nil)); err != nil {
					errors.Add(1)
					continue
				}
				seen.add(time.Since(when))
			}
		}()
	}
	start := time.Now()
	total := int(*rate * *seconds)
	for n := range total {
		when := start.Add(time.Duration(float64(n) / *rate * float64(time.Second)))
		if wait := time.Until(when); wait > 0 {
			time.Sleep(wait)
		}
		due <- when
	}
	close(due)
	all.Wait()
	return seen.into(result{"errors": errors.Load(), "seconds": time.Since(start).Seconds()})
}

func fresh() result {
	c, seen, errors := client(true), &latencies{}, atomic.Int64{}
	start := time.Now()
	inParallel(func() {
		began := time.Now()
		if _, err := do(c, request("GET", *target, nil)); err != nil {
			errors.Add(1)
			return
		}
		seen.add(time.Since(began))
	})
	return seen.into(result{"errors": errors.Load(), "seconds": time.Since(start).Seconds()})
}

func bulk() result {
	c, moved, errors := client(false), atomic.Int64{}, atomic.Int64{}
	start := time.Now()
	inParallel(func() {
		var n int64
		var err error
		if *post {
			n = int64(*size)
			r := request("POST", *target, io.LimitReader(zeros{}, n))
			r.ContentLength = n
			_, err = do(c, r)
		} else {
			separator := "?"
			if strings.Contains(*target, "?") {
				separator = "&"
			}
			n, err = do(c, request("GET", *target+separator+"size="+strconv.Itoa(*size), nil))
		}
		if err != nil {
			errors.Add(1)
			return
		}
		moved.Add(n)
	})
	took := time.Since(start).Seconds()
	return result{
		"errors": errors.Load(), "seconds": took, "bytes": moved.Load(),
		"mb_per_s": float64(moved.Load()) / 1e6 / took,
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func watch() result {
	c, seen, open, errors := client(false), &latencies{}, atomic.Int64{}, atomic.Int64{}
	slots := make(chan struct{}, *workers)
	stop := time.After(time.Duration(*seconds * float64(time.Second)))
	done := make(chan struct{})
	for range *count {
		slots <- struct{}{}
		go func() {
			answer, err := c.Do(request("GET", *target, nil))
			<-slots
			if err != nil || answer.StatusCode != 200 {
				errors.Add(1)
				return
			}
			if open.Add(1) == int64(*count) {
				fmt.Fprintln(os.Stderr, "open") // whoever measures memory looks now
				close(done)
			}
			lines := bufio.NewScanner(answer.Body)
			for lines.Scan() {
				var event struct{ Sent int64 }
				if json.Unmarshal(lines.Bytes(), &event) == nil && open.Load() == int64(*count) {
					seen.add(time.Since(time.Unix(0, event.Sent)))
				}
			}
		}()
	}
	select {
	case <-done:
	case <-time.After(2 * time.Minute):
	}
	<-stop
	return seen.into(result{"open": open.Load(), "errors": errors.Load()})
}

// Each session: an upgrade, -size bytes echoed, a hundred round trips of a byte.
func pipe() result {
	trips, errors, moved := &latencies{}, atomic.Int64{}, atomic.Int64{}
	start := time.Now()
	inParallel(func() {
		if err := session(trips); err != nil {
			errors.Add(1)
			return
		}
		moved.Add(int64(*size))
	})
	took := time.Since(start).Seconds()
	return trips.into(result{
		"errors": errors.Load(), "seconds": took, "sessions": *count,
		"bytes": moved.Load(), "mb_per_s": float64(moved.Load()) / 1e6 / took,
	})
}

func session(trips *latencies) error {
	where, err := url.Parse(*target)
	if err != nil {
		return err
	}
	raw, err := net.Dial("tcp", where.Host)
	if err != nil {
		return err
	}
	config := roots()
	config.ServerName = where.Hostname()
	conn := tls.Client(raw, config)
	defer conn.Close()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"+
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", where.RequestURI(), where.Host, *token)
	in := bufio.NewReaderSize(conn, 64<<10)
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("status %d", answer.StatusCode)
	}
	one := make([]byte, 1)
	for range 100 {
		began := time.Now()
		if _, err := conn.Write(one); err != nil {
			return err
		}
		if _, err := io.ReadFull(in, one); err != nil {
			return err
		}
		trips.add(time.Since(began))
	}
	if *size == 0 {
		return nil
	}
	sent := make(chan error, 1)
	go func() {
		_, err := io.CopyBuffer(conn, io.LimitReader(zeros{}, int64(*size)), make([]byte, 32<<10))
		sent <- err
	}()
	if _, err := io.CopyN(io.Discard, in, int64(*size)); err != nil {
		return err
	}
	return <-sent
}

func inParallel(work func()) {
	var all sync.WaitGroup
	left := atomic.Int64{}
	left.Store(int64(*count))
	for range min(*workers, *count) {
		all.Add(1)
		go func() {
			defer all.Done()
			for left.Add(-1) >= 0 {
				work()
			}
		}()
	}
	all.Wait()
}
