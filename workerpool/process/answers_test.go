package process

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
	"asgibox/internal/budget"
)

// escaped is a text whose JSON is six times as long.
var escaped = strings.Repeat("\x01", 100_000)

const escapedJSON = 600_000

// TestAnswersThatAreNotReadShareABudget has clients that do not read a long answer.
func TestAnswersThatAreNotReadShareABudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const memory = 2 << 20
		s := newMemServer(t, memory)
		m := asgi.MustMessage(asgi.Field{Key: "text", Value: escaped})
		if err := s.layer.Set(t.Context(), nil, "state/long", escaped, 0); err != nil {
			t.Fatal(err)
		}
		if err := s.layer.Send(t.Context(), nil, "jobs", m); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for range 40 {
			c := s.join()
			if err := c.write("id", 1, "call", "state/get", "key", "long"); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if used, _, waiting := s.guestAnswers.Usage(); used > memory+escapedJSON+1000 || waiting > memory/escapedJSON {
			t.Errorf("unread answers have %d bytes, and %d wait", used, waiting)
		}
		c := s.join()
		if _, err := c.call("receive", "channels", []any{"jobs"}); err == nil || !strings.HasPrefix(err.Error(), "TooManyAnswers") {
			t.Errorf("an answer without memory: %v", err)
		}
		if _, err := c.call("state/get", "key", "short"); err != nil {
			t.Errorf("a short answer: %v", err)
		}
		time.Sleep(2 * budget.SilentTimeout)
		head, err := c.call("receive", "channels", []any{"jobs"})
		if got := find[asgi.Dict](head, "message").Text("text"); err != nil || got != escaped {
			t.Errorf("the message has %d bytes, %v", len(got), err)
		}
		if after := time.Since(began); after >= writeTimeout {
			t.Errorf("the silent clients held up others for %v", after)
		}
	})
}

// TestManyLongAnswersAllArrive has more clients that read than the budget has room for.
func TestManyLongAnswersAllArrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, 10*escapedJSON)
		if err := s.layer.Set(t.Context(), nil, "state/long", escaped, 0); err != nil {
			t.Fatal(err)
		}
		const clients = 10
		errs := make(chan error)
		for range clients {
			c := s.join()
			go func() {
				for range 10 {
					if _, err := c.call("state/get", "key", "long"); err != nil {
						errs <- err
						return
					}
				}
				errs <- nil
			}()
		}
		for range clients {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	})
}
