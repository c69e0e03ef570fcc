package inspector

import (
	"sync"
	"time"
)

// maxPoints is how many points the charts have, one for each second.
const maxPoints = 300

// A point is one second of the charts.
type point struct {
	At      float64 `json:"t"`       // Unix seconds
	Sent    float64 `json:"sent"`    // messages per second
	HTTP    float64 `json:"http"`    // requests per second
	Waiting int     `json:"waiting"` // messages in queues
	P50     float64 `json:"p50"`     // duration of requests, in milliseconds
	P95     float64 `json:"p95"`
	P99     float64 `json:"p99"`
	Refused float64 `json:"refused"` // sends per second
}

// series holds the points of the charts.
type series struct {
	mu     sync.Mutex // guards the rest
	points []point
	number int // of all points so far

	// Totals at the last point; used by the collector only.
	sent, full, requests uint64
	latency              [latencyBuckets]uint64
	at                   time.Time
}

// tick adds a point for the time since the last one.
func (c *series) tick(now time.Time, sent, full uint64, waiting int, v *visits) {
	latency, requests := v.snapshot(), v.requests()
	first := c.at.IsZero()
	seconds := now.Sub(c.at).Seconds()
	p := point{At: float64(now.UnixMilli()) / 1000, Waiting: waiting}
	if !first && seconds > 0 {
		within := latency
		for i := range within {
			within[i] -= c.latency[i]
		}
		p.Sent = float64(sent-min(c.sent, sent)) / seconds
		p.Refused = float64(full-min(c.full, full)) / seconds
		p.HTTP = float64(requests-c.requests) / seconds
		p.P50, p.P95, p.P99 = percentile(&within, 0.50), percentile(&within, 0.95), percentile(&within, 0.99)
	}
	c.sent, c.full, c.requests, c.latency, c.at = sent, full, requests, latency, now
	if first {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.points = keepNewest(append(c.points, p), maxPoints)
	c.number++
}

// since returns the points since an earlier call returned the cursor, and the
// next cursor.
func (c *series) since(cursor int) (points []point, next int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fresh := min(c.number-cursor, len(c.points))
	return append([]point{}, c.points[len(c.points)-fresh:]...), c.number
}
