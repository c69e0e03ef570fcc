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

func TestAGenerationThatFailsToStartIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		bad := on("other", reply)
		bad.live = func(first bool) error { return fmt.Errorf("first: %v", first) }
		bad.closed = func() { l.add("closed") }
		b := start(t, apps(on("jobs", reply), bad), workerpool.Options{})
		if _, err := b.pool.Reload(t.Context()); err == nil || err.Error() != "first: false" {
			t.Errorf("err = %v", err)
		}
		l.want(t, "closed")
		if g := b.pool.Current(); g.Number != 1 || g.Kind != workerpool.KindRouted || fmt.Sprint(g.Channels) != "[jobs]" {
			t.Errorf("current: %+v", g)
		}
	})
}

func TestAFirstLoadThatFailsIsABrokenGeneration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := on("jobs", reply)
		first.live = func(first bool) error { return fmt.Errorf("first: %v", first) }
		l := apps(first)
		l.next = append(l.next, func() (workerpool.Application, error) { return nil, errors.New("broken") })
		var failures []string
		b := start(t, l, workerpool.Options{
			Loaded: func(g workerpool.Generation, _ []string, err error) {
				failures = append(failures, fmt.Sprintf("%d %s %v", g.Number, g.Kind, err))
			},
			Report: func(f workerpool.Failure) { t.Errorf("reported again: %v", f.Err) },
		})
		_, _ = b.pool.Reload(t.Context())
		if got := fmt.Sprint(failures); got != "[1 broken first: true 1 broken broken]" {
			t.Errorf("loads: %v", got)
		}
		if g := b.pool.Current(); g.Number != 1 || g.Kind != workerpool.KindBroken {
			t.Errorf("current: %+v", g)
		}
		b.volatile("http.request", "a")
		synctest.Wait()
		if got := b.sent("a"); len(got) != 1 || got[0].Int("status") != 500 {
			t.Errorf("sent %v", got)
		}
	})
}

func TestReloadDoesNotWaitForBusyWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := on("http.request", func(ctx context.Context, j *workerpool.Job) error {
			time.Sleep(5 * time.Second)
			return reply(ctx, j)
		})
		b := start(t, apps(a), workerpool.Options{Workers: 1})
		b.volatile("http.request", "a")
		synctest.Wait()
		began := time.Now()
		if _, err := b.pool.Reload(t.Context()); err != nil || time.Since(began) != 0 {
			t.Errorf("Reload took %v, err = %v", time.Since(began), err)
		}
	})
}
