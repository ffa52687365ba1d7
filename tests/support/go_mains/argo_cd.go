// Argo CD's cmd/main.go with two of its eleven programs. The others are not needed to deploy to a
// cluster, and make the build a quarter longer.
package main

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/klog/v2"

	appcontroller "github.com/argoproj/argo-cd/v3/cmd/argocd-application-controller/commands"
	reposerver "github.com/argoproj/argo-cd/v3/cmd/argocd-repo-server/commands"
	"github.com/argoproj/argo-cd/v3/common"
	"github.com/argoproj/argo-cd/v3/util/log"
)

func init() {
	klog.SetLogger(log.NewLogrusLogger(log.NewWithCurrentConfig()))
}

func main() {
	programs := map[string]func() *cobra.Command{
		common.CommandApplicationController: appcontroller.NewCommand,
		common.CommandRepoServer:            reposerver.NewCommand,
	}
	if err := programs[filepath.Base(os.Args[0])]().Execute(); err != nil {
		os.Exit(1)
	}
}
