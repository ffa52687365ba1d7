// Command failover is clients of several replicas behind a load balancer, and prints what each of
// them saw, as a line of JSON for each event, until its standard input ends.
//
//	failover -url U -ca F -object PATH -watch PATH -user NAME -password WORD <tokens
//
// Standard input has one token in each line, up to an empty line. The clients are Go's net/http, as
// those of kubectl and of controllers: it repeats a GET by itself if a kept connection turns out to
// be closed. Requests are due at a steady rate; one of ten is sent on a new connection, as by a
// kubectl. A request that failed is repeated once.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"io"
	"log"
	"math/rand"
	"net/http"
	"os"
	"sync"
	"time"
)

var (
	target   = flag.String("url", "", "the load balancer")
	ca       = flag.String("ca", "", "its CA")
	object   = flag.String("object", "", "the path of an object to get")
	watch    = flag.String("watch", "", "the path of a watch, with an event each second")
	rate     = flag.Float64("rate", 200, "GETs in a second")
	watches  = flag.Int("watches", 500, "watches")
	logins   = flag.Float64("logins", 1, "sign-ins in a second")
	user     = flag.String("user", "", "the user who signs in")
	password = flag.String("password", "", "and the password")
)

const (
	patience   = 15 * time.Second
	retryAfter = time.Second
	silence    = 3 * time.Second
	programs   = 5
	lifetime   = 20 * time.Second
)

// An event has times in seconds since 1970. Result is a status or an error.
type event struct {
	Kind   string  `json:"kind"`
	From   float64 `json:"from"`
	To     float64 `json:"to"`
	Result string  `json:"result,omitempty"`
	Retry  string  `json:"retry,omitempty"`
}

var (
	writing sync.Mutex
	out     = json.NewEncoder(os.Stdout)
)

func tell(kind string, from time.Time, result, retry string) {
	seconds := func(at time.Time) float64 { return float64(at.UnixMicro()) / 1e6 }
	writing.Lock()
	defer writing.Unlock()
	if err := out.Encode(event{kind, seconds(from), seconds(time.Now()), result, retry}); err != nil {
		log.Fatal(err)
	}
}

func main() {
	flag.Parse()
	in := bufio.NewScanner(os.Stdin)
	var clients []*client
	for in.Scan() && in.Text() != "" {
		for range programs {
			one := newClient(in.Text())
			go one.restart()
			clients = append(clients, one)
		}
	}
	if len(clients) == 0 {
		log.Fatal("no token on standard input")
	}
	for n := range *watches {
		go clients[n%len(clients)].watch(time.Duration(n) * 10 * time.Millisecond)
	}
	go steadily(*rate, func(n int, due time.Time) {
		one := clients[n%len(clients)]
		if n%10 == 0 {
			one = &client{one.token, fresh()}
		}
		one.get(due)
	})
	go steadily(*logins, func(_ int, due time.Time) { signIn(due) })
	for in.Scan() {
	}
}

// steadily calls do when it is due, each time in a goroutine.
func steadily(rate float64, do func(int, time.Time)) {
	if rate == 0 {
		return
	}
	began := time.Now()
	for n := 0; ; n++ {
		due := began.Add(time.Duration(float64(n) / rate * float64(time.Second)))
		time.Sleep(time.Until(due))
		go do(n, due)
	}
}

// A client is a user's program, with kept connections.
type client struct {
	token string
	http  *http.Client
}

func newClient(token string) *client { return &client{token, kept()} }

// restart closes idle connections now and then, as a program that ends: so connections are spread
// over all replicas, also over one that has just returned.
func (c *client) restart() {
	for {
		time.Sleep(lifetime/2 + time.Duration(rand.Int63n(int64(lifetime))))
		c.http.CloseIdleConnections()
	}
}

func kept() *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: trust(), MaxIdleConnsPerHost: 20, TLSHandshakeTimeout: 10 * time.Second,
	}}
}

// fresh returns a client whose connection is used once.
func fresh() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: trust(), DisableKeepAlives: true}}
}

var trust = sync.OnceValue(func() *tls.Config {
	pem, err := os.ReadFile(*ca)
	if err != nil {
		log.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		log.Fatalf("no certificate in %s", *ca)
	}
	return &tls.Config{RootCAs: pool}
})

// get sends a GET, and repeats it once if it fails.
func (c *client) get(due time.Time) {
	first, retry := c.try(*object), ""
	if first != "200" {
		time.Sleep(retryAfter)
		retry = c.try(*object)
	}
	tell("get", due, first, retry)
}

func (c *client) try(path string) string {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	answer, err := c.send(ctx, path)
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err.Error()
	}
	return status(answer)
}

func (c *client) send(ctx context.Context, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, "GET", *target+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	return c.http.Do(request)
}
