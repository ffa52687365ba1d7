package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/creack/pty"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"
)

const remotecommandParam = "command" // core.ExecCommandParam

// containers is the directory that holds all containers.
type containers string

// container has a working directory and a log file.
type container struct {
	pod, name, directory, log string
}

// of returns the container that a request's path names. The API server has checked that it exists, and
// Kubernetes names cannot leave the directory.
func (c containers) of(r *http.Request) container {
	pod := filepath.Join(string(c), r.PathValue("namespace"), r.PathValue("pod"))
	name := r.PathValue("container")
	return container{r.PathValue("pod"), name, filepath.Join(pod, name), filepath.Join(pod, name+".log")}
}

// command prepares an argument vector to run in the container. It dies with this process, so that
// nothing a test started outlives the test.
func (c container) command(ctx context.Context, argv []string) (*exec.Cmd, error) {
	if err := os.MkdirAll(c.directory, 0o755); err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, argv[0], argv[1:]...)
	command.Dir = c.directory
	command.Env = append(os.Environ(), "HOSTNAME="+c.pod, "HOME="+c.directory, "PWD="+c.directory)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	// Descendants may hold the pipes open after the command has ended; don't wait for them.
	command.WaitDelay = time.Second
	return command, nil
}

// executor runs commands for `kubectl exec`.
type executor struct {
	container container
	options   *remotecommand.Options
}

// ExecInContainer runs a local command on the streams of an exec request.
func (e executor) ExecInContainer(ctx context.Context, _, _, _ string, argv []string, in io.Reader,
	out, stderr io.WriteCloser, tty bool, resize <-chan remotecommand.TerminalSize, _ time.Duration) error {
	command, err := e.container.command(ctx, argv)
	if err != nil {
		return err
	}
	if !e.options.Stdin {
		in = nil // a WebSocket's unused channel exists and never ends
	}
	if tty {
		return exitStatus(runOnTerminal(command, in, out, resize))
	}
	return exitStatus(runOnPipes(command, in, out, stderr))
}

// runOnPipes does not wait for the end of the input, because the command may end before it.
func runOnPipes(command *exec.Cmd, in io.Reader, out, stderr io.Writer) error {
	if out != nil {
		command.Stdout = out
	}
	if stderr != nil {
		command.Stderr = stderr
	}
	if in != nil {
		input, err := command.StdinPipe()
		if err != nil {
			return err
		}
		go func() {
			defer input.Close()
			io.Copy(input, in)
		}()
	}
	return command.Run()
}

// runOnTerminal runs the command on a new terminal and applies the client's window sizes.
func runOnTerminal(command *exec.Cmd, in io.Reader, out io.Writer, resize <-chan remotecommand.TerminalSize) error {
	terminal, err := pty.Start(command)
	if err != nil {
		return err
	}
	defer terminal.Close()
	go func() {
		for size := range resize {
			pty.Setsize(terminal, &pty.Winsize{Rows: size.Height, Cols: size.Width})
		}
	}()
	if in != nil {
		go func() {
			io.Copy(terminal, in)
			terminal.Write([]byte{4}) // end of transmission: what Ctrl-D types
		}()
	}
	// Ends with EIO when the last process on the terminal is gone.
	if _, err := io.Copy(out, terminal); err != nil && !errors.Is(err, syscall.EIO) {
		command.Process.Kill()
	}
	return command.Wait()
}

// exitStatus converts a command's error to the exit code that a shell would report.
func exitStatus(err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		if errors.Is(err, exec.ErrWaitDelay) {
			return nil
		}
		return err
	}
	code := exit.ExitCode()
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		code = 128 + int(status.Signal())
	}
	return utilexec.CodeExitError{Err: fmt.Errorf("exit status %d", code), Code: code}
}

// loopback connects `kubectl port-forward` to a port of this machine.
type loopback struct{}

// PortForward connects a stream with a local connection and closes each direction at its end.
func (loopback) PortForward(_ context.Context, _, _ string, port int32, stream io.ReadWriteCloser) error {
	dialled, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	defer dialled.Close()
	connection := dialled.(*net.TCPConn)
	go func() {
		io.Copy(connection, stream)
		connection.CloseWrite()
	}()
	_, err = io.Copy(stream, connection)
	return err
}
