// Command peer is what people would write instead: httputil.ReverseProxy doing the gate's job —
// look up the token by its digest, strip what the caller claimed, stamp who it is. It keeps no
// metrics, writes no log and checks no limits.
package main

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"flag"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

var (
	listen   = flag.String("listen", "127.0.0.1:0", "address")
	cert     = flag.String("cert", "", "certificate")
	key      = flag.String("key", "", "key")
	ca       = flag.String("ca", "", "the upstream's CA")
	upstream = flag.String("upstream", "", "the upstream's URL")
	token    = flag.String("token", "", "the one token that is let in")
	prefix   = flag.String("prefix", "/k8s/clusters/bench", "the path that is taken off")
)

func main() {
	flag.Parse()
	target, err := url.Parse(*upstream)
	if err != nil {
		log.Fatal(err)
	}
	pem, err := os.ReadFile(*ca)
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	server := &http.Server{
		Addr:         *listen,
		Handler:      authenticated(tokens(), reverseProxy(target, roots)),
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	log.Fatal(server.ListenAndServeTLS(*cert, *key))
}

// tokens is the store: who each token stands for, by its digest.
func tokens() map[[sha256.Size]byte]*identity {
	return map[[sha256.Size]byte]*identity{
		sha256.Sum256([]byte(*token)): {
			"u-abcdefghij", "u-abcdefghij",
			[]string{"sekisho:administrators", "system:authenticated", "sekisho:authenticated"},
		},
	}
}

// authenticated lets in who shows a known token, below the prefix.
func authenticated(known map[[sha256.Size]byte]*identity, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bearer, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		found := known[sha256.Sum256([]byte(bearer))]
		if !isBearer || found == nil {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		if !strings.HasPrefix(r.URL.Path, *prefix+"/") {
			http.NotFound(w, r)
			return
		}
		next.ServeHTTP(w, r.WithContext(with(r.Context(), found)))
	})
}

// reverseProxy is tuned as its documentation says: it keeps connections and TLS sessions, and
// shares buffers. Watches are flushed at once without FlushInterval, for their length is unknown.
func reverseProxy(target *url.URL, roots *x509.CertPool) http.Handler {
	return &httputil.ReverseProxy{
		BufferPool: &buffers{},
		Transport: &http.Transport{
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
			r.Out.URL.RawPath = strings.TrimPrefix(r.In.URL.RawPath, *prefix)
			r.SetXForwarded()
			stamp(r.Out.Header, r.In.Context().Value(who).(*identity))
		},
	}
}

// stamp replaces what the caller says of itself by what is known of it.
func stamp(header http.Header, found *identity) {
	for name := range header {
		if strings.HasPrefix(name, "Impersonate-") || strings.HasPrefix(name, "X-Remote-") {
			header.Del(name)
		}
	}
	header.Del("Cookie")
	header.Set("Authorization", "Bearer the-service-accounts-token")
	header.Set("Impersonate-User", found.user)
	header.Set("Impersonate-Uid", found.uid)
	for _, group := range found.groups {
		header.Add("Impersonate-Group", group)
	}
	header.Set("Impersonate-Extra-Username", "root")
	header.Set("Impersonate-Extra-Principalid", "local://u-abcdefghij")
	header.Set("Impersonate-Extra-Requestid", requestID())
}

func requestID() string {
	var id [16]byte
	rand.Read(id[:])
	return hex.EncodeToString(id[:])
}

type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if kept, ok := b.pool.Get().(*[]byte); ok {
		return *kept
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(used []byte) { b.pool.Put(&used) }
