package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"asgibox/internal/load"
)

// sampleTime is the time from one sample of a soak to the next.
const sampleTime = 30 * time.Second

// soak puts a steady load on the whole program, with its inspector and its store on
// disk, and prints the memory and the goroutines of the server. A value that keeps
// growing is a leak. The last sample is taken after all clients have left.
func soak(ctx context.Context, o options) error {
	remove, err := o.build(ctx)
	if err != nil {
		return err
	}
	defer remove()
	ctx, stop := context.WithCancel(ctx)
	r := &row{app: "benchmarks/apps/soak.star", group: &group{}}
	defer func() {
		stop()
		r.p.wait()
	}()
	if r.p, err = startProduct(ctx, o.asgibox, r); err != nil {
		return err
	}
	fmt.Printf("%d WebSockets, each sends a text every 35 s; 200 requests/s.\n\n"+
		"| seconds | heap, MiB | stacks, MiB | resident, MiB | goroutines | operations | failures |\n"+
		"|---:|---:|---:|---:|---:|---:|---:|\n", o.idle)
	m := &load.Meter{}
	start := time.Now()
	ended := make(chan error, 1)
	go func() { ended <- soakLoad(ctx, r.p.addr, o, m) }()
	for {
		select {
		case <-ctx.Done():
			return errors.New("interrupted")
		case <-time.After(sampleTime):
			if err := r.p.sample(start, m); err != nil {
				return err
			}
		case err := <-ended:
			if err != nil {
				return err
			}
			time.Sleep(2 * time.Second) // the server notices that its clients have left
			return errors.Join(r.p.sample(start, m), failures(m))
		}
	}
}

// soakLoad runs all clients of a soak.
func soakLoad(ctx context.Context, addr string, o options, m *load.Meter) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var running sync.WaitGroup
	run := func(connections int, rate float64, url string, client func(*load.Server) func() load.Client) {
		running.Go(func() {
			server, err := load.Resolve(ctx, url, false)
			if err == nil {
				err = load.Run(ctx, client(server), load.Options{Connections: connections, Duration: o.soak, Rate: rate}, m)
			}
			if err != nil {
				fail(err)
			}
		})
	}
	get := func(s *load.Server) func() load.Client { return s.HTTP(load.Request{Method: http.MethodGet}) }
	run(16, 160, "http://"+addr+"/", get)
	run(8, 10, "http://"+addr+"/slow", get)
	run(2, 10, "http://"+addr+"/", func(s *load.Server) func() load.Client { return brief(get(s), 1) })
	run(2, 10, "http://"+addr+"/slow", func(s *load.Server) func() load.Client {
		return func() load.Client { return quitter{addr} }
	})
	run(2, 10, "http://"+addr+"/jobs", func(s *load.Server) func() load.Client {
		return s.HTTP(load.Request{
			Method: http.MethodPost, Header: []string{"Content-Type: application/x-www-form-urlencoded"},
			Body: []byte("data=" + strings.Repeat("x", 20_000)),
		})
	})
	// A socket ends after 25 texts on average: a quarter of an hour.
	run(o.idle, float64(o.idle)/35, "ws://"+addr+"/", func(s *load.Server) func() load.Client {
		s.Timeout = time.Minute // a deadline stays set between two texts
		return brief(s.Echo(nil, text), 1.0/25)
	})
	running.Wait()
	return context.Cause(ctx)
}

// brief returns a function that makes clients, which close their connection after
// an operation with a probability. The next operation opens another one.
func brief(newClient func() load.Client, probability float64) func() load.Client {
	return func() load.Client { return briefClient{newClient(), probability} }
}

type briefClient struct {
	load.Client
	probability float64
}

func (c briefClient) Do(ctx context.Context) (int, error) {
	status, err := c.Client.Do(ctx)
	if rand.Float64() < c.probability {
		c.Close()
	}
	return status, err
}

// A quitter leaves before its request has a response.
type quitter struct{ addr string }

func (q quitter) Connect(context.Context) error { return nil }
func (q quitter) Close()                        {}

func (q quitter) Do(ctx context.Context) (int, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", q.addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if _, err = io.WriteString(c, "GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n"); err == nil {
		time.Sleep(50 * time.Millisecond)
	}
	return 0, err
}

// sample collects the garbage of the server and prints its memory and goroutines.
func (p *process) sample(start time.Time, m *load.Meter) error {
	heap, err := p.profile("heap?gc=1&debug=1", "# HeapAlloc = %d")
	if err != nil {
		return err
	}
	stacks, err := p.profile("heap?debug=1", "# Stack = %d")
	if err != nil {
		return err
	}
	goroutines, err := p.profile("goroutine?debug=1", "goroutine profile: total %d")
	if err != nil {
		return err
	}
	resident, err := p.resident()
	const mib = 1 << 20
	fmt.Printf("| %.0f | %.1f | %.1f | %.1f | %d | %d | %d |\n", time.Since(start).Seconds(),
		float64(heap)/mib, float64(stacks)/mib, float64(resident)/mib, goroutines, m.Completed(), m.Failed())
	return err
}

// profile returns the number in a line of a profile of the server.
func (p *process) profile(name, line string) (n int, err error) {
	resp, err := http.Get("http://" + p.control + "/debug/pprof/" + name)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if k, _ := fmt.Sscanf(lines.Text(), line, &n); k == 1 {
			return n, nil
		}
	}
	return 0, fmt.Errorf("the profile %s has no line like %q", name, line)
}
