// Command growth sends many different requests, or holds many connections open. Errors end it.
//
//	growth ask  -count 1000 …   requests, each of its own: {n} in -url and -token is its number
//	growth hold -count 5000 …   streams (with -upgrade: upgraded connections) that stay open until
//	                            stdin ends; says "open" once all of them are
//
// For bench/growth.py; loads that are measured by time are in ../load.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
)

var (
	target  = flag.String("url", "", "what to ask")
	ca      = flag.String("ca", "", "the server's CA")
	token   = flag.String("token", "", "bearer")
	first   = flag.Int("first", 0, "the first number")
	step    = flag.Int("step", 1, "from one number to the next")
	wrap    = flag.Int("wrap", 1<<31, "numbers begin at 0 again there")
	count   = flag.Int("count", 100, "how many")
	workers = flag.Int("workers", 8, "how many at a time")
	upgrade = flag.Bool("upgrade", false, "hold upgraded connections")
)

func main() {
	if len(os.Args) < 2 {
		log.Fatal("growth ask|hold -url …")
	}
	flag.CommandLine.Parse(os.Args[2:])
	switch os.Args[1] {
	case "ask":
		ask()
	case "hold":
		hold()
	default:
		log.Fatalf("no such thing to do: %s", os.Args[1])
	}
}

func ask() {
	where, config := address()
	inParallel(func(numbers <-chan int) {
		conn, in, err := connect(where, config)
		if err != nil {
			log.Fatal(err)
		}
		defer conn.Close()
		for n := range numbers {
			if err := get(conn, in, n); err != nil {
				log.Fatal(err)
			}
		}
	})
}

func get(conn net.Conn, in *bufio.Reader, n int) error {
	fmt.Fprint(conn, head(n, ""))
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("number %d: status %d", n, answer.StatusCode)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

func hold() {
	where, config := address()
	var open sync.WaitGroup
	open.Add(*count)
	inParallel(func(numbers <-chan int) {
		for n := range numbers {
			if err := start(where, config, n); err != nil {
				log.Fatal(err)
			}
			open.Done()
		}
	})
	open.Wait()
	fmt.Println("open")
	io.Copy(io.Discard, os.Stdin)
}

// start opens a connection, waits for the start of the response, and reads it to its end.
func start(where *url.URL, config *tls.Config, n int) error {
	conn, in, err := connect(where, config)
	if err != nil {
		return err
	}
	wanted, lines := http.StatusOK, ""
	if *upgrade {
		wanted = http.StatusSwitchingProtocols
		lines = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	}
	fmt.Fprint(conn, head(n, lines))
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	if answer.StatusCode != wanted {
		return fmt.Errorf("number %d: status %d", n, answer.StatusCode)
	}
	go io.Copy(io.Discard, in)
	return nil
}

func head(n int, more string) string {
	number := strconv.Itoa(n % *wrap)
	where, _ := url.Parse(strings.ReplaceAll(*target, "{n}", number))
	return fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n%s\r\n",
		where.RequestURI(), where.Host, strings.ReplaceAll(*token, "{n}", number), more)
}

func connect(where *url.URL, config *tls.Config) (net.Conn, *bufio.Reader, error) {
	conn, err := tls.Dial("tcp", where.Host, config)
	if err != nil {
		return nil, nil, err
	}
	return conn, bufio.NewReaderSize(conn, 4<<10), nil
}

func address() (*url.URL, *tls.Config) {
	where, err := url.Parse(strings.ReplaceAll(*target, "{n}", "0"))
	if err != nil {
		log.Fatal(err)
	}
	pem, err := os.ReadFile(*ca)
	if err != nil {
		log.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return where, &tls.Config{RootCAs: pool, ServerName: where.Hostname()}
}

// inParallel distributes the numbers to the workers.
func inParallel(work func(numbers <-chan int)) {
	numbers := make(chan int)
	var all sync.WaitGroup
	for range *workers {
		all.Add(1)
		go func() {
			defer all.Done()
			work(numbers)
		}()
	}
	for n := range *count {
		numbers <- *first + n**step
	}
	close(numbers)
	all.Wait()
}
