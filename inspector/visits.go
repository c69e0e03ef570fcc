package inspector

import (
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"asgibox/asgi"
)

// The kinds of [Visit] that are told apart here.
const (
	visitHTTP       = "HTTP"
	visitConnect    = "WSCONNECT"
	visitRefused    = "WSREJECT"
	visitDisconnect = "WSDISCONNECT"
)

// closedKept is how many connections that have ended are remembered.
const closedKept = 200

// latencyBuckets divide each doubling of a microsecond count in four.
const latencyBuckets = 4 * 40

// visits counts what the protocol server has answered. Counting takes no lock.
type visits struct {
	classes [6]atomic.Uint64 // answered requests, by hundreds of the status; 0: the client left
	latency [latencyBuckets]atomic.Uint64
	micros  atomic.Uint64 // all durations together
	opened  atomic.Uint64 // WebSockets
	refused atomic.Uint64

	mu     sync.Mutex // guards the rest
	closed []visitView
}

func newVisits() *visits { return &visits{} }

// Visited is told by the protocol server of requests and WebSockets. It may be
// called from many goroutines and does not block. The client's name costs more
// to write than all the rest, so it is asked for only if it will be shown.
func (s *Server) Visited(v Visit, client func() string) {
	s.visits.add(&v)
	ended := v.Kind == visitDisconnect || v.Kind == visitRefused
	if !ended && !s.Remembers(v.Trace) {
		return
	}
	kept := v
	kept.Client = client()
	if kept.At.IsZero() {
		kept.At = time.Now()
	}
	if ended {
		s.visits.close(visitViewOf(&kept))
	}
	s.seen.visit(kept)
}

// Remembers reports whether the trace is among those that are recorded. It
// takes no lock.
func (s *Server) Remembers(t asgi.TraceID) bool { return t != 0 && s.recorder.Wants(t) }

// Handled is told of messages that workers have handled, of those whose trace
// it remembers.
func (s *Server) Handled(span Span) {
	if span.ID != 0 {
		s.seen.span(span)
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

func (c *visits) close(v visitView) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = append(c.closed, v)
	if len(c.closed) > closedKept {
		c.closed = append(c.closed[:0:0], c.closed[1:]...)
	}
}

// recent answers connections that have ended, the newest first.
func (c *visits) recent() []visitView {
	c.mu.Lock()
	defer c.mu.Unlock()
	views := append([]visitView{}, c.closed...)
	reverse(views)
	return views
}

func (c *visits) requests() (n uint64) {
	for i := range c.classes {
		n += c.classes[i].Load()
	}
	return n
}

// bucketOf answers which bucket a duration falls in.
func bucketOf(micros uint64) int {
	if micros < 4 {
		return int(micros)
	}
	octave := bits.Len64(micros) - 3 // 0 for 4 to 7
	return min(4+octave*4+int(micros>>octave&3), latencyBuckets-1)
}

// boundOf answers the upper end of a bucket, in microseconds.
func boundOf(bucket int) float64 {
	if bucket < 4 {
		return float64(bucket + 1)
	}
	octave, quarter := (bucket-4)/4, (bucket-4)%4
	return math.Ldexp(float64(5+quarter), octave)
}

// snapshot answers the counts of all buckets.
func (c *visits) snapshot() (counts [latencyBuckets]uint64) {
	for i := range c.latency {
		counts[i] = c.latency[i].Load()
	}
	return counts
}

// percentile answers, in milliseconds, what that part of the counted durations
// was at most; zero if there are none.
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
