// Command peer is what people would write instead: httputil.ReverseProxy doing the gate's job —
// look up the token by its digest, strip what the caller claimed, stamp who it is. It keeps no
// metrics, writes no log and checks no limits.
package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"net/http"
	"net/http/httputil"
	"strings"

	"sekisho.example/bench/reverse"
)

var token = flag.String("token", "", "the one token that is let in")

func main() {
	flag.Parse()
	reverse.Serve(authenticated(tokens(), reverse.Proxy(nil, func(r *httputil.ProxyRequest) {
		r.SetXForwarded()
		stamp(r.Out.Header, r.In.Context().Value(who).(*identity))
	})))
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
		if !strings.HasPrefix(r.URL.Path, *reverse.Prefix+"/") {
			http.NotFound(w, r)
			return
		}
		next.ServeHTTP(w, r.WithContext(with(r.Context(), found)))
	})
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
