package workerpool_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/workerpool"
)

// loads is a loader that calls one function after another.
type loads []func(context.Context) (workerpool.Application, error)

func (l *loads) Load(ctx context.Context, _ uint64) (workerpool.Application, error) {
	load := (*l)[0]
	*l = (*l)[1:]
	return load(ctx)
}

// hooked is an application whose Live or Current calls a function.
type hooked struct {
	*app
	start   func(context.Context) error
	current func()
}

func (a hooked) Live(ctx context.Context, _ bool) error { return a.start(ctx) }
func (a hooked) Current()                               { a.current() }

func good(context.Context) (workerpool.Application, error) { return on("http.request", reply), nil }

// hangs ends with an error when the load is cancelled.
func hangs(ctx context.Context) (workerpool.Application, error) {
	<-ctx.Done()
	return nil, errors.New("hung")
}

func hangsInHook(context.Context) (workerpool.Application, error) {
	return hooked{on("http.request", reply), func(ctx context.Context) error { <-ctx.Done(); return errors.New("hung") }, nil}, nil
}

// TestANewerReloadCancelsTheLoad checks that a load that hangs does not hold up the load
// of the repaired file, and that the calls of Reload share the outcome.
func TestANewerReloadCancelsTheLoad(t *testing.T) {
	for name, c := range map[string]struct {
		loads loads
		took  time.Duration
		want  []string
	}{
		"the first load hangs":  {loads{hangs, good}, 0, []string{"1 [] <nil>"}},
		"the start hook hangs":  {loads{hangsInHook, good}, 0, []string{"1 [] <nil>"}},
		"a reload hangs":        {loads{good, hangs, good}, 0, []string{"1 [] <nil>", "2 [b.star a.star] <nil>"}},
		"the reload hook hangs": {loads{good, hangsInHook, good}, 0, []string{"1 [] <nil>", "2 [b.star a.star] <nil>"}},
		"the newest hangs too":  {loads{good, hangs, hangs}, time.Minute, []string{"1 [] <nil>", "2 [b.star a.star] hung"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l log
				b := start(t, &c.loads, workerpool.Options{LoadTimeout: time.Minute, Loaded: func(g workerpool.Generation, changed []string, err error) {
					l.add("%d %v %v", g.Number, changed, err)
				}})
				began := time.Now()
				outcomes := make(chan string, 2)
				for _, file := range []string{"a.star", "b.star"}[2-len(c.loads):] {
					go func() {
						g, err := b.pool.Reload(t.Context(), file)
						outcomes <- fmt.Sprint(g, err)
					}()
					synctest.Wait()
				}
				for first := <-outcomes; len(outcomes) > 0; {
					if other := <-outcomes; other != first {
						t.Errorf("the outcomes are %s and %s", first, other)
					}
				}
				if took := time.Since(began); took != c.took {
					t.Errorf("it took %v", took)
				}
				l.want(t, c.want...)
			})
		})
	}
}

// TestALoadThatHasSucceededIsNotCancelled reloads while the new generation becomes current.
func TestALoadThatHasSucceededIsNotCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		swapped := make(chan struct{})
		swaps := func(context.Context) (workerpool.Application, error) {
			return hooked{on("http.request", reply), func(context.Context) error { return nil }, func() { <-swapped }}, nil
		}
		b := start(t, &loads{swaps, good}, workerpool.Options{Loaded: func(g workerpool.Generation, changed []string, err error) {
			l.add("%d %v %v", g.Number, changed, err)
		}})
		done := make(chan error)
		go func() {
			_, err := b.pool.Reload(t.Context(), "a.star")
			done <- err
		}()
		synctest.Wait()
		close(swapped)
		if err := <-done; err != nil {
			t.Error(err)
		}
		l.want(t, "1 [] <nil>", "2 [a.star] <nil>")
	})
}

// TestReloadsOfALoadThatDoesNotStopCoalesce checks that changes during a load that does
// not react to its end make one more load.
func TestReloadsOfALoadThatDoesNotStopCoalesce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		deaf := func(context.Context) (workerpool.Application, error) {
			time.Sleep(time.Minute)
			return nil, errors.New("hung")
		}
		b := start(t, &loads{good, deaf, good}, workerpool.Options{LoadTimeout: time.Hour, Loaded: func(g workerpool.Generation, changed []string, err error) {
			l.add("%d %v %v", g.Number, changed, err)
		}})
		done := make(chan error)
		for i := range 5 {
			go func() {
				_, err := b.pool.Reload(t.Context(), fmt.Sprint(i/2))
				done <- err
			}()
			synctest.Wait()
		}
		for range 5 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		l.want(t, "1 [] <nil>", "2 [0 1 2] <nil>")
	})
}

// TestACallerThatGivesUpEndsOnlyItsOwnReload checks that another call still loads the
// application.
func TestACallerThatGivesUpEndsOnlyItsOwnReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deaf := func(context.Context) (workerpool.Application, error) {
			time.Sleep(time.Minute)
			return nil, errors.New("hung")
		}
		b := start(t, &loads{good, deaf, good}, workerpool.Options{LoadTimeout: time.Hour})
		ctx, giveUp := context.WithCancel(t.Context())
		go func() { _, _ = b.pool.Reload(ctx) }()
		synctest.Wait()
		done := make(chan error)
		go func() {
			_, err := b.pool.Reload(t.Context())
			done <- err
		}()
		synctest.Wait()
		giveUp()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestALoadThatTheCallerEndsIsNoFailureOfTheApplication ends a load as a server does that
// stops.
func TestALoadThatTheCallerEndsIsNoFailureOfTheApplication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		b := start(t, &loads{good, hangs, good}, workerpool.Options{LoadTimeout: time.Minute, Loaded: func(g workerpool.Generation, _ []string, err error) {
			l.add("%d %v", g.Number, err)
		}})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := b.pool.Reload(ctx)
			done <- err
		}()
		synctest.Wait()
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("err = %v", err)
		}
		if _, err := b.pool.Reload(t.Context()); err != nil {
			t.Error(err)
		}
		l.want(t, "1 <nil>", "2 <nil>")
	})
}
