package e2e

import (
	"slices"
	"strconv"
	"testing"
	"time"
)

// BenchmarkReload measures the time from the write of the file to the first reply
// by the new code. It includes the time without changes before a reload.
func BenchmarkReload(b *testing.B) {
	p := start(b, echoApp("0"))
	p.waitFor("loaded")
	var took []time.Duration
	for i := 1; b.Loop(); i++ {
		version := strconv.Itoa(i)
		began := time.Now()
		p.save("app.star", echoApp(version))
		for {
			if _, body := p.get("/"); body == version {
				break
			}
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
}

// BenchmarkStart measures the time from the start of the program to its first
// reply.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		p := start(b, helloApp)
		if _, body := p.get("/"); body != "hello" {
			b.Fatal(body)
		}
		b.StopTimer()
		p.stop()
		b.StartTimer()
	}
}
