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
	"crypto/x509"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/rancher/remotedialer"
)

var (
	listen   = flag.String("listen", "127.0.0.1:0", "address")
	cert     = flag.String("cert", "", "certificate")
	key      = flag.String("key", "", "key")
	ca       = flag.String("ca", "", "the CA of upstream and front")
	upstream = flag.String("upstream", "", "the upstream's URL")
	prefix   = flag.String("prefix", "/k8s/clusters/bench", "the path that is taken off")
	uds      = flag.String("uds", "", "the proxy-server's socket")
	server   = flag.String("server", "", "where the agent connects to")
	only     = flag.String("only", "", "the one address that the agent dials")
)

const edge = "edge"

type dial = func(ctx context.Context, network, address string) (net.Conn, error)

func main() {
	if len(os.Args) < 2 {
		log.Fatal("front direct|remotedialer|konnectivity|agent …")
	}
	if err := flag.CommandLine.Parse(os.Args[2:]); err != nil {
		log.Fatal(err)
	}
	roots := trusted()
	switch os.Args[1] {
	case "direct":
		serve(nil, (&net.Dialer{}).DialContext, roots)
	case "remotedialer":
		tunnels := remotedialer.New(
			func(*http.Request) (string, bool, error) { return edge, true, nil },
			remotedialer.DefaultErrorWriter,
		)
		through := tunnels.Dialer(edge)
		serve(tunnels, func(ctx context.Context, network, address string) (net.Conn, error) {
			return through(ctx, network, address)
		}, roots)
	case "konnectivity":
		serve(nil, connect, roots)
	case "agent":
		agent(roots)
	}
}

func trusted() *x509.CertPool {
	pem, err := os.ReadFile(*ca)
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return roots
}

func agent(roots *x509.CertPool) {
	dialer := &websocket.Dialer{TLSClientConfig: &tls.Config{RootCAs: roots}}
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

// serve is the reverse proxy of ../go/peer, without users.
func serve(tunnels http.Handler, dial dial, roots *x509.CertPool) {
	target, err := url.Parse(*upstream)
	if err != nil {
		log.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		BufferPool: &buffers{},
		Transport: &http.Transport{
			DialContext: dial,
			TLSClientConfig: &tls.Config{
				RootCAs:            roots,
				ClientSessionCache: tls.NewLRUClientSessionCache(64),
			},
			MaxIdleConnsPerHost: 10000,
			IdleConnTimeout:     time.Minute,
			TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{},
			DisableCompression:  true,
		},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.URL.Path = strings.TrimPrefix(r.In.URL.Path, *prefix)
		},
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if tunnels != nil && r.URL.Path == "/connect" {
			tunnels.ServeHTTP(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	})
	listening := &http.Server{
		Addr:         *listen,
		Handler:      handler,
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	log.Fatal(listening.ListenAndServeTLS(*cert, *key))
}

type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if kept, ok := b.pool.Get().(*[]byte); ok {
		return *kept
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(used []byte) { b.pool.Put(&used) }
