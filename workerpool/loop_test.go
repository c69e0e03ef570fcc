package workerpool_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/workerpool"
)

// looped is a loop application that runs a function.
type looped struct {
	workerpool.Application
	run func(context.Context, *workerpool.LoopWorker) error
}

func (p looped) Work(ctx context.Context, w *workerpool.LoopWorker) error { return p.run(ctx, w) }

func TestAProgramThatFailsWithoutReceivingRunsAgainAfterASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		began := time.Now()
		a := looped{&app{}, func(context.Context, *workerpool.LoopWorker) error { return errors.New("oh") }}
		start(t, apps(a), workerpool.Options{Workers: 1, Report: func(f workerpool.Failure) { l.add("%v %v", f.Err, time.Since(began)) }})
		time.Sleep(2500 * time.Millisecond)
		l.want(t, "oh 0s", "oh 1s", "oh 2s")
	})
}

func TestReceiveOfALoopWaitsNoLongerThanAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		a := looped{&app{}, func(_ context.Context, w *workerpool.LoopWorker) error {
			for _, wait := range []time.Duration{0, 5 * time.Second} {
				began := time.Now()
				_, ok, err := w.Receive(wait, "http.request")
				l.add("%v %v %v", ok, err, time.Since(began))
			}
			_, _, err := w.Receive(-1, "http.request")
			return err
		}}
		b := start(t, apps(a), workerpool.Options{Workers: 1})
		time.Sleep(3 * time.Second)
		if err := b.pool.SetWorkers(1); err != nil { // wakes the worker
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		l.want(t, "false <nil> 0s", "false <nil> 5s")
	})
}

// TestALoopThatReceivesAgainWhileItIsReplaced has a program that calls Receive between
// the decision to replace its worker and the error reply.
func TestALoopThatReceivesAgainWhileItIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		again, received := make(chan struct{}), make(chan struct{})
		a := looped{&app{}, func(_ context.Context, w *workerpool.LoopWorker) error {
			_, _, err := w.Receive(-1, "http.request")
			if err == nil {
				<-again
				_, _, err = w.Receive(-1, "http.request")
				close(received)
			}
			return err
		}}
		var once sync.Once
		log := slog.New(onRecord(func(r slog.Record) {
			if strings.Contains(r.Message, "does not stop") {
				once.Do(func() { close(again); <-received })
			}
		}))
		b := start(t, apps(a), workerpool.Options{Workers: 1, HandlerTimeout: time.Second, Log: log})
		b.volatile("http.request", "a")
		time.Sleep(10 * time.Second)
		if got := b.sent("a"); len(got) != 1 {
			t.Errorf("sent %v", got)
		}
	})
}

// onRecord is a log that calls a function.
type onRecord func(slog.Record)

func (onRecord) Enabled(context.Context, slog.Level) bool        { return true }
func (f onRecord) Handle(_ context.Context, r slog.Record) error { f(r); return nil }
func (f onRecord) WithAttrs([]slog.Attr) slog.Handler            { return f }
func (f onRecord) WithGroup(string) slog.Handler                 { return f }

func TestASteadyConnectionDoesNotFillItsLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := on("websocket.receive", func(context.Context, *workerpool.Job) error {
			time.Sleep(time.Second)
			return nil
		})
		b := start(t, apps(a), workerpool.Options{LaneBytes: 1200, LaneMessages: 3})
		for n := range 30 {
			b.volatile("websocket.receive", "a", order(n))
			if n > 0 { // one is handled while one waits
				time.Sleep(time.Second)
			}
		}
		if got := b.sent("a"); len(got) != 0 {
			t.Errorf("sent %v", got)
		}
	})
}

func TestLanesOfSilentConnectionsAreDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		a := on("websocket.receive", func(_ context.Context, j *workerpool.Job) error {
			if j.ReplyChannel() == "front!busy" {
				<-release
			}
			return nil
		})
		b := start(t, apps(a), workerpool.Options{HandlerTimeout: -1})
		b.volatile("websocket.receive", "silent", order(1))
		b.volatile("websocket.receive", "busy", order(1))
		b.volatile("websocket.receive", "active", order(1))
		time.Sleep(20 * time.Hour)
		b.volatile("websocket.receive", "active", order(2))
		time.Sleep(6 * time.Hour) // lanes live as long as group memberships, a day
		if n := b.pool.Lanes(); n != 2 {
			t.Errorf("there are %d lanes, want those of the busy and the active connection", n)
		}
		close(release)
	})
}

func TestUnorderedFramesAfterADisconnectLeaveNoLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := on("websocket.receive", func(context.Context, *workerpool.Job) error {
			time.Sleep(time.Second)
			return nil
		})
		a.consumers["websocket.receive"].unordered = true
		b := start(t, apps(a), workerpool.Options{Workers: 1})
		for n := range 5 {
			b.volatile("websocket.receive", "a", order(n))
		}
		b.volatile("websocket.disconnect", "a", order(5))
		time.Sleep(10 * time.Second)
		if n := b.pool.Lanes(); n != 0 {
			t.Errorf("%d ended sockets have a lane", n)
		}
	})
}
