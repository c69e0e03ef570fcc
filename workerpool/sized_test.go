package workerpool_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"asgibox/workerpool"
)

// sized is an application that sets the number of its workers.
type sized struct {
	*app
	workers int
}

func (s sized) Workers() int { return s.workers }

func TestASizedApplicationSetsTheNumberOfItsWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, apps(sized{on("http.request", reply), 3}, sized{on("http.request", reply), 2000}, sized{on("http.request", reply), 1}), workerpool.Options{Workers: 16})
		for _, want := range []int{3, 2000, 1} {
			synctest.Wait()
			if n := len(b.pool.Workers()); n != want {
				t.Errorf("%d workers, want %d", n, want)
			}
			if err := b.pool.SetWorkers(5); !errors.Is(err, workerpool.ErrSized) {
				t.Errorf("SetWorkers: %v", err)
			}
			if _, err := b.pool.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
}
