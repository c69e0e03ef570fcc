package inspector

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"asgibox/asgi/remote"
)

// TestRequestsOfPlayThatWaitAreLimited sends more requests than may wait to an application
// that does not respond.
func TestRequestsOfPlayThatWaitAreLimited(t *testing.T) {
	arrived, respond := make(chan struct{}), make(chan struct{})
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-respond
	}))
	defer app.Close()
	b := newBench(t, func(o *Options) { o.App = app.URL })
	request := object{"method": "GET", "path": "/", "headers": []any{}}
	statuses := make(chan int)
	for range maxWaiting {
		go func() { statuses <- b.call("/api/play", request, nil) }()
		<-arrived
	}
	var refused remote.Error
	if status := b.call("/api/play", request, &refused); status != 503 || refused.Kind != remote.TooManyBodies {
		t.Errorf("one more request: %d %v", status, refused)
	}
	close(respond)
	for range maxWaiting {
		if status := <-statuses; status != 200 {
			t.Errorf("status %d", status)
		}
	}
}

func TestLongPathsAreNotIgnored(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Ignore = func(string) { t.Error("it was ignored") } })
	if status := b.call("/api/ignore", object{"file": "/" + strings.Repeat("x", maxPath)}, nil); status != 400 {
		t.Errorf("status %d", status)
	}
}

type noChaos struct{}

func (noChaos) Rules() []string         { return nil }
func (noChaos) SetRules([]string) error { return nil }

func TestTheRulesOfChaosAreLimited(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Chaos = noChaos{} })
	rules := make([]string, maxRules+1)
	if status := b.call("/api/chaos", object{"rules": rules}, nil); status != 400 {
		t.Errorf("too many rules: status %d", status)
	}
	if status := b.call("/api/chaos", object{"rules": []string{strings.Repeat("x", maxRule+1)}}, nil); status != 400 {
		t.Errorf("a long rule: status %d", status)
	}
	b.mustCall("/api/chaos", object{"rules": rules[1:]}, nil)
}
