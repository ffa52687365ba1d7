//go:build tools

// Package tunnels keeps the versions of the programs that the benchmark builds from modules.
package tunnels

import (
	_ "sigs.k8s.io/apiserver-network-proxy/cmd/agent/app"
	_ "sigs.k8s.io/apiserver-network-proxy/cmd/server/app"
)
