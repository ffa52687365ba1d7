package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// What the node and each container use, all the time.
const (
	nodeCPU         = 0.25 // cores
	nodeMemory      = 512 << 20
	containerCPU    = 0.05
	containerMemory = 32 << 20
)

// started is when the node began to use CPU time: before any container.
var started = time.Now().Add(-time.Hour)

// resourceMetrics serves what metrics-server reads: the figures of the node and of each container that
// has a log.
func (s *standIn) resourceMetrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	now := time.Now()
	series := func(name, labels string, value float64) {
		fmt.Fprintf(w, "# TYPE %s untyped\n%s%s %f %d\n", name, name, labels, value, now.UnixMilli())
	}
	seconds := now.Sub(started).Seconds()
	series("node_cpu_usage_seconds_total", "", nodeCPU*seconds)
	series("node_memory_working_set_bytes", "", nodeMemory)
	logs, _ := filepath.Glob(filepath.Join(string(s.containers), "*", "*", "*.log"))
	for _, log := range logs {
		info, err := os.Stat(log)
		if err != nil {
			continue // the pod has just been removed
		}
		pod := filepath.Dir(log)
		labels := fmt.Sprintf(`{container=%q,namespace=%q,pod=%q}`, strings.TrimSuffix(info.Name(), ".log"),
			filepath.Base(filepath.Dir(pod)), filepath.Base(pod))
		series("container_cpu_usage_seconds_total", labels, containerCPU*seconds)
		series("container_memory_working_set_bytes", labels, containerMemory)
		series("container_start_time_seconds", labels, float64(started.Unix()))
	}
}
