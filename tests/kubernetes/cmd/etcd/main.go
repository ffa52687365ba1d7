// etcd in a version that the newest kube-apiserver supports. Older versions do not report the progress
// of a watch, so that a streamed list (sendInitialEvents) never ends.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	etcdmain.Main(os.Args)
}
