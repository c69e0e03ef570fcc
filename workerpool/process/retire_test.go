package process

import (
	"errors"
	"testing"
	"testing/synctest"
)

// TestAReceiveOverHTTPOfAProcessThatHasEnded has nobody who makes the writes that are
// posted.
func TestAReceiveOverHTTPOfAProcessThatHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &child{set: &set{}, slot: &slot{}, posts: make(chan func(), 1), isReady: true, kind: kindLoop}
		c.loop.child = c
		done := make(chan error, 1)
		go func() {
			_, err := (&loopLayer{child: c}).Receive(t.Context(), nil, "jobs")
			done <- err
		}()
		synctest.Wait()
		c.loop.retire()
		synctest.Wait()
		select {
		case err := <-done:
			if !errors.Is(err, errRetired) {
				t.Errorf("got %v", err)
			}
		default:
			t.Fatal("the receive still waits")
		}
	})
}
