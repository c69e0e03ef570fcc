package inspector

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"asgibox/asgi"
	"asgibox/inspector/api"
	"asgibox/store"
)

const (
	// maxViewers is how many pages and tails may be open at once.
	maxViewers = 16
	// slowEvery is how often lists are updated.
	slowEvery = 500 * time.Millisecond
)

// A viewer is one open page and the state of its stream.
type viewer struct {
	view    string
	name    string // of the opened channel, group or connection
	text    string // part of the names that a list shows
	filter  *filter
	changes int // cursor of the history
	request requestFilter
	seen    uint64    // cursor of the requests
	points  int       // cursor of the charts
	slow    time.Time // when the lists are due
	waiting []byte    // the messages of the last frame that had some
	first   bool
}

// pattern returns the pattern of the names that a list shows, or "" for all.
func (v *viewer) pattern() string {
	if v.text == "" {
		return ""
	}
	return "*" + v.text + "*"
}

// live streams frames to a page as server-sent events.
func (s *Server) live(w http.ResponseWriter, r *http.Request) error {
	v := &viewer{view: r.FormValue("view"), name: r.FormValue("name"), text: r.FormValue("like"), first: true}
	var err error
	if v.view == "requests" {
		v.request, err = parseRequestFilter(r.FormValue("filter"))
	} else {
		v.filter, err = parseFilter(r.FormValue("filter"))
	}
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	var last []byte
	return s.stream(w, r, func() error {
		frame, err := s.frame(v, time.Now())
		if err != nil || bytes.Equal(frame, last) {
			return err
		}
		last = frame
		fmt.Fprintf(w, "data: %s\n\n", frame)
		return nil
	})
}

// stream counts a viewer and calls write for each frame until the client or the
// server ends. If the client is gone, it notices when it flushes the output.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, write func() error) error {
	if err := s.viewers.add(); err != nil {
		return err
	}
	defer s.viewers.remove()
	ticker := time.NewTicker(frameEvery)
	defer ticker.Stop()
	out := http.NewResponseController(w)
	for {
		if err := write(); err != nil {
			return err
		}
		if out.Flush() != nil {
			return nil
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

// A frame is one update of a page: the status and the contents of its view.
type frame struct {
	Status      *api.Status      `json:"status,omitempty"`
	Points      []point          `json:"points,omitempty"`
	Pulses      []pulse          `json:"pulses,omitempty"`
	Handled     []handled        `json:"did,omitempty"`
	Messages    []api.Message    `json:"messages,omitempty"`
	Requests    []api.Request    `json:"requests,omitempty"`
	Others      []int            `json:"others,omitempty"` // changed requests that the filter does not accept
	Channels    []api.Channel    `json:"channels,omitempty"`
	Groups      []api.Group      `json:"groups,omitempty"`
	Connections []api.Connection `json:"connections,omitempty"`
	Closed      []api.Visit      `json:"closed,omitempty"`
	Workers     []api.Worker     `json:"workers,omitempty"`
	Processes   []api.Process    `json:"processes,omitempty"`
	Machines    []api.Machine    `json:"machines,omitempty"`
	Remotes     []api.Remote     `json:"remotes,omitempty"`
	Waiting     json.RawMessage  `json:"waiting,omitempty"` // missing if it is as before
	Members     []api.Member     `json:"members,omitempty"`
	Loads       []api.Load       `json:"loads,omitempty"`
	Errors      *api.Errors      `json:"errors,omitempty"`
	All         int              `json:"all,omitempty"` // total number of a list that was cut
}

// A pulse counts messages that moved since the last frame. The page draws it
// along a line.
type pulse struct {
	Channel string `json:"channel"`
	Group   string `json:"group,omitempty"`
	Kind    string `json:"kind"`
	Worker  bool   `json:"worker,omitempty"` // the application sent it
	N       int    `json:"n"`
}

// A handled names a worker that has handled messages since the last frame. Most
// handlers are so quick that no frame shows their worker as busy.
type handled struct {
	Worker  int    `json:"worker"`
	Handler string `json:"handler,omitempty"`
}

func (s *Server) frame(v *viewer, now time.Time) ([]byte, error) {
	var f frame
	f.Points, v.points = s.series.since(v.points)
	slow := !now.Before(v.slow)
	if slow {
		defer func() { v.slow = nextDue(now, slowEvery) }()
	}
	if slow || v.view == "flow" {
		f.Status = s.status()
	}
	switch v.view {
	case "flow":
		f.Pulses, f.Handled = s.pulses(v)
		f.Channels = s.flow.channels.get(s.flowChannels)
		f.Groups = s.flow.groups.get(s.flowGroups)
		f.Workers = s.workers()
		f.Remotes = s.remotes()
		if slow {
			f.Waiting = s.queued(v)
			f.Machines = s.machines()
		}
	case "messages":
		f.Messages = s.tail(v)
	case "requests":
		f.Requests, f.Others, v.seen = s.history.requestsSince(v.seen, v.request)
	default:
		if slow {
			s.list(&f, v)
		}
	}
	v.first = false
	return json.Marshal(f)
}

// list adds the lists of a view to a frame.
func (s *Server) list(f *frame, v *viewer) {
	switch v.view {
	case "channels":
		f.Channels, f.All = s.channels(500, v.pattern())
		f.Waiting = s.queued(v)
	case "groups":
		f.Groups, f.All = s.groupList(500, v.text)
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
		f.Workers, f.Processes = s.workers(), s.processes()
		f.Machines = s.machines()
		f.Remotes = s.remotes()
	case "reloads":
		f.Loads, f.Processes = s.loads.newest(), s.processes()
	case "errors":
		list := s.errors.newest()
		f.Errors = &list
	}
}

// queued returns the messages that wait on the opened channel, or nil if none is
// opened or they are the same as before.
func (s *Server) queued(v *viewer) json.RawMessage {
	if v.name == "" || s.opts.Contents == nil {
		return nil
	}
	found, _ := s.opts.Contents.Peek(v.name, 50)
	messages, err := json.Marshal(queuedMessages(found, maxQueued))
	if err != nil || bytes.Equal(messages, v.waiting) {
		return nil
	}
	v.waiting = messages
	return messages
}

// tail returns the messages that changed since the last frame.
func (s *Server) tail(v *viewer) (messages []api.Message) {
	if v.first {
		messages, v.changes = s.history.newest(300, v.filter)
	} else {
		messages, v.changes = s.history.since(v.changes, 200, v.filter)
	}
	return messages
}

// handed is the kind of a pulse of messages that were sent and taken within one
// frame.
const handed = "handed"

func (s *Server) pulses(v *viewer) (pulses []pulse, workers []handled) {
	if v.first {
		_, v.changes = s.history.newest(0, v.filter)
		return nil, nil
	}
	counts, handlers := make(map[pulse]int), make(map[int]string)
	v.changes = s.history.eachChange(v.changes, func(e *entry) {
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
		workers = append(workers, handled{worker, handler})
	}
	return pulses, workers
}

// queueName returns the name under which Flow shows a channel. Single-reader
// channels with the same prefix are shown as one.
func queueName(channel string) string {
	if i := strings.IndexByte(channel, '?'); i >= 0 {
		return channel[:i+1]
	}
	return asgi.ProcessPrefix(channel)
}
