package inspector

import (
	"sync"
	"time"
)

// seriesLength is how many points the charts go back, one a second.
const seriesLength = 300

// A point is one second of the charts.
type point struct {
	At      float64 `json:"t"`       // Unix seconds
	Sent    float64 `json:"sent"`    // messages a second
	HTTP    float64 `json:"http"`    // requests a second
	Waiting int     `json:"waiting"` // messages in queues
	P50     float64 `json:"p50"`     // milliseconds of a request, within this second
	P95     float64 `json:"p95"`
	P99     float64 `json:"p99"`
	Refused float64 `json:"refused"` // sends a second
}

// series keeps the points of the charts.
type series struct {
	mu     sync.Mutex // guards the rest
	points []point
	number int // of all points there have been

	// What the last point was made from; the collector's.
	sent, full, requests uint64
	latency              [latencyBuckets]uint64
	at                   time.Time
}

func newSeries() *series { return &series{} }

// tick adds a point of what has happened since the one before.
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
	c.points = append(c.points, p)
	c.number++
	if len(c.points) > seriesLength {
		c.points = append(c.points[:0:0], c.points[1:]...)
	}
}

// since answers the points after a number that an earlier call answered.
func (c *series) since(number int) (points []point, next int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fresh := min(c.number-number, len(c.points))
	return append([]point{}, c.points[len(c.points)-fresh:]...), c.number
}
