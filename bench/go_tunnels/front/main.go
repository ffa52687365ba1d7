// Command front is a reverse proxy whose connections to the upstream go through a tunnel.
//
//	front direct        -upstream URL …          no tunnel
//	front remotedialer  -upstream URL …          Rancher's remotedialer; agents connect to /connect
//	front konnectivity  -upstream URL -uds PATH  HTTP CONNECT at Konnectivity's proxy-server
//	front agent         -server wss://… -only HOST:PORT   the agent of remotedialer
//
// TLS with the upstream is inside the tunnel, as Sekisho's is, and the front is the same in all
// cases: what a tunnel costs is the difference to direct.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/gorilla/websocket"
	"github.com/rancher/remotedialer"

	"sekisho.example/bench/reverse"
)

var (
	uds    = flag.String("uds", "", "the proxy-server's socket")
	server = flag.String("server", "", "where the agent connects to")
	only   = flag.String("only", "", "the one address that the agent dials")
)

const edge = "edge"

func main() {
	if len(os.Args) < 2 {
		log.Fatal("front direct|remotedialer|konnectivity|agent …")
	}
	if err := flag.CommandLine.Parse(os.Args[2:]); err != nil {
		log.Fatal(err)
	}
	switch os.Args[1] {
	case "direct":
		serve(nil, nil)
	case "remotedialer":
		tunnels := remotedialer.New(
			func(*http.Request) (string, bool, error) { return edge, true, nil },
			remotedialer.DefaultErrorWriter,
		)
		through := tunnels.Dialer(edge)
		serve(tunnels, func(ctx context.Context, network, address string) (net.Conn, error) {
			return through(ctx, network, address)
		})
	case "konnectivity":
		serve(nil, connect)
	case "agent":
		agent()
	}
}

func agent() {
	dialer := &websocket.Dialer{TLSClientConfig: &tls.Config{RootCAs: reverse.Roots()}}
	for {
		err := remotedialer.ConnectToProxy(context.Background(), *server, nil,
			func(_, address string) bool { return address == *only }, dialer, nil)
		log.Print(err)
		time.Sleep(100 * time.Millisecond)
	}
}

// connect asks the proxy-server for a connection, as an API server does.
func connect(ctx context.Context, _, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", *uds)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", address, address)
	reader := bufio.NewReader(conn)
	answer, err := http.ReadResponse(reader, nil)
	if err == nil && (answer.StatusCode != http.StatusOK || reader.Buffered() > 0) {
		err = fmt.Errorf("CONNECT: %s", answer.Status)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// serve is the reverse proxy, and accepts the agents of remotedialer.
func serve(tunnels http.Handler, dial reverse.Dial) {
	proxy := reverse.Proxy(dial, nil)
	reverse.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if tunnels != nil && r.URL.Path == "/connect" {
			tunnels.ServeHTTP(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
}
