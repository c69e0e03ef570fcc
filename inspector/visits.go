package inspector

import (
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"asgibox/asgi"
	"asgibox/inspector/api"
)

// Values of [Visit.Kind].
const (
	visitHTTP       = "HTTP"
	visitConnecting = "WSCONNECTING"
	visitConnect    = "WSCONNECT"
	visitRefused    = "WSREJECT"
	visitDisconnect = "WSDISCONNECT"
)

// maxClosed is how many closed connections are listed.
const maxClosed = 200

// latencyBuckets is the number of buckets for durations in microseconds: four for
// each power of two.
const latencyBuckets = 4 * 40

// visits counts requests and WebSockets. Counting takes no lock.
type visits struct {
	classes [6]atomic.Uint64 // requests by hundreds of the status; 0 if the client left
	latency [latencyBuckets]atomic.Uint64
	micros  atomic.Uint64 // sum of all durations
	opened  atomic.Uint64 // WebSockets
	refused atomic.Uint64

	mu     sync.Mutex // guards the rest
	closed []api.Visit
}

// Visited records a report of the protocol server. It may be called from many
// goroutines and does not block. It calls client only if the address will be
// shown, because formatting that costs more than all the rest.
func (s *Server) Visited(v Visit, client func() string) {
	s.visits.add(&v)
	ended := v.Kind == visitDisconnect || v.Kind == visitRefused
	if !ended && !s.Remembers(v.Trace) && !s.reports.acceptsUnsent(&v) {
		return
	}
	stored := v // on the heap only from here on
	stored.Client, stored.Method, stored.Path = client(), cut(v.Method), cutPath(v.Path)
	if stored.At.IsZero() {
		stored.At = time.Now()
	}
	if ended {
		s.visits.close(visitOf(&stored))
	}
	addReport(&s.reports, &s.reports.visits, stored)
}

// Remembers reports whether a trace is recorded, or a caller waits for its
// outcome. It takes no lock.
func (s *Server) Remembers(t asgi.TraceID) bool {
	return t != 0 && (s.recorder.Wants(t) || s.awaited.count.Load() > 0)
}

// Handled records that a worker has handled a message. Call it only for messages
// of recorded traces; see [Server.Remembers].
func (s *Server) Handled(span Span) {
	s.awaited.handled(&span)
	if span.ID != 0 {
		addReport(&s.reports, &s.reports.spans, span)
	}
}

func (c *visits) add(v *Visit) {
	switch v.Kind {
	case visitHTTP:
		c.classes[class(v.Status)].Add(1)
		micros := uint64(max(v.Duration.Microseconds(), 0))
		c.latency[bucketOf(micros)].Add(1)
		c.micros.Add(micros)
	case visitConnect:
		c.opened.Add(1)
	case visitRefused:
		c.refused.Add(1)
	}
}

func class(status int) int {
	if status < 100 || status > 599 {
		return 0
	}
	return status / 100
}

func (c *visits) close(v api.Visit) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = keepNewest(append(c.closed, v), maxClosed)
}

// recent returns the connections that were closed last, the newest first.
func (c *visits) recent() []api.Visit {
	c.mu.Lock()
	defer c.mu.Unlock()
	return newestFirst(c.closed)
}

func (c *visits) requests() (n uint64) {
	for i := range c.classes {
		n += c.classes[i].Load()
	}
	return n
}

// bucketOf returns the bucket of a duration.
func bucketOf(micros uint64) int {
	if micros < 4 {
		return int(micros)
	}
	octave := bits.Len64(micros) - 3 // 0 for 4 to 7
	return min(4+octave*4+int(micros>>octave&3), latencyBuckets-1)
}

// boundOf returns the upper end of a bucket, in microseconds.
func boundOf(bucket int) float64 {
	if bucket < 4 {
		return float64(bucket + 1)
	}
	octave, quarter := (bucket-4)/4, (bucket-4)%4
	return math.Ldexp(float64(5+quarter), octave)
}

// snapshot returns the counts of all buckets.
func (c *visits) snapshot() (counts [latencyBuckets]uint64) {
	for i := range c.latency {
		counts[i] = c.latency[i].Load()
	}
	return counts
}

// percentile returns an upper bound, in milliseconds, for a part of the counted
// durations, or zero if there are none.
func percentile(counts *[latencyBuckets]uint64, part float64) float64 {
	var all uint64
	for _, n := range counts {
		all += n
	}
	if all == 0 {
		return 0
	}
	rank, seen := uint64(math.Ceil(part*float64(all))), uint64(0)
	for i, n := range counts {
		if seen += n; seen >= rank {
			return boundOf(i) / 1000
		}
	}
	return 0
}
