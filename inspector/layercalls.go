package inspector

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// LayerCalls measures the calls of a layer that is in another process, for the
// metrics. It may be used by many goroutines at once.
type LayerCalls struct {
	durations *prometheus.HistogramVec
	errors    *prometheus.CounterVec
}

// NewLayerCalls returns a LayerCalls without calls.
func NewLayerCalls() *LayerCalls {
	kind := []string{"kind"}
	return &LayerCalls{
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "asgibox_layer_call_duration_seconds", Help: "Duration of calls to the channel layer by their kind.", Buckets: durationBounds,
		}, kind),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "asgibox_layer_call_errors_total", Help: "Failed calls to the channel layer by their kind.",
		}, kind),
	}
}

// Observe counts a call.
func (c *LayerCalls) Observe(kind string, took time.Duration, err error) {
	c.durations.WithLabelValues(kind).Observe(took.Seconds())
	if err != nil {
		c.errors.WithLabelValues(kind).Inc()
	}
}
