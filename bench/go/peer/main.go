// Command peer is what people would write instead: httputil.ReverseProxy doing the gate's job in
// full — look up the token by its digest, strip what the caller claimed, stamp who it is.
package main

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
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

type identity struct {
	user, uid string
	groups    []string
}

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
	known := map[[32]byte]*identity{
		sha256.Sum256([]byte(*token)): {
			"u-abcdefghij", "u-abcdefghij",
			[]string{"sekisho:administrators", "system:authenticated", "sekisho:authenticated"},
		},
	}
	proxy := &httputil.ReverseProxy{
		FlushInterval: -1,
		Transport: &http.Transport{
			TLSClientConfig:     &tls.Config{RootCAs: roots, ClientSessionCache: tls.NewLRUClientSessionCache(64)},
			MaxIdleConnsPerHost: 10000,
			IdleConnTimeout:     time.Minute,
			ForceAttemptHTTP2:   false,
			TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{},
			DisableCompression:  true,
		},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.URL.Path = strings.TrimPrefix(r.In.URL.Path, *prefix)
			r.SetXForwarded()
			stamp(r.Out.Header, r.In.Context().Value(who).(*identity))
		},
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		found := known[sha256.Sum256([]byte(bearer))]
		if found == nil {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		proxy.ServeHTTP(w, r.WithContext(with(r.Context(), found)))
	})
	server := &http.Server{
		Addr:         *listen,
		Handler:      handler,
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	log.Fatal(server.ListenAndServeTLS(*cert, *key))
}

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
}
