package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/fsnotify/fsnotify"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
)

// logs notifies followers of log files when a file grows. All share one watcher, because inotify
// instances are limited.
type logs struct {
	watcher *fsnotify.Watcher
	mutex   sync.Mutex
	grown   chan struct{} // closed, and replaced, at every change
}

func newLogs() (*logs, error) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	l := &logs{watcher: watcher, grown: make(chan struct{})}
	go l.wake()
	return l, nil
}

// wake turns the watcher's events into one broadcast each.
func (l *logs) wake() {
	for range l.watcher.Events {
		l.mutex.Lock()
		close(l.grown)
		l.grown = make(chan struct{})
		l.mutex.Unlock()
	}
}

// next returns a channel that is closed at the next change of any log. Call it before reading, or a
// change may be missed.
func (l *logs) next() <-chan struct{} {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.grown
}

// open opens and watches a container's log, and creates it if it is missing.
func (l *logs) open(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	if err := l.watcher.Add(filepath.Dir(path)); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
}

// follow copies existing and new content until the context ends or the writer fails.
func (l *logs) follow(ctx context.Context, out io.Writer, file *os.File) error {
	for {
		grown := l.next()
		if _, err := io.Copy(out, file); err != nil {
			return err
		}
		select {
		case <-grown:
		case <-ctx.Done():
			_, err := io.Copy(out, file)
			return err
		}
	}
}

// containerLogs serves `kubectl logs` with -f, --tail and --limit-bytes; lines carry no timestamps.
func (s *standIn) containerLogs(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	file, err := s.logs.open(s.containers.of(r).log)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer file.Close()
	if err := tail(file, query.Get("tailLines")); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	out := flushing{w, http.NewResponseController(w)}
	out.Write(nil) // send the response head before the first line
	if limit, err := strconv.ParseInt(query.Get("limitBytes"), 10, 64); err == nil {
		io.CopyN(out, file, limit)
	} else if query.Get("follow") == "true" {
		s.logs.follow(r.Context(), out, file)
	} else {
		io.Copy(out, file)
	}
}

// tail moves a file's position to the start of its last lines. An empty number means all lines.
func tail(file *os.File, lines string) error {
	if lines == "" {
		return nil
	}
	wanted, err := strconv.Atoi(lines)
	if err != nil {
		return err
	}
	content, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	all := bytes.SplitAfter(content, []byte("\n"))
	if len(all[len(all)-1]) == 0 {
		all = all[:len(all)-1] // the text after the last newline is empty
	}
	last := bytes.Join(all[max(0, len(all)-wanted):], nil)
	_, err = file.Seek(int64(len(content)-len(last)), io.SeekStart)
	return err
}

// flushing flushes the response after each write.
type flushing struct {
	io.Writer
	response *http.ResponseController
}

func (f flushing) Write(p []byte) (int, error) {
	n, err := f.Writer.Write(p)
	if err == nil {
		err = f.response.Flush()
	}
	return n, err
}

// attacher connects `kubectl attach` to a container whose main process behaves like `cat`: input is
// appended to the log, and the log is the output.
type attacher struct {
	container container
	options   *remotecommand.Options
	logs      *logs
}

// AttachContainer ends with the input or, without input, when writing to the client fails.
func (a attacher) AttachContainer(ctx context.Context, _, _, _ string, in io.Reader,
	out, _ io.WriteCloser, _ bool, resize <-chan remotecommand.TerminalSize) error {
	file, err := a.logs.open(a.container.log)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	if resize != nil {
		go func() {
			for range resize { // drain the channel so that its sender does not block
			}
		}()
	}
	ctx, done := context.WithCancel(ctx)
	defer done()
	if a.options.Stdin {
		go func() {
			defer done()
			io.Copy(appending{a.container.log}, in)
		}()
	}
	if out == nil {
		<-ctx.Done()
		return nil
	}
	return a.logs.follow(ctx, out, file)
}

// appending opens the file for each write and appends to it.
type appending struct{ path string }

func (a appending) Write(p []byte) (int, error) {
	file, err := os.OpenFile(a.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	return file.Write(p)
}
