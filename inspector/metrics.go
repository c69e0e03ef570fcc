package inspector

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metricChannels bounds how many channels have figures of their own.
const metricChannels = 100

// metrics serves the figures for machines. They are read when they are asked
// for, so they cost nothing in between.
func (s *Server) metrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&figures{s},
	)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// figures is a Prometheus collector.
type figures struct{ s *Server }

func figure(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("asgibox_"+name, help, labels, nil)
}

var (
	descInfo       = figure("info", "The program that runs; always 1.", "version")
	descSent       = figure("messages_sent_total", "Messages that the channel layer accepted.")
	descRefused    = figure("channel_full_total", "Sends that were refused since the channel was full.")
	descWaiting    = figure("messages_waiting", "Messages that wait in queues.")
	descDelayed    = figure("messages_delayed", "Messages that wait for their time.")
	descMemory     = figure("queue_memory_bytes", "Memory that waiting messages take.")
	descLimit      = figure("queue_memory_limit_bytes", "Memory that waiting messages may take.")
	descGroups     = figure("groups", "Groups that have members.")
	descChannels   = figure("channels", "Channels that are in use.")
	descDepth      = figure("channel_depth", "Messages that wait on a channel.", "channel")
	descCapacity   = figure("channel_capacity", "Messages that a channel holds at most.", "channel")
	descOldest     = figure("channel_oldest_age_seconds", "How long the first message of a channel has waited.", "channel")
	descChanSent   = figure("channel_messages_sent_total", "Messages that a channel accepted.", "channel")
	descExpired    = figure("channel_messages_expired_total", "Messages that nobody received in time.", "channel")
	descSockets    = figure("websockets", "WebSockets that are open.")
	descOpened     = figure("websockets_opened_total", "WebSockets that were accepted.")
	descHandshakes = figure("websockets_refused_total", "WebSocket handshakes that were refused.")
	descRequests   = figure("http_requests_total", "HTTP requests that ended, by class of status; none if the client left.", "status")
	descDuration   = figure("http_request_duration_seconds", "How long HTTP requests took, from arrival to the last byte.")
	descWorkers    = figure("workers", "Workers.")
	descBusy       = figure("workers_busy", "Workers that handle a message.")
	descGeneration = figure("generation", "Number of the application's current generation.")
	descFailed     = figure("load_failures_total", "Loads of the application that failed.")
)

// Describe is part of [prometheus.Collector].
func (f *figures) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descInfo, descSent, descRefused, descWaiting, descDelayed, descMemory, descLimit, descGroups, descChannels,
		descDepth, descCapacity, descOldest, descChanSent, descExpired, descSockets, descOpened, descHandshakes,
		descRequests, descDuration, descWorkers, descBusy, descGeneration, descFailed,
	} {
		ch <- d
	}
}

// Collect is part of [prometheus.Collector].
func (f *figures) Collect(ch chan<- prometheus.Metric) {
	st := f.s.status()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	total := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge(descInfo, 1, st.Version)
	if f.s.opts.Store != nil {
		total(descSent, st.Sent)
		total(descRefused, st.Refused)
		gauge(descWaiting, float64(st.Waiting))
		gauge(descDelayed, float64(st.Delayed))
		gauge(descMemory, float64(st.Memory))
		gauge(descLimit, float64(st.Limit))
		gauge(descGroups, float64(st.Groups))
		gauge(descChannels, float64(st.Channels))
		f.channels(gauge, total)
	}
	if f.s.opts.Front != nil {
		gauge(descSockets, float64(st.Sockets))
		f.visits(ch, total)
	}
	if f.s.opts.Pool != nil {
		gauge(descWorkers, float64(st.Workers))
		gauge(descBusy, float64(st.Busy))
		gauge(descGeneration, float64(st.Generation))
		total(descFailed, st.Failed)
	}
}

// channels are those with names that people choose: single-reader names are
// made by the thousand.
func (f *figures) channels(gauge func(*prometheus.Desc, float64, ...string), total func(*prometheus.Desc, uint64, ...string)) {
	views, _ := f.s.channels(metricChannels, "")
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

// durationBounds are the buckets of the histogram, in seconds.
var durationBounds = []float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}

func (f *figures) visits(ch chan<- prometheus.Metric, total func(*prometheus.Desc, uint64, ...string)) {
	v := f.s.visits
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
		buckets[bound] += 0 // a bucket with nothing in it is there too
	}
	ch <- prometheus.MustNewConstHistogram(descDuration, all, float64(v.micros.Load())/1e6, buckets)
}
