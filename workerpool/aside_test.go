package workerpool_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/workerpool"
)

func TestHandlersThatStepAsideDoNotCountUntilTheyEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slow, fast counter
		waits := func(ctx context.Context, j *workerpool.Job) error {
			j.StepAside(0)
			return slow.work(ctx, j)
		}
		application := func() *app {
			return &app{consumers: map[string]*consumer{"slow": {run: waits}, "http.request": {run: fast.work}}}
		}
		b := start(t, apps(application(), application()), workerpool.Options{Workers: 2, Grace: time.Minute})
		for i := range 5 {
			b.volatile("slow", fmt.Sprint("slow", i))
		}
		if n, _ := slow.now(); n != 5 {
			t.Errorf("%d slow handlers run, want 5", n)
		}
		for i := range 3 {
			b.volatile("http.request", fmt.Sprint("fast", i))
		}
		if n, _ := fast.now(); n != 2 {
			t.Errorf("%d other handlers run, want 2", n)
		}
		if _, err := b.pool.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.volatile("slow", "slow5")
		if n, _ := slow.now(); n != 6 {
			t.Errorf("%d slow handlers run after a reload, want 6", n)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(b.pool.Workers()); n != 2 {
			t.Errorf("%d workers are left, want 2", n)
		}
	})
}
