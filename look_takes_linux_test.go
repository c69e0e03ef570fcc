package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestWhatAPageTakes measures what docs/benchmarks-inspector.md tells of: for
// as long as ASGIBOX_MEASURE says, each of two views is open while the four
// lines answer requests.
func TestWhatAPageTakes(t *testing.T) {
	span, err := time.ParseDuration(os.Getenv("ASGIBOX_MEASURE"))
	if err != nil {
		t.Skip("ASGIBOX_MEASURE, a duration, asks for it")
	}
	b := browser(t)()
	b.do(chromedp.EmulateViewport(1280, 860))
	p := startIn(t, "examples", "hello.star", "--store", "memory")
	measure := func(view string, load bool) {
		p.looking(b, view)
		stop := func() uint64 { return 0 }
		if load {
			stop = p.pipeline(15_000)
		}
		b.do(chromedp.Evaluate[chromedp.Void](`{
			window.gaps = []; window.long = [];
			let last = performance.now();
			const next = (now) => { gaps.push(now - last); last = now; requestAnimationFrame(next); };
			requestAnimationFrame(next);
			new PerformanceObserver((list) => long.push(...list.getEntries().map((e) => e.duration))).observe({ entryTypes: ["longtask"] });
		}`))
		began, cpu := time.Now(), rendererTime(t)
		streamed := p.streamed(view, span)
		took := time.Since(began)
		requests := stop()
		gaps := b.floats(`gaps`)
		slices.Sort(gaps)
		long := b.floats(`long`)
		t.Logf("%-9s load %-5v %6.0f messages/s, renderer %4.1f %%, gaps p50 %.1f p95 %.1f p99 %.1f most %.0f ms, %d long tasks (most %.0f ms), stream %.0f KB/s, %d elements",
			view, load, 2*float64(requests)/took.Seconds(), 100*(rendererTime(t)-cpu).Seconds()/took.Seconds(),
			gaps[len(gaps)/2], gaps[len(gaps)*95/100], gaps[len(gaps)*99/100], gaps[len(gaps)-1],
			len(long), slices.Max(append(long, 0)), float64(streamed)/took.Seconds()/1000, b.number(`document.querySelectorAll("*").length`))
	}
	for _, view := range []string{"messages", "flow"} {
		measure(view, false)
		measure(view, true)
	}
}

// pipeline sends so many requests a second, if the server can take them, over
// sixteen connections, a hundredth of a second's worth at a time. What it
// answers ends that, and answers how many were answered.
func (p *program) pipeline(perSecond int) (stop func() uint64) {
	const connections = 16
	ctx, cancel := context.WithCancel(context.Background())
	var all atomic.Uint64
	var done sync.WaitGroup
	request := []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	batch := perSecond / connections / 100
	for range connections {
		c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if err != nil {
			p.Fatal(err)
		}
		done.Go(func() {
			defer c.Close()
			in := bufio.NewReader(c)
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for ctx.Err() == nil {
				if _, err := c.Write(bytes.Repeat(request, batch)); err != nil {
					return
				}
				for range batch {
					r, err := http.ReadResponse(in, nil)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, r.Body)
					all.Add(1)
				}
				<-tick.C
			}
		})
	}
	return func() uint64 {
		cancel()
		done.Wait()
		return all.Load()
	}
}

// streamed reads the stream of a view for so long, and answers its bytes.
func (p *program) streamed(view string, span time.Duration) int64 {
	ctx, cancel := context.WithTimeout(context.Background(), span)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.saw(`look +(http\S+)`)[1]+"api/live?view="+view, nil)
	if err != nil {
		p.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		p.Fatal(err)
	}
	defer resp.Body.Close()
	n, _ := io.Copy(io.Discard, resp.Body) // ends with ctx
	return n
}

// rendererTime answers the CPU time of all renderers of browsers that this
// test has started.
func rendererTime(t *testing.T) (all time.Duration) {
	names, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		line, err := os.ReadFile(name)
		if err != nil || !bytes.Contains(line, []byte("--type=renderer")) || !ours(name) {
			continue
		}
		stat, err := os.ReadFile(filepath.Join(filepath.Dir(name), "stat"))
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(rest)
		user, _ := strconv.Atoi(fields[11])
		system, _ := strconv.Atoi(fields[12])
		all += time.Duration(user+system) * 10 * time.Millisecond
	}
	return all
}

// ours reports whether a process descends from this one.
func ours(name string) bool {
	pid := filepath.Base(filepath.Dir(name))
	for pid != "0" && pid != "1" && pid != "" {
		if pid == fmt.Sprint(os.Getpid()) {
			return true
		}
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil {
			return false
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		pid = strings.Fields(rest)[1]
	}
	return false
}

// floats evaluates a list of numbers.
func (b *tab) floats(expression string) []float64 {
	b.Helper()
	list, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]float64](expression))
	if err != nil {
		b.Fatal(err)
	}
	return list
}
