package workerpool_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
	"asgibox/workerpool"
)

var (
	piece = asgi.MustMessage(asgi.Field{Key: "status", Value: 200}, asgi.Field{Key: "more_content", Value: true})
	frame = asgi.MustMessage(asgi.Field{Key: "text", Value: "x"})
)

// TestAHandlerEndsWhenItSendsToAClientThatHasLeft runs handlers that send for
// ever and ignore the error, as far as they can.
func TestAHandlerEndsWhenItSendsToAClientThatHasLeft(t *testing.T) {
	for channel, m := range map[string]asgi.Message{"http.request": piece, "websocket.receive": frame} {
		t.Run(channel, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ended time.Time
				var why error
				a := on(channel, func(ctx context.Context, j *workerpool.Job) error {
					for ctx.Err() == nil {
						j.Send(ctx, j.ReplyChannel(), m)
						time.Sleep(900 * time.Millisecond)
					}
					ended, why = time.Now(), context.Cause(ctx)
					return why
				})
				var failed []workerpool.Failure
				b := start(t, apps(a), workerpool.Options{Workers: 1, HandlerTimeout: -1, Report: func(f workerpool.Failure) { failed = append(failed, f) }})
				b.volatile(channel, "a", order(1))
				time.Sleep(5500 * time.Millisecond)
				b.leave("a")
				left := time.Now()
				time.Sleep(5 * time.Second)
				synctest.Wait()
				if took := ended.Sub(left); ended.IsZero() || took > 2*time.Second {
					t.Errorf("the handler ended after %v", took)
				}
				if !errors.Is(why, asgi.ErrGone) {
					t.Errorf("it was cancelled because of %v, want %v", why, asgi.ErrGone)
				}
				if len(failed) != 0 {
					t.Errorf("a client that leaves was reported as a failure: %v", failed)
				}
			})
		})
	}
}

func TestAHandlerThatStreamsEndsWhenItsClientHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var why error
		a := on("http.request", func(ctx context.Context, j *workerpool.Job) error {
			if err := j.Send(ctx, j.ReplyChannel(), piece); err != nil {
				return err
			}
			<-ctx.Done()
			why = context.Cause(ctx)
			return why
		})
		b := start(t, apps(a), workerpool.Options{HandlerTimeout: -1})
		b.volatile("http.request", "a")
		time.Sleep(time.Hour)
		synctest.Wait()
		if why != nil {
			t.Fatalf("the stream was cancelled: %v", why)
		}
		b.leave("a")
		time.Sleep(time.Second)
		synctest.Wait()
		if !errors.Is(why, asgi.ErrGone) {
			t.Errorf("a second after its client left, the handler was cancelled because of %v", why)
		}
	})
}

func TestAHandlerThatHasSentNothingContinuesWithoutItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		a := on("http.request", func(ctx context.Context, j *workerpool.Job) error {
			time.Sleep(30 * time.Second)
			l.add("%v", ctx.Err())
			return reply(ctx, j)
		})
		b := start(t, apps(a), workerpool.Options{})
		b.volatile("http.request", "a")
		b.leave("a")
		time.Sleep(time.Minute)
		l.want(t, "<nil>")
	})
}

// TestAHandlerThatHasCompletedItsReplyContinues completes a response, or
// handles a disconnect message: the connection is expected to have ended.
func TestAHandlerThatHasCompletedItsReplyContinues(t *testing.T) {
	for _, channel := range []string{"http.request", "http.disconnect", "websocket.disconnect"} {
		t.Run(channel, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b *bench
				var l log
				a := on(channel, func(ctx context.Context, j *workerpool.Job) error {
					if channel == "http.request" {
						if err := reply(ctx, j); err != nil {
							return err
						}
					}
					b.leave("a")
					l.add("%v", j.Send(ctx, j.ReplyChannel(), piece))
					time.Sleep(30 * time.Second)
					l.add("%v", ctx.Err())
					return nil
				})
				b = start(t, apps(a), workerpool.Options{})
				b.volatile(channel, "a", order(1))
				time.Sleep(time.Minute)
				l.want(t, "<nil>", "<nil>")
			})
		})
	}
}

func TestASendToAClientThatHasLeftRenewsNoTimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var why error
		a := on("websocket.disconnect", func(ctx context.Context, j *workerpool.Job) error {
			for ctx.Err() == nil {
				if err := j.Send(ctx, j.ReplyChannel(), frame); err != nil {
					return err
				}
				time.Sleep(time.Second)
			}
			why = context.Cause(ctx)
			return why
		})
		b := start(t, apps(a), workerpool.Options{HandlerTimeout: 10 * time.Second})
		b.leave("a")
		b.volatile("websocket.disconnect", "a", order(1))
		time.Sleep(13 * time.Second)
		synctest.Wait()
		var late *workerpool.TimeoutError
		if !errors.As(why, &late) {
			t.Errorf("the handler was cancelled because of %v", why)
		}
	})
}

func TestASendToAnotherClientThatHasLeftIsNoError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		a := on("http.request", func(ctx context.Context, j *workerpool.Job) error {
			for range 5 {
				l.add("%v", j.Send(ctx, "front!other", frame))
				time.Sleep(time.Second)
			}
			return reply(ctx, j)
		})
		b := start(t, apps(a), workerpool.Options{})
		b.leave("other")
		b.volatile("http.request", "a")
		time.Sleep(time.Minute)
		l.want(t, "<nil>", "<nil>", "<nil>", "<nil>", "<nil>")
		if len(b.sent("a")) != 1 {
			t.Error("there was no reply")
		}
	})
}

// server is a loop application that sends a number of pieces, one each 100 ms,
// to each client. A negative number means no end.
type server struct {
	workerpool.Application
	pieces func(path string) int
	log    *log
}

func (s *server) Work(ctx context.Context, w *workerpool.LoopWorker) error {
	s.log.add("started")
	for {
		d, _, err := w.Receive(-1, "http.request")
		if err != nil {
			return err
		}
		for n := s.pieces(d.Message.Text("path")); n != 0; n-- {
			if err := w.Job().Send(ctx, w.Job().ReplyChannel(), piece); err != nil {
				return err
			}
			time.Sleep(100 * time.Millisecond)
		}
		if err := reply(ctx, w.Job()); err != nil {
			return err
		}
		s.log.add("replied to %s", d.Message.Text("path"))
	}
}

// TestALoopEndsOnlyIfItSendsForASecondToAClientThatHasLeft checks that a program
// continues after a short response to a client that has left, because a restart
// would lose its variables.
func TestALoopEndsOnlyIfItSendsForASecondToAClientThatHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		a := &server{Application: &app{}, log: &l, pieces: func(path string) int {
			if path == "/endless" {
				return -1
			}
			return 3
		}}
		b := start(t, apps(a), workerpool.Options{Workers: 1, HandlerTimeout: -1})
		b.leave("gone")
		request := func(connection, path string) {
			b.volatile("http.request", connection, asgi.Field{Key: "path", Value: path})
			time.Sleep(2 * time.Second)
			synctest.Wait()
		}
		request("gone", "/short")
		l.want(t, "started", "replied to /short")
		request("gone", "/endless")
		request("here", "/short")
		l.want(t, "started", "replied to /short", "started", "replied to /short")
	})
}
