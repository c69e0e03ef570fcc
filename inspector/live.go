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
	like    string // part of the names of what a list shows
	filter  *filter
	changes int
	points  int
	slow    time.Time // when lists were last drawn
	first   bool
}

// pattern answers what the names of a list fit, "" for all.
func (v *viewer) pattern() string {
	if v.like == "" {
		return ""
	}
	return "*" + v.like + "*"
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
	v := &viewer{view: r.FormValue("view"), name: r.FormValue("name"), like: r.FormValue("like"), filter: f, first: true}
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
	Did         []did            `json:"did,omitempty"`
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

// A pulse is messages that moved since the last frame, by channel, group, what
// happened to them and who sent them: what is drawn along the lines.
type pulse struct {
	Channel string `json:"channel"`
	Group   string `json:"group,omitempty"`
	Kind    string `json:"kind"`
	Worker  bool   `json:"worker,omitempty"` // the application sent it
	N       int    `json:"n"`
}

// A did is a worker that has handled messages since the last frame: most are
// so quick that no frame finds them at work.
type did struct {
	Worker  int    `json:"worker"`
	Handler string `json:"handler,omitempty"`
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
		f.Pulses, f.Did = s.pulses(v)
		f.Channels = s.flowChannels()
		f.Groups, _ = s.groupViews(8, "")
		f.Workers = s.workers()
		if slow {
			f.Waiting = s.waiting(v.name)
		}
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
		f.Channels, f.All = s.channels(500, v.pattern())
		f.Waiting = s.waiting(v.name)
	case "groups":
		f.Groups, f.All = s.groupViews(500, v.like)
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

// waiting answers what waits on the channel that is looked at closely, if one
// is.
func (s *Server) waiting(channel string) *[]waitingView {
	if channel == "" || s.opts.Store == nil {
		return nil
	}
	peeked, _ := s.opts.Store.Peek(channel, 50)
	views := waitingViews(peeked)
	return &views
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

func (s *Server) pulses(v *viewer) (pulses []pulse, dids []did) {
	if v.first {
		_, v.changes = s.history.newest(0, v.filter)
		return nil, nil
	}
	counts, handlers := make(map[pulse]int), make(map[int]string)
	v.changes = s.history.moved(v.changes, func(e *entry) {
		p := pulse{Channel: queueName(e.channel), Group: e.group, Kind: e.kind.String(), Worker: e.generation != 0}
		if e.kind == store.Taken && e.waited < frameEvery {
			p.Kind = handed
		}
		counts[p]++
		if e.span != nil {
			handlers[e.span.Worker] = e.span.Handler
		}
	})
	for p, n := range counts {
		p.N = n
		pulses = append(pulses, p)
	}
	for worker, handler := range handlers {
		dids = append(dids, did{worker, handler})
	}
	return pulses, dids
}

// queueName shows all single-reader channels of one kind as one.
func queueName(channel string) string {
	if i := strings.IndexByte(channel, '?'); i >= 0 {
		return channel[:i+1]
	}
	return asgi.ProcessPrefix(channel)
}
