package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"strings"
	"time"
)

// watch watches for ever, as an informer does, which pauses for about a second before it begins
// again. It tells how long it was between the end of a watch and the next one's first event, and of
// each silence.
func (c *client) watch(delay time.Duration) {
	time.Sleep(delay)
	var ended time.Time
	last, why := time.Now(), ""
	for {
		result := c.follow(func() {
			if !ended.IsZero() {
				tell("watch", ended, why, "")
				ended = time.Time{}
			}
			if time.Since(last) > silence {
				tell("silence", last, "", "")
			}
			last = time.Now()
		})
		if ended.IsZero() {
			ended, why = time.Now(), result
		}
		time.Sleep(800*time.Millisecond + time.Duration(rand.Intn(400))*time.Millisecond)
	}
}

// follow calls seen for each event, until the watch ends, and returns why it did.
func (c *client) follow(seen func()) string {
	answer, err := c.send(context.Background(), *watch)
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return status(answer)
	}
	lines := bufio.NewReader(answer.Body)
	for {
		if _, err := lines.ReadBytes('\n'); err == io.EOF {
			return "end"
		} else if err != nil {
			return err.Error()
		}
		seen()
	}
}

// signIn signs in with a password, once.
func signIn(due time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	body := fmt.Sprintf(`{"username":%q,"password":%q}`, *user, *password)
	request, err := http.NewRequestWithContext(
		ctx, "POST", *target+"/v1/login/local", bytes.NewReader([]byte(body)))
	if err != nil {
		tell("sign-in", due, err.Error(), "")
		return
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := fresh().Do(request)
	if err != nil {
		tell("sign-in", due, err.Error(), "")
		return
	}
	defer answer.Body.Close()
	said, _ := io.ReadAll(answer.Body)
	result := status(answer)
	if result != "200" {
		result += " " + strings.TrimSpace(string(said))
	}
	tell("sign-in", due, result, "")
}

func status(answer *http.Response) string { return fmt.Sprint(answer.StatusCode) }
