package command

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// unread is a writer that is not read until its channel is closed.
type unread chan struct{}

func (u unread) Write(b []byte) (int, error) {
	<-u
	return len(b), nil
}

func TestACommandDoesNotWaitForAReaderThatHasStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		to := make(unread)
		defer close(to)
		out := NewOutput(ctx, to)
		written := make(chan error)
		go func() {
			_, err := out.Write([]byte("a"))
			written <- err
		}()
		synctest.Wait()
		select {
		case err := <-written:
			t.Fatalf("the write has ended before its command should: %v", err)
		default:
		}
		cancel()
		if err := <-written; !errors.Is(err, errUnread) {
			t.Errorf("the error is %v", err)
		}
		if _, err := out.Write([]byte("b")); !errors.Is(err, errUnread) || !errors.Is(out.Err(), errUnread) {
			t.Errorf("the next error is %v", err)
		}
	})
}

func TestTheLastLinesAreWrittenAfterTheEndOfACommand(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var to bytes.Buffer
	out := NewOutput(ctx, &to)
	for _, line := range []string{"a\n", "b\n"} {
		if n, err := out.Write([]byte(line)); n != 2 || err != nil {
			t.Error(n, err)
		}
	}
	if to.String() != "a\nb\n" || out.Err() != nil {
		t.Errorf("%q, %v", to.String(), out.Err())
	}
}
