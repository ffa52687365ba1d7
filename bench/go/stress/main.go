// Command stress is many callers at once, and prints what became of each as one line of JSON.
//
//	stress -url U -ca F -seconds 30 <callers
//
// Each line of standard input is a caller: a name, a token, requests a second, connections. Several
// may have the same name, and are told of together. At a rate of 0 every connection asks again as
// soon as it was answered; otherwise requests are sent when they are due, on a connection that is
// idle, and one for which there is none is missed. Nobody heeds Retry-After: they are the worst of
// clients.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"sync"
	"time"
)

var (
	target  = flag.String("url", "", "what to ask")
	ca      = flag.String("ca", "", "the server's CA")
	seconds = flag.Float64("seconds", 10, "how long")
	onset   = flag.Float64("onset", 0, "the first seconds of these, to be told of apart")
)

func main() {
	flag.Parse()
	callers := read()
	server := serverAt(*target, *ca)
	dialing := make(chan struct{}, 32)
	var ready, done sync.WaitGroup
	for _, one := range callers {
		ready.Add(1)
		go func() {
			defer ready.Done()
			one.connect(server, dialing)
		}()
	}
	ready.Wait()
	fmt.Fprintln(os.Stderr, "connected")
	after := func(seconds float64) time.Time {
		return time.Now().Add(time.Duration(seconds * float64(time.Second)))
	}
	settled, until := after(*onset), after(*seconds)
	for _, one := range callers {
		done.Add(1)
		go func() {
			defer done.Done()
			one.run(settled, until)
		}()
	}
	done.Wait()
	if err := json.NewEncoder(os.Stdout).Encode(told(callers)); err != nil {
		log.Fatal(err)
	}
}

func read() []*caller {
	var callers []*caller
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		one := &caller{tally: newTally()}
		if _, err := fmt.Sscan(lines.Text(), &one.name, &one.token, &one.rate, &one.count); err != nil {
			log.Fatalf("not a caller: %v", err)
		}
		callers = append(callers, one)
	}
	return callers
}

func told(callers []*caller) map[string]map[string]any {
	together := map[string]*tally{}
	for _, one := range callers {
		if together[one.name] == nil {
			together[one.name] = newTally()
		}
		together[one.name].add(one.tally)
	}
	all := map[string]map[string]any{}
	for name, one := range together {
		all[name] = one.told()
	}
	return all
}
