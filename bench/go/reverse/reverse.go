// Package reverse has what the reverse proxies of the benchmark share: their flags, their connections
// to the upstream, and their listener.
package reverse

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

var (
	Listen   = flag.String("listen", "127.0.0.1:0", "address")
	Upstream = flag.String("upstream", "", "the upstream's URL")
	Prefix   = flag.String("prefix", "/k8s/clusters/bench", "the path that is taken off")

	cert = flag.String("cert", "", "certificate")
	key  = flag.String("key", "", "key")
	ca   = flag.String("ca", "", "the upstream's CA")
)

// Dial connects to the upstream; see http.Transport.
type Dial = func(ctx context.Context, network, address string) (net.Conn, error)

// Roots returns the CA that is trusted.
func Roots() *x509.CertPool {
	pem, err := os.ReadFile(*ca)
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return roots
}

// Proxy returns a reverse proxy that is tuned as its documentation says: it keeps connections and TLS
// sessions, and shares buffers. Watches are flushed at once without FlushInterval, for their length
// is unknown. Without a dial, it connects directly. rewrite may be nil.
func Proxy(dial Dial, rewrite func(*httputil.ProxyRequest)) *httputil.ReverseProxy {
	target, err := url.Parse(*Upstream)
	if err != nil {
		log.Fatal(err)
	}
	return &httputil.ReverseProxy{
		BufferPool: &buffers{},
		Transport: &http.Transport{
			DialContext: dial,
			TLSClientConfig: &tls.Config{
				RootCAs:            Roots(),
				ClientSessionCache: tls.NewLRUClientSessionCache(64),
			},
			MaxIdleConnsPerHost: 10000,
			IdleConnTimeout:     time.Minute,
			TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{},
			DisableCompression:  true,
		},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.URL.Path = strings.TrimPrefix(r.In.URL.Path, *Prefix)
			r.Out.URL.RawPath = strings.TrimPrefix(r.In.URL.RawPath, *Prefix)
			if rewrite != nil {
				rewrite(r)
			}
		},
	}
}

// Serve listens with TLS and HTTP/1.1 until the process ends.
func Serve(handler http.Handler) {
	server := &http.Server{
		Addr:         *Listen,
		Handler:      handler,
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	log.Fatal(server.ListenAndServeTLS(*cert, *key))
}

type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if kept, ok := b.pool.Get().(*[]byte); ok {
		return *kept
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(used []byte) { b.pool.Put(&used) }
