// Command tunnelpeer is the other end of a tunnel in tests: hashicorp/yamux inside WebSocket
// messages. With -listen it accepts one connection and echoes every stream. With -dial it opens
// streams, sends data, and checks that the same data returns.
package main

import (
	"bytes"
	"crypto/rand"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"

	"github.com/gorilla/websocket"
	"github.com/hashicorp/yamux"
)

// conn is the stream of bytes in the binary messages of a WebSocket connection.
type conn struct {
	*websocket.Conn
	message io.Reader
}

func (c *conn) Read(data []byte) (int, error) {
	for {
		if c.message == nil {
			_, reader, err := c.NextReader()
			if err != nil {
				return 0, io.EOF
			}
			c.message = reader
		}
		size, err := c.message.Read(data)
		if err == io.EOF {
			c.message, err = nil, nil
			if size == 0 {
				continue
			}
		}
		return size, err
	}
}

func (c *conn) Write(data []byte) (int, error) {
	return len(data), c.WriteMessage(websocket.BinaryMessage, data)
}

func config() *yamux.Config {
	made := yamux.DefaultConfig()
	made.LogOutput = os.Stderr
	made.EnableKeepAlive = true
	return made
}

func echo(stream net.Conn) {
	defer stream.Close()
	io.Copy(stream, stream)
}

// converse sends size bytes on a stream while it reads, and checks what returns.
func converse(session *yamux.Session, size int) error {
	stream, err := session.OpenStream()
	if err != nil {
		return err
	}
	sent := make([]byte, size)
	rand.Read(sent)
	go func() {
		stream.Write(sent)
		stream.Close()
	}()
	got, err := io.ReadAll(stream)
	if err != nil {
		return err
	}
	if !bytes.Equal(sent, got) {
		return fmt.Errorf("sent %d bytes, got %d other ones", len(sent), len(got))
	}
	return nil
}

func dial(url string, streams, size int) error {
	socket, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		return err
	}
	session, err := yamux.Client(&conn{Conn: socket}, config())
	if err != nil {
		return err
	}
	results := make(chan error, streams)
	var all sync.WaitGroup
	for range streams {
		all.Add(1)
		go func() {
			defer all.Done()
			results <- converse(session, size)
		}()
	}
	all.Wait()
	close(results)
	for err := range results {
		if err != nil {
			return err
		}
	}
	if _, err := session.Ping(); err != nil {
		return err
	}
	return session.Close()
}

func serve(writer http.ResponseWriter, request *http.Request) {
	socket, err := (&websocket.Upgrader{}).Upgrade(writer, request, nil)
	if err != nil {
		return
	}
	session, err := yamux.Server(&conn{Conn: socket}, config())
	if err != nil {
		log.Fatal(err)
	}
	for {
		stream, err := session.Accept()
		if err != nil {
			return
		}
		go echo(stream)
	}
}

func main() {
	listen := flag.String("listen", "", "address to accept a tunnel on")
	url := flag.String("dial", "", "URL to open a tunnel to")
	streams := flag.Int("streams", 10, "streams at the same time")
	size := flag.Int("size", 1<<20, "bytes on each stream")
	flag.Parse()
	if *url != "" {
		if err := dial(*url, *streams, *size); err != nil {
			log.Fatal(err)
		}
		fmt.Println("ok")
		return
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	http.Serve(listener, http.HandlerFunc(serve))
}
