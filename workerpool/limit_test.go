package workerpool_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
	"asgibox/workerpool"
)

// limited returns an application whose handlers of a channel log their start
// and run for 10 seconds, at most one at a time if limit is set.
func limited(l *log, channel string, limit bool) *app {
	c := &consumer{run: func(ctx context.Context, j *workerpool.Job) error {
		l.add("%d", j.Generation())
		time.Sleep(10 * time.Second)
		if j.ReplyChannel() == "" {
			return nil
		}
		return reply(ctx, j)
	}}
	a := &app{consumers: map[string]*consumer{channel: c}}
	if limit {
		c.limit = "k"
		a.limits = []workerpool.Limit{{Key: "k", Channel: channel, Max: 1}}
	}
	return a
}

func TestDurableMessagesFollowOneByOneIfOnlyOneMayRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		b := start(t, apps(limited(&l, "jobs", true)), workerpool.Options{})
		for range 3 {
			b.send("jobs", "", nil)
		}
		time.Sleep(5 * time.Second)
		l.want(t, "1")
		time.Sleep(10 * time.Second)
		l.want(t, "1", "1")
		time.Sleep(10 * time.Second)
		l.want(t, "1", "1", "1")
	})
}

func TestALimitThatReturnsCountsHandlersThatStillRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		b := start(t, apps(limited(&l, "http.request", true), limited(&l, "http.request", false), limited(&l, "http.request", true)),
			workerpool.Options{Grace: time.Minute})
		b.volatile("http.request", "a")
		synctest.Wait()
		for range 2 {
			if _, err := b.pool.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		b.volatile("http.request", "b")
		time.Sleep(5 * time.Second)
		l.want(t, "1")
		time.Sleep(10 * time.Second)
		l.want(t, "1", "3")
	})
}

func TestConnectionsTakeTurnsIfTheLimitOfTheirRouteIsUsedUp(t *testing.T) {
	for name, front := range map[string]func(asgi.Layer) asgi.Layer{"offered": direct, "received": withoutAcceptors} {
		for _, workers := range []int{1, 2, 4} {
			t.Run(fmt.Sprintf("%s, %d workers", name, workers), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var l log
					a := sockets(&l, 20*time.Millisecond)
					a.consumers["websocket.receive"].limit = "k"
					a.limits = []workerpool.Limit{{Key: "k", Channel: "websocket.receive", Max: 1}}
					b := startOn(t, front, apps(a), workerpool.Options{Workers: workers})
					const connections, frames = 5, 50
					for n := range frames {
						for c := range connections {
							b.volatile("websocket.receive", fmt.Sprint(c), order(n+1))
						}
					}
					time.Sleep(20*time.Millisecond*connections*frames + time.Second)
					handled := make(map[string]int)
					for i, line := range l.all() {
						connection, _, _ := strings.Cut(line, " ")
						handled[connection]++
						if fair := i/connections + 3; handled[connection] > fair {
							t.Fatalf("%s is number %d, message %d of its connection; at most %d is fair", line, i+1, handled[connection], fair)
						}
					}
					if n := len(l.all()); n != connections*frames {
						t.Errorf("%d frames were handled, want %d", n, connections*frames)
					}
				})
			})
		}
	}
}
