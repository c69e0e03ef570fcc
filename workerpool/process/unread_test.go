package process

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
	"asgibox/workerpool/process/wire"
)

func TestAJobThatIsNotReadIsCancelled(t *testing.T) {
	r := newRig(t, program("frozen"), threads(1), oneProcess, func(c *config) {
		c.pool.HandlerTimeout = 2 * time.Second
		c.store.MaxMessage = 2 << 20
	})
	r.mustLoad()
	r.get("/", 500, "--handler-timeout", "body", strings.Repeat("x", 1<<20))
	r.logged("a worker is replaced: it lost its last connection that runs jobs (it does not read its jobs")
}

// newRun returns a job on the one connection of a process, and the other end of that.
func newRun(t *testing.T, ctx context.Context) (here net.Conn, r *run) {
	s := newMemServer(t, 1<<20)
	g := &set{server: s.Server, opts: &Options{}, log: slog.New(slog.DiscardHandler)}
	c := &child{set: g, exited: make(chan struct{}), runs: map[int64]*run{}}
	c.loop.child = c
	here, there := net.Pipe()
	one := newConn(s.Server, there)
	one.child, one.serving = c, &serving{child: c, conn: one}
	return here, &run{set: g, child: c, on: one.serving, id: 1, ctx: ctx, layer: jobLayer{server: s.Server}}
}

// TestAThreadThatDoesNotReadItsAnswers makes a call and does not read its answer.
func TestAThreadThatDoesNotReadItsAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, r := newRun(t, context.Background())
		go wire.NewWriter(here).Write(asgi.Fields{{Key: "id", Value: int64(1)}, {Key: "call", Value: "new_channel"}, {Key: "pattern", Value: "x?"}})
		if _, err := r.end(r.watch()); err == nil || !strings.Contains(err.Error(), "closed its connection") {
			t.Errorf("got %v", err)
		}
		r.set.wg.Wait()
	})
}

// TestAJobThatIsCancelledWhileItIsSentLeavesItsConnection cancels a job in the moment in
// which the process reads it.
func TestAJobThatIsCancelledWhileItIsSentLeavesItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		here, r := newRun(t, ctx)
		defer here.Close()
		one := r.on.conn
		stop := r.watch()
		go func() {
			time.Sleep(stopTime / 2) // after the context has ended
			io.Copy(io.Discard, here)
		}()
		cancel()
		synctest.Wait()
		if err := one.send(asgi.Fields{{Key: "job", Value: int64(1)}}); err != nil {
			t.Fatal(err)
		}
		one.serving.sent()
		if _, err := r.read(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the job is not interrupted: %v", err)
		}
		stop()
		time.Sleep(2 * stopTime)
		if err := one.send(asgi.Fields{{Key: "job", Value: int64(2)}}); err != nil {
			t.Errorf("the connection has ended: %v", err)
		}
		one.close()
	})
}
