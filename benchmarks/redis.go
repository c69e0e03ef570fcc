package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"asgibox/asgi"
	"asgibox/internal/load"
	"asgibox/store/redisstore"
)

// inFlight is the number of callers of a Redis at the same time.
const inFlight = 64

// body is the content of the messages over Redis.
var body = make([]byte, 200)

// startRedis starts a Redis without persistence, on a socket in a scratch folder. It
// fails with exec.ErrNotFound if there is none on this machine. The caller must stop
// it.
func startRedis() (*process, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "asgibox-redis-")
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(dir, "s")
	cmd := exec.Command(path, "--port", "0", "--unixsocket", socket, "--dir", dir, "--save", "", "--logfile", filepath.Join(dir, "log"))
	if err := cmd.Start(); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	p := &process{addr: socket, cmd: cmd, pid: cmd.Process.Pid, dir: dir}
	for start := time.Now(); time.Since(start) < startLimit; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(socket); err == nil {
			return p, nil
		}
	}
	p.stop()
	p.wait()
	return nil, fmt.Errorf("%s did not start", path)
}

// startOnRedis starts a Redis and the servers of a row on it. The first server's
// process has the others.
func startOnRedis(ctx context.Context, program string, r *row) (_ *process, err error) {
	db, err := startRedis()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			db.stop()
			db.wait()
		}
	}()
	all := []*process{}
	for range r.onRedis {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		p, err := startAt(interruptible(ctx, program, "run", filepath.FromSlash(r.app), "--port", port, "--control", "off",
			"--layer", "unix://"+db.addr, "-q"), "127.0.0.1:"+port)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	first := all[0]
	first.others, first.backend = all[1:], db
	return first, nil
}

// redisWork works for the given span on a Redis, with one caller or many, and returns
// the latencies of its operations.
type redisWork func(ctx context.Context, socket string, callers int, span time.Duration) (*load.Meter, error)

// measureRedis measures the work of a row, which runs in this process.
func measureRedis(ctx context.Context, r *row, o options) (result, error) {
	db, err := startRedis()
	if err != nil {
		return result{}, err
	}
	defer db.wait()
	defer db.stop()
	self := &process{pid: os.Getpid(), backend: db}
	before, err := self.cpu()
	if err != nil {
		return result{}, err
	}
	began := time.Now()
	many, err := r.redis(ctx, db.addr, inFlight, o.span)
	if err != nil {
		return result{}, err
	}
	elapsed := time.Since(began)
	after, err := self.cpu()
	if err != nil {
		return result{}, err
	}
	one, err := r.redis(ctx, db.addr, 1, o.span/3)
	if err != nil {
		return result{}, err
	}
	n := float64(many.Completed())
	return result{
		rate: n / elapsed.Seconds(), cpu: micros(after-before) / n,
		p50: many.Latencies.Quantile(0.5), p99: many.Latencies.Quantile(0.99), alone: one.Latencies.Quantile(0.5),
	}, nil
}

// A caller does one operation at a time. Each has its own number.
type caller func(ctx context.Context, number int) error

// repeat lets callers work for the given span.
func repeat(ctx context.Context, callers int, span time.Duration, work caller) (*load.Meter, error) {
	m := &load.Meter{}
	var last atomic.Int64
	newClient := func() load.Client { return &working{work: work, number: int(last.Add(1))} }
	if err := load.Run(ctx, newClient, load.Options{Connections: callers, Duration: span}, m); err != nil {
		return nil, err
	}
	return m, failures(m)
}

// working is a client of the load generator that calls a function.
type working struct {
	work   caller
	number int
}

func (w *working) Connect(context.Context) error { return nil }
func (w *working) Close()                        {}
func (w *working) Do(ctx context.Context) (status int, err error) {
	return 200, w.work(ctx, w.number)
}

// roundTrips sends one command at a time with the bytes of a message: a baseline for
// the time of one caller.
func roundTrips(ctx context.Context, socket string, callers int, span time.Duration) (*load.Meter, error) {
	c := redis.NewClient(&redis.Options{Network: "unix", Addr: socket, Protocol: 2, PoolSize: callers})
	defer c.Close()
	return repeat(ctx, callers, span, func(ctx context.Context, number int) error {
		return c.Set(ctx, fmt.Sprint("bench", number), body, time.Minute).Err()
	})
}

// rawSend and rawTake have the effects that a send and a receive have on the wire.
var (
	rawSend = redis.NewScript(`
redis.call('SET', KEYS[1], ARGV[1], 'EX', 60)
redis.call('RPUSH', KEYS[2], KEYS[1])
redis.call('EXPIRE', KEYS[2], 61)
for i = 3, 4 do
  redis.call('INCR', KEYS[i])
  redis.call('EXPIRE', KEYS[i], 3600)
end`)
	rawTake = redis.NewScript(`
local id = redis.call('LPOP', KEYS[1])
local body = redis.call('GET', id)
redis.call('DEL', id)
return body`)
)

// rawCommands sends and takes messages with scripts that have the effects of the
// layer, and nothing around them.
func rawCommands(ctx context.Context, socket string, callers int, span time.Duration) (*load.Meter, error) {
	c := redis.NewClient(&redis.Options{Network: "unix", Addr: socket, Protocol: 2, PoolSize: callers})
	defer c.Close()
	return repeat(ctx, callers, span, func(ctx context.Context, number int) error {
		channel := fmt.Sprint("bench", number)
		if err := rawSend.Run(ctx, c, []string{"asgi:id" + channel, "asgi:" + channel, "asgi-meta:" + channel, "asgi-meta:#global#"}, body).Err(); err != redis.Nil {
			return err
		}
		return rawTake.Run(ctx, c, []string{"asgi:" + channel}).Err()
	})
}

// layerMessages sends and receives messages through the layer.
func layerMessages(ctx context.Context, socket string, callers int, span time.Duration) (*load.Meter, error) {
	layer, err := redisstore.Open(ctx, redisstore.Options{Hosts: []redisstore.Host{{Network: "unix", Address: socket}}})
	if err != nil {
		return nil, err
	}
	defer layer.Close()
	message, err := asgi.NewMessage(asgi.Field{Key: "body", Value: body})
	if err != nil {
		return nil, err
	}
	return repeat(ctx, callers, span, func(ctx context.Context, number int) error {
		channel := fmt.Sprint("bench", number)
		if err := layer.Send(ctx, nil, channel, message); err != nil {
			return err
		}
		_, err := layer.Receive(ctx, nil, channel)
		return err
	})
}

// sockets returns a function that makes sockets of all servers of a process in turn.
func (p *process) sockets(ctx context.Context) (func() *load.Socket, error) {
	var all []func() *load.Socket
	for _, server := range append([]*process{p}, p.others...) {
		s, err := resolve(ctx, "ws", server.addr)
		if err != nil {
			return nil, err
		}
		all = append(all, s.Sockets(nil, text))
	}
	var mu sync.Mutex // guards next
	next := 0
	return func() *load.Socket {
		mu.Lock()
		defer mu.Unlock()
		next++
		return all[next%len(all)]()
	}, nil
}
