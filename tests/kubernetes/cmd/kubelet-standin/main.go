// kubelet-standin implements the kubelet endpoints behind `kubectl exec`, `attach`, `logs`,
// `port-forward` and `cp`, and those that metrics-server reads. It runs no containers: a container is a directory and a log file,
//
//	<directory>/<namespace>/<pod>/<container>/       where its commands run
//	<directory>/<namespace>/<pod>/<container>.log    its output; append to it to produce more
//
// and a pod's ports are the loopback ports of this machine. The protocols come from Kubernetes'
// k8s.io/cri-streaming. Callers run commands on this machine, so the server listens on loopback only
// and always requires a client certificate.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
)

const (
	idleTimeout     = 4 * time.Hour // the kubelet's default
	creationTimeout = remotecommand.DefaultStreamCreationTimeout
)

// standIn serves all containers of all pods of one node.
type standIn struct {
	containers containers
	logs       *logs
}

func main() {
	directory := flag.String("directory", "", "directory for the containers' files and logs")
	certificate := flag.String("tls-cert-file", "", "this server's certificate, PEM")
	key := flag.String("tls-private-key-file", "", "its key, PEM")
	authority := flag.String("client-ca-file", "", "CA of the client certificates, PEM")
	flag.Parse()
	if err := serve(*directory, *certificate, *key, *authority); err != nil {
		log.Fatal(err)
	}
}

// serve listens on a free loopback port and prints it on a separate line. It returns only with an
// error.
func serve(directory, certificate, key, authority string) error {
	pem, err := os.ReadFile(authority)
	if err != nil {
		return err
	}
	clients := x509.NewCertPool()
	if !clients.AppendCertsFromPEM(pem) {
		return errors.New("no certificate in " + authority)
	}
	follower, err := newLogs()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	node := &standIn{containers: containers(directory), logs: follower}
	server := &http.Server{
		Handler: node.routes(),
		TLSConfig: &tls.Config{
			ClientAuth: tls.RequireAndVerifyClientCert,
			ClientCAs:  clients,
			NextProtos: []string{"http/1.1"}, // an upgraded connection can't be HTTP/2
		},
	}
	fmt.Println("listening on", listener.Addr())
	return server.ServeTLS(listener, certificate, key)
}

// routes are the paths that the API server's pod subresources (pkg/registry/core/pod) and metrics-server use.
func (s *standIn) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/exec/{namespace}/{pod}/{container}", s.exec)
	mux.HandleFunc("/attach/{namespace}/{pod}/{container}", s.attach)
	mux.HandleFunc("/portForward/{namespace}/{pod}", s.portForward)
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", s.containerLogs)
	mux.HandleFunc("GET /metrics/resource", s.resourceMetrics)
	return mux
}

func (s *standIn) exec(w http.ResponseWriter, r *http.Request) {
	options, err := remotecommand.NewOptions(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	command := r.URL.Query()[remotecommandParam]
	if len(command) == 0 {
		http.Error(w, "no command", http.StatusBadRequest)
		return
	}
	box := s.containers.of(r)
	remotecommand.ServeExec(w, r, executor{box, options}, box.pod, "", box.name, command,
		options, idleTimeout, creationTimeout, remotecommand.SupportedStreamingProtocols)
}

func (s *standIn) attach(w http.ResponseWriter, r *http.Request) {
	options, err := remotecommand.NewOptions(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	box := s.containers.of(r)
	remotecommand.ServeAttach(w, r, attacher{box, options, s.logs}, box.pod, "", box.name,
		options, idleTimeout, creationTimeout, remotecommand.SupportedStreamingProtocols)
}

func (s *standIn) portForward(w http.ResponseWriter, r *http.Request) {
	options, err := portforward.NewV4Options(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	portforward.ServePortForward(w, r, loopback{}, r.PathValue("pod"), "", options,
		idleTimeout, creationTimeout, portforward.SupportedProtocols)
}
