package inspector

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"asgibox/asgi"
	"asgibox/store"
)

const (
	// maxViewers bounds how many pages are drawn at once.
	maxViewers = 16
	// slowEvery is how often lists are drawn, which nobody reads faster.
	slowEvery = 500 * time.Millisecond
	// writeWithin is how long a page may take to accept a frame.
	writeWithin = 5 * time.Second
)

// A viewer is one page that looks, and what it has seen.
type viewer struct {
	view    string
	name    string // the channel, group or connection that is looked at closely
	filter  *filter
	changes int
	points  int
	slow    time.Time // when lists were last drawn
	first   bool
}

// live streams frames as server-sent events for as long as a page looks.
func (s *Server) live(w http.ResponseWriter, r *http.Request) error {
	f, err := parseFilter(r.FormValue("filter"))
	if err != nil {
		return badRequest(err)
	}
	if err := s.viewers.enter(); err != nil {
		return err
	}
	defer s.viewers.leave()
	v := &viewer{view: r.FormValue("view"), name: r.FormValue("name"), filter: f, first: true}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	ticker := time.NewTicker(frameEvery)
	defer ticker.Stop()
	out := http.NewResponseController(w)
	for last := []byte(nil); ; {
		frame, err := s.frame(v, time.Now())
		if err != nil {
			return err
		}
		if !bytes.Equal(frame, last) {
			_ = out.SetWriteDeadline(time.Now().Add(writeWithin))
			if _, err := w.Write(append(append([]byte("data: "), frame...), "\n\n"...)); err != nil {
				return nil
			}
			if err := out.Flush(); err != nil {
				return nil
			}
			last = frame
		}
		select {
		case <-ticker.C:
		case <-r.Context().Done():
			return nil
		case <-s.life.Done():
			return nil
		}
	}
}

// A frame is what a page is sent: always the status, and what its view shows.
type frame struct {
	Status      *status          `json:"status,omitempty"`
	Points      []point          `json:"points,omitempty"`
	Pulses      []pulse          `json:"pulses,omitempty"`
	Messages    []messageView    `json:"messages,omitempty"`
	Channels    []channelView    `json:"channels,omitempty"`
	Groups      []groupView      `json:"groups,omitempty"`
	Connections []connectionView `json:"connections,omitempty"`
	Closed      []visitView      `json:"closed,omitempty"`
	Workers     []workerView     `json:"workers,omitempty"`
	Waiting     *[]waitingView   `json:"waiting,omitempty"`
	Members     []memberView     `json:"members,omitempty"`
	Loads       []loadView       `json:"loads,omitempty"`
	Logs        []logView        `json:"logs,omitempty"`
	All         int              `json:"all,omitempty"` // of what a list was cut from
}

// A pulse is messages that moved since the last frame, by channel, group and
// what happened to them: what is drawn along the lines.
type pulse struct {
	Channel string `json:"channel"`
	Group   string `json:"group,omitempty"`
	Kind    string `json:"kind"`
	N       int    `json:"n"`
}

func (s *Server) frame(v *viewer, now time.Time) ([]byte, error) {
	var f frame
	f.Points, v.points = s.series.since(v.points)
	slow := now.Sub(v.slow) >= slowEvery
	if slow {
		v.slow = now
	}
	if slow || v.view == "flow" {
		f.Status = s.status()
	}
	switch v.view {
	case "flow":
		f.Pulses = s.pulses(v)
		f.Channels, f.All = s.channels(14, "")
		f.Groups, _ = s.groupViews(8)
		f.Workers = s.workers()
	case "messages":
		f.Messages = s.tail(v)
	default:
		if slow {
			s.list(&f, v)
		}
	}
	v.first = false
	return json.Marshal(f)
}

// list fills a frame with what changes slowly.
func (s *Server) list(f *frame, v *viewer) {
	switch v.view {
	case "channels":
		f.Channels, f.All = s.channels(500, "")
		if v.name != "" && s.opts.Store != nil {
			peeked, _ := s.opts.Store.Peek(v.name, 50)
			waiting := waitingViews(peeked)
			f.Waiting = &waiting
		}
	case "groups":
		f.Groups, f.All = s.groupViews(500)
		if v.name != "" {
			f.Members = s.members(v.name)
		}
	case "connections":
		f.Connections, f.All = s.connections(500)
		f.Closed = s.visits.recent()
		if v.name != "" {
			f.Messages = s.tail(v)
		}
	case "workers":
		f.Workers = s.workers()
	case "reloads":
		f.Loads, f.Logs = s.loads.newest()
	}
}

// tail answers messages that are new to the viewer.
func (s *Server) tail(v *viewer) (views []messageView) {
	if v.first {
		views, v.changes = s.history.newest(300, v.filter)
	} else {
		views, v.changes = s.history.since(v.changes, 200, v.filter)
	}
	return views
}

// handed is the kind of a pulse that was sent and taken within one frame.
const handed = "handed"

func (s *Server) pulses(v *viewer) []pulse {
	if v.first {
		_, v.changes = s.history.newest(0, v.filter)
		return nil
	}
	counts := make(map[pulse]int)
	v.changes = s.history.moved(v.changes, func(e *entry) {
		p := pulse{Channel: queueName(e.channel), Group: e.group, Kind: e.kind.String()}
		if e.kind == store.Taken && e.waited < frameEvery {
			p.Kind = handed
		}
		counts[p]++
	})
	pulses := make([]pulse, 0, len(counts))
	for p, n := range counts {
		p.N = n
		pulses = append(pulses, p)
	}
	return pulses
}

// queueName shows all single-reader channels of one kind as one.
func queueName(channel string) string {
	if i := strings.IndexByte(channel, '?'); i >= 0 {
		return channel[:i+1]
	}
	return asgi.ProcessPrefix(channel)
}
