// metrics-server, which serves metrics.k8s.io from the figures of kubelets.
package main

import (
	"os"

	genericapiserver "k8s.io/apiserver/pkg/server"
	"sigs.k8s.io/metrics-server/cmd/metrics-server/app"
)

func main() {
	command := app.NewMetricsServerCommand(genericapiserver.SetupSignalHandler())
	if err := command.Execute(); err != nil {
		os.Exit(1)
	}
}
