package inspector

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// maxMetricChannels is how many channels have metrics of their own.
const maxMetricChannels = 100

// metricsHandler serves metrics in Prometheus's format. They are collected only
// when they are requested.
func (s *Server) metricsHandler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&metrics{s},
	)
	if c := s.opts.Calls; c != nil {
		registry.MustRegister(c.durations, c.errors)
	}
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// metrics is a Prometheus collector.
type metrics struct{ s *Server }

func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("asgibox_"+name, help, labels, nil)
}

var (
	descInfo       = metric("info", "Version of the program; always 1.", "version")
	descSent       = metric("messages_sent_total", "Messages that the channel layer accepted.")
	descRefused    = metric("channel_full_total", "Sends that were refused because the channel was full.")
	descWaiting    = metric("messages_waiting", "Messages that wait in queues.")
	descDelayed    = metric("messages_delayed", "Delayed messages that are not due yet.")
	descMemory     = metric("queue_memory_bytes", "Memory of waiting messages.")
	descLimit      = metric("queue_memory_limit_bytes", "Memory limit for waiting messages.")
	descGroups     = metric("groups", "Groups that have members.")
	descChannels   = metric("channels", "Channels in use.")
	descDepth      = metric("channel_depth", "Messages that wait on a channel.", "channel")
	descCapacity   = metric("channel_capacity", "Most messages that can wait on a channel.", "channel")
	descOldest     = metric("channel_oldest_age_seconds", "Age of the first message on a channel.", "channel")
	descChanSent   = metric("channel_messages_sent_total", "Messages that a channel accepted.", "channel")
	descExpired    = metric("channel_messages_expired_total", "Messages that expired before they were received.", "channel")
	descSockets    = metric("websockets", "Open WebSockets.")
	descOpened     = metric("websockets_opened_total", "WebSockets that were accepted.")
	descHandshakes = metric("websockets_refused_total", "WebSocket handshakes that were refused.")
	descRequests   = metric("http_requests_total", "Finished HTTP requests by class of status; none if the client left.", "status")
	descDuration   = metric("http_request_duration_seconds", "Duration of HTTP requests from arrival to the last byte.")
	descWorkers    = metric("workers", "Workers.")
	descBusy       = metric("workers_busy", "Workers that are handling a message.")
	descGeneration = metric("generation", "Number of the current generation of the application.")
	descReconnects = metric("layer_reconnects_total", "Connections to the channel layer that were lost.")
	descFailed     = metric("load_failures_total", "Failed loads of the application.")
)

// Describe implements [prometheus.Collector].
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descInfo, descSent, descRefused, descWaiting, descDelayed, descMemory, descLimit, descGroups, descChannels,
		descDepth, descCapacity, descOldest, descChanSent, descExpired, descSockets, descOpened, descHandshakes,
		descRequests, descDuration, descWorkers, descBusy, descGeneration, descFailed, descReconnects,
	} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	st := m.s.status()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	total := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge(descInfo, 1, st.Version)
	if m.s.opts.Contents != nil {
		total(descSent, st.Sent)
		total(descRefused, st.Refused)
		gauge(descWaiting, float64(st.Waiting))
		gauge(descDelayed, float64(st.Delayed))
		gauge(descMemory, float64(st.Memory))
		gauge(descLimit, float64(st.Limit))
		gauge(descGroups, float64(st.Groups))
		gauge(descChannels, float64(st.Channels))
		m.channels(gauge, total)
	}
	if reconnects := m.s.opts.Reconnects; reconnects != nil {
		total(descReconnects, reconnects())
	}
	if m.s.opts.Front != nil {
		gauge(descSockets, float64(st.Sockets))
		m.visits(ch, total)
	}
	if m.s.opts.Pool != nil {
		gauge(descWorkers, float64(st.Workers))
		gauge(descBusy, float64(st.Busy))
		gauge(descGeneration, float64(st.Generation))
		total(descFailed, st.Failed)
	}
}

// channels collects the metrics of channels, except single-reader channels,
// because their names are random and numerous.
func (m *metrics) channels(gauge func(*prometheus.Desc, float64, ...string), total func(*prometheus.Desc, uint64, ...string)) {
	views, _ := m.s.channels(maxMetricChannels, "")
	for _, c := range views {
		if c.Kind == "single-reader" {
			continue
		}
		gauge(descDepth, float64(c.Depth), c.Name)
		gauge(descCapacity, float64(c.Capacity), c.Name)
		gauge(descOldest, c.OldestMS/1000, c.Name)
		total(descChanSent, c.Sent, c.Name)
		total(descExpired, c.Expired, c.Name)
	}
}

// durationBounds are the upper bounds of the histogram's buckets, in seconds.
var durationBounds = []float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}

func (m *metrics) visits(ch chan<- prometheus.Metric, total func(*prometheus.Desc, uint64, ...string)) {
	v := m.s.visits
	total(descOpened, v.opened.Load())
	total(descHandshakes, v.refused.Load())
	for i := range v.classes {
		label := "none"
		if i > 0 {
			label = strconv.Itoa(i) + "xx"
		}
		total(descRequests, v.classes[i].Load(), label)
	}
	counts := v.snapshot()
	buckets := make(map[float64]uint64, len(durationBounds))
	var all uint64
	for i, n := range counts {
		all += n
		for _, bound := range durationBounds {
			if boundOf(i)/1e6 <= bound {
				buckets[bound] += n
			}
		}
	}
	for _, bound := range durationBounds {
		buckets[bound] += 0 // creates empty buckets too
	}
	ch <- prometheus.MustNewConstHistogram(descDuration, all, float64(v.micros.Load())/1e6, buckets)
}
