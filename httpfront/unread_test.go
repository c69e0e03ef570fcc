package httpfront

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestMissingWorkersAreReportedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{Workerless: true, HTTPTimeout: 100 * time.Second})
		a, b := s.dial(), s.dial()
		a.get("/")
		b.get("/")
		time.Sleep(time.Second)
		const want = "no worker receives from http.request"
		if log := s.logs.String(); strings.Count(log, want) != 1 || !strings.Contains(log, "asgibox worker app.star") {
			t.Errorf("after a second, the log is\n%s", log)
		}
		s.reply(s.next("http.request"), msg{"status": 200, "content": "a worker came"}) // of one of them
		s.next("http.request")
		var bodies string
		for _, c := range []*client{a, b} {
			bodies += c.response().body
		}
		if !strings.Contains(bodies, "a worker came") || !strings.Contains(bodies, "asgibox worker app.star") {
			t.Errorf("the responses are %s", bodies)
		}
	})
}

func TestWorkersThatReadAreNotReportedMissing(t *testing.T) {
	for name, workerless := range map[string]bool{"a reader elsewhere": true, "workers here": false} {
		synctest.Test(t, func(t *testing.T) {
			s := newMemServer(t, Options{Workerless: workerless, HTTPTimeout: time.Second})
			s.layer.setReader("http.request", workerless)
			c := s.dial()
			c.get("/")
			if r := c.response().check(t, 503); strings.Contains(r.body, "No worker") || strings.Contains(s.logs.String(), "no worker") {
				t.Errorf("%s: %s\n%s", name, r.body, s.logs)
			}
		})
	}
}
