package e2e

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

// BenchmarkPage measures the cost of an open view of the inspector. In each
// iteration it is open for a second, without traffic or while the four lines get
// up to 15,000 requests.
func BenchmarkPage(b *testing.B) {
	for _, view := range []string{"messages", "requests", "flow"} {
		for _, load := range []string{"quiet", "load"} {
			b.Run(view+"/"+load, func(b *testing.B) {
				page := browser(b)(b)
				page.do(chromedp.EmulateViewport(1280, 860))
				p := startIn(b, "../../examples", "hello.star", "--store", "memory")
				p.openView(page, view)
				if load == "load" {
					defer p.sendLoad(b, 15_000)()
				}
				page.measure(b, func() {
					b.ReportMetric(float64(p.readStream(view, time.Duration(b.N)*time.Second))/1000/float64(b.N), "stream-KB/s")
				})
			})
		}
	}
}

// measure reports the cost of the page while during runs: the renderer's CPU
// time, the gaps between frames, and tasks of 50 ms or more.
func (b *tab) measure(to *testing.B, during func()) {
	b.do(chromedp.Evaluate[chromedp.Void](`{
		window.gaps = []; window.long = [];
		let last = performance.now();
		const next = (now) => { gaps.push(now - last); last = now; requestAnimationFrame(next); };
		requestAnimationFrame(next);
		new PerformanceObserver((list) => long.push(...list.getEntries().map((e) => e.duration))).observe({ entryTypes: ["longtask"] });
	}`))
	began, cpu := time.Now(), rendererTime(b)
	during()
	to.ReportMetric(100*(rendererTime(b)-cpu).Seconds()/time.Since(began).Seconds(), "renderer-%")
	gaps := evaluate[[]float64](b, `gaps`)
	slices.Sort(gaps)
	for _, p := range []int{50, 95, 99} {
		to.ReportMetric(gaps[len(gaps)*p/100], fmt.Sprintf("p%d-gap-ms", p))
	}
	to.ReportMetric(gaps[len(gaps)-1], "max-gap-ms")
	to.ReportMetric(float64(len(evaluate[[]float64](b, `long`))), "long-tasks")
	to.ReportMetric(float64(b.integer(`document.querySelectorAll("*").length`)), "elements")
}

// sendLoad sends up to perSecond requests over sixteen connections, in batches
// every 10 ms, until stop is called. stop reports the rate of messages.
func (p *program) sendLoad(b *testing.B, perSecond int) (stop func()) {
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
	began := time.Now()
	return func() {
		cancel()
		done.Wait()
		b.ReportMetric(2*float64(all.Load())/time.Since(began).Seconds(), "messages/s")
	}
}

// readStream reads the stream of a view for a time and returns its size in bytes.
func (p *program) readStream(view string, span time.Duration) int64 {
	ctx, cancel := context.WithTimeout(context.Background(), span)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.controlURL()+"api/live?view="+view, nil)
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

// rendererTime returns the CPU time of all renderers of browsers that this
// process has started.
func rendererTime(t testing.TB) (all time.Duration) {
	names, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		line, err := os.ReadFile(name)
		if err != nil || !bytes.Contains(line, []byte("--type=renderer")) || !isDescendant(name) {
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

// isDescendant reports whether a process descends from this one.
func isDescendant(name string) bool {
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
