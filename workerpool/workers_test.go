package workerpool_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/workerpool"
)

func TestWorkersReportTheirWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var handled []workerpool.Handled
		a := on("http.request", func(ctx context.Context, j *workerpool.Job) error {
			time.Sleep(3 * time.Second)
			return reply(ctx, j)
		})
		b := start(t, apps(a), workerpool.Options{Workers: 2, Handled: func(h workerpool.Handled) { handled = append(handled, h) }})
		began := time.Now()
		b.volatile("http.request", "x")
		time.Sleep(time.Second)
		views := b.pool.Workers()
		if len(views) != 2 || views[0].Number >= views[1].Number {
			t.Fatalf("workers: %+v", views)
		}
		busy := views[0]
		if !busy.Busy {
			busy = views[1]
		}
		if !busy.Busy || busy.Channel != "http.request" || busy.Handler != "http.request" || busy.Trace != 1 || !busy.Since.Equal(began) || busy.Generation != 1 {
			t.Errorf("the busy one: %+v", busy)
		}
		time.Sleep(5 * time.Second)
		for _, v := range b.pool.Workers() {
			if v.Busy {
				t.Errorf("still busy: %+v", v)
			}
		}
		if len(handled) != 1 || handled[0].Worker != busy.Number || !handled[0].Began.Equal(began) || handled[0].Consumer.Name() != "http.request" {
			t.Errorf("handled: %+v", handled)
		}
	})
}

func TestWorkersReuseTheNumbersOfEndedOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const workers = 3
		b := start(t, apps(on("x", nil)), workerpool.Options{Workers: workers})
		for range 3 {
			if _, err := b.pool.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			views := b.pool.Workers()
			if len(views) != workers {
				t.Fatalf("%d workers: %+v", len(views), views)
			}
			for _, v := range views {
				if v.Number > 2*workers { // the old workers end after the new ones have started
					t.Errorf("a number is not reused: %+v", v)
				}
			}
		}
		if err := b.pool.SetWorkers(2 * workers); err != nil {
			t.Fatal(err)
		}
		for i, v := range b.pool.Workers() {
			if v.Number != i+1 {
				t.Errorf("worker %d has the number %d", i+1, v.Number)
			}
		}
	})
}
