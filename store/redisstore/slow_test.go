package redisstore

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
)

func large(size int) asgi.Message {
	return asgi.MustMessage(asgi.Field{Key: "text", Value: strings.Repeat("x", size)})
}

func TestAReadFailsOnlyIfNothingComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		conn := newSlowConn(near)
		go func() {
			for range 4 {
				time.Sleep(replyTimeout * 2 / 3)
				_, _ = far.Write([]byte("x"))
			}
		}()
		_ = conn.SetReadDeadline(time.Now().Add(replyTimeout))
		if n, err := io.ReadFull(conn, make([]byte, 4)); err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a read of a silent connection: %v", err)
		}
	})
}

func TestAWriteFailsOnlyIfNothingGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		conn := newSlowConn(near)
		data := bytes.Repeat([]byte("0123456789"), 4*writePiece/10)
		var got []byte
		read := make(chan struct{})
		go func() {
			defer close(read)
			for len(got) < len(data) {
				time.Sleep(replyTimeout * 2 / 3)
				piece := make([]byte, writePiece)
				n, _ := io.ReadFull(far, piece[:min(writePiece, len(data)-len(got))])
				got = append(got, piece[:n]...)
			}
		}()
		_ = conn.SetWriteDeadline(time.Now().Add(replyTimeout))
		if n, err := conn.Write(data); n != len(data) || err != nil {
			t.Fatalf("%d bytes, %v", n, err)
		}
		<-read
		if !bytes.Equal(got, data) {
			t.Error("the data has changed")
		}
		if n, err := conn.Write(data); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a write that nobody reads: %d bytes, %v", n, err)
		}
	})
}

// A reply has one message more than the limit at most, and there is no message that it
// cannot have.
func TestAReplyHasALimitInBytes(t *testing.T) {
	t.Parallel()
	const size, count = 1 << 20, 8
	l := open(t, sharedServer(t), Options{MaxMessage: 2 * replyBytes})
	for i := range count {
		m := large(size)
		if i == count-1 {
			m = large(2 * replyBytes)
		}
		if err := l.Send(t.Context(), nil, "c", m); err != nil {
			t.Fatal(err)
		}
	}
	if found, err := l.Peek(t.Context(), "c", 0, count); err != nil || len(found) != replyBytes/size {
		t.Errorf("%d messages were looked at, %v", len(found), err)
	}
	h, channels := l.hosts[0], []string{"c"}
	for _, want := range []int{replyBytes / size, count - replyBytes/size, 0} {
		keys, args := l.takeArgs(channels, count, nil, "", "")
		v, err := h.eval(t.Context(), "take", takeScript, keys, args...)
		if err != nil {
			t.Fatal(err)
		}
		reply, _ := v.([]any)
		if got := l.took(h, channels, reply); len(got) != want {
			t.Errorf("%d messages were taken, want %d", len(got), want)
		}
	}
}

func TestAPipelineHasALimitInBytes(t *testing.T) {
	t.Parallel()
	h := open(t, sharedServer(t), Options{}).hosts[0]
	b := &batch{host: h, flights: 1}
	var ops []*operation
	for range 6 {
		op := &operation{kind: "test", lead: make(chan bool, 1)}
		op.add(nil, "echo", strings.Repeat("x", pipelineBytes*2/5))
		ops = append(ops, op)
	}
	b.waiting = append(b.waiting, ops...)
	ops[0].leads = true
	for i, op := range ops {
		if i%2 > 0 {
			if lead := <-op.lead; lead {
				t.Errorf("operation %d was not in the pipeline of the one before it", i)
			}
			continue
		}
		b.fly(op)
		if left := len(b.waiting); left != len(ops)-i-2 {
			t.Errorf("%d operations wait after a pipeline", left)
		}
		if i+1 < len(ops)-1 && !<-ops[i+2].lead {
			t.Error("the next operation does not lead")
		}
	}
}
