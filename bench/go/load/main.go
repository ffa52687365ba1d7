// Command load sends load to one server and prints its figures as one line of JSON.
//
//	load rate   -rate 2000 -seconds 5     latency at a fixed rate, from when a request was due
//	load closed -count 10000 -workers 32  so many requests on connections that are kept
//	load full   -seconds 4 -workers 32    as many as go, once all connections are there
//	load fresh  -count 500                a new TLS connection for each request
//	load login  -count 50 -user U         sign-ins with a password
//	load bulk   -count 8 -size 20971520   the throughput of large answers; with -post of large bodies
//	load watch  -count 5000 -events 5     how late events reach idle watchers
//	load stall  -count 20 -size …         large answers that nobody reads
//	load exec   -count 100                short sessions: upgrade, a few messages each way, the end
//	load stream -size …                   one session: bytes there and back
//	load trips  -count 2000               one session: round trips of a byte
//	load chat   -count 20000              one session: small messages, many of them under way
//
// "errors" says how many of its requests failed, and "error" how the first one did. Nothing of
// what is measured resumes a TLS session, and all of it exchanges keys by X25519, which every
// server has: newer ones would otherwise pay for post-quantum keys that the others don't have.
package main

import (
	"encoding/json"
	"flag"
	"log"
	"os"
	"runtime/debug"
)

var (
	target   = flag.String("url", "", "what to ask")
	ca       = flag.String("ca", "", "the server's CA")
	token    = flag.String("token", "", "bearer")
	rate     = flag.Float64("rate", 200, "requests a second")
	seconds  = flag.Float64("seconds", 5, "how long")
	count    = flag.Int("count", 100, "how many")
	workers  = flag.Int("workers", 32, "how many at a time")
	size     = flag.Int("size", 20<<20, "bytes")
	post     = flag.Bool("post", false, "send the bytes instead of asking for them")
	events   = flag.Int("events", 0, "how many events to ask the upstream for")
	notify   = flag.String("notify", "", "where to ask the upstream for an event")
	notifyCA = flag.String("notify-ca", "", "the upstream's CA")
	messages = flag.Int("messages", 8, "messages each way in a session")
	user     = flag.String("user", "", "who signs in")
	password = flag.String("password", "", "and with what")
)

// A result is what is printed: microseconds, bytes and counts.
type result map[string]any

var loads = map[string]func() result{
	"rate": atRate, "closed": closed, "full": full, "fresh": fresh, "login": login, "bulk": bulk, "watch": watch,
	"stall": stall, "exec": execSessions, "stream": stream, "trips": trips, "chat": chat,
}

// maxHeap is what the client may hold before it collects garbage.
const maxHeap = 1 << 30

func main() {
	if len(os.Args) < 2 || loads[os.Args[1]] == nil {
		log.Fatal("load rate|closed|full|fresh|login|bulk|watch|stall|exec|stream|trips|chat -url …")
	}
	if err := flag.CommandLine.Parse(os.Args[2:]); err != nil {
		log.Fatal(err)
	}
	// A collection in the client would be seen as a slow server.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(maxHeap)
	outcome := loads[os.Args[1]]()
	outcome["errors"], outcome["error"] = failed.seen()
	if err := json.NewEncoder(os.Stdout).Encode(outcome); err != nil {
		log.Fatal(err)
	}
}
