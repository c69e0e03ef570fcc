package inspector

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"asgibox/asgi"
	"asgibox/asgi/codec"
	"asgibox/asgi/remote"
	"asgibox/inspector/api"
)

func (s *Server) getStatus(*http.Request) (any, error) {
	return s.status(), nil
}

func (s *Server) getMessages(r *http.Request) (any, error) {
	f, err := parseFilter(r.FormValue("filter"))
	if err != nil {
		return nil, err
	}
	messages, next := s.history.newest(limitOf(r, 300, 5000), f)
	return api.Messages{Messages: notNil(messages), Next: next}, nil
}

func (s *Server) getMessage(r *http.Request) (any, error) {
	id, _ := strconv.ParseUint(r.FormValue("id"), 10, 64)
	m, ok := s.history.message(id)
	if !ok {
		return nil, remote.Errorf(remote.NotFound, "message %s is not, or no longer, in the history", r.FormValue("id"))
	}
	return m, nil
}

func (s *Server) getTrace(r *http.Request) (any, error) {
	t, err := parseTrace(r.FormValue("id"))
	if err != nil {
		return nil, err
	}
	trace, ok := s.history.trace(t)
	if !ok {
		return nil, noTrace(t)
	}
	return trace, nil
}

func noTrace(t asgi.TraceID) error {
	return remote.Errorf(remote.NotFound, "trace %s is not, or no longer, in the history", t)
}

func parseTrace(text string) (asgi.TraceID, error) {
	n, err := strconv.ParseUint(text, 16, 64)
	if err != nil {
		return 0, badRequest("trace %q: must have up to 16 hexadecimal digits", text)
	}
	return asgi.TraceID(n), nil
}

func (s *Server) getChannels(r *http.Request) (any, error) {
	channels, all := s.channels(limitOf(r, 500, 10_000), r.FormValue("pattern"))
	return api.Channels{Channels: notNil(channels), All: all}, nil
}

func (s *Server) getQueued(r *http.Request) (any, error) {
	queued, err := s.opts.Contents.Peek(r.FormValue("channel"), limitOf(r, 50, 1000))
	if err != nil {
		return nil, err
	}
	return api.Queued{Messages: queuedMessages(queued, maxResponse)}, nil
}

func (s *Server) getGroups(r *http.Request) (any, error) {
	if name := r.FormValue("name"); name != "" {
		return api.Members{Members: notNil(s.members(name))}, nil
	}
	groups, all := s.groupList(limitOf(r, 500, 10_000), "")
	return api.Groups{Groups: notNil(groups), All: all}, nil
}

func (s *Server) getConnections(r *http.Request) (any, error) {
	open, all := s.connections(limitOf(r, 500, 10_000))
	return api.Connections{Connections: notNil(open), Closed: notNil(s.visits.recent()), All: all}, nil
}

func (s *Server) getWorkers(*http.Request) (any, error) {
	return api.Workers{Workers: notNil(s.workers()), Processes: s.processes(), Machines: s.machines(), Remotes: s.remotes()}, nil
}

func (s *Server) getLoads(*http.Request) (any, error) {
	return api.Loads{Loads: s.loads.newest()}, nil
}

func (s *Server) getChaos(*http.Request) (any, error) {
	return map[string]any{"rules": notNil(s.opts.Chaos.Rules())}, nil
}

// getState returns keys that begin with a prefix, and their values.
func (s *Server) getState(r *http.Request) (any, error) {
	keys, err := s.kv.Keys(r.Context(), nil, asgi.StatePrefix+r.FormValue("prefix"))
	if err != nil {
		return nil, err
	}
	type item struct {
		Key   string          `json:"key"`
		Value json.RawMessage `json:"value"`
	}
	items, room := []item{}, maxResponse
	for _, key := range keys[:min(limitOf(r, 300, 5000), len(keys))] {
		if room <= 0 {
			break
		}
		value, ok, err := s.kv.Get(r.Context(), nil, key)
		if err != nil {
			return nil, err
		}
		if ok {
			room -= asgi.SizeOf(value)
			items = append(items, item{strings.TrimPrefix(key, asgi.StatePrefix), codec.AppendValueJSON(nil, value)})
		}
	}
	return map[string]any{"state": items, "all": len(keys)}, nil
}

// tailLines streams messages, each as a line of JSON, for the commands tail and
// record. With full=1 they have their content.
func (s *Server) tailLines(w http.ResponseWriter, r *http.Request) error {
	f, err := parseFilter(r.FormValue("filter"))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	_, cursor := s.history.newest(0, f)
	encoder := json.NewEncoder(w)
	return s.stream(w, r, func() error {
		var messages []api.Message
		messages, cursor = s.history.since(cursor, maxChanges, f)
		for _, m := range messages {
			s.writeLine(encoder, m, r.FormValue("full") != "")
		}
		return nil
	})
}

// writeLine writes a message as a line. In full, it writes nothing if the history has
// dropped the content meanwhile: a line without it would make a recording unreadable.
func (s *Server) writeLine(encoder *json.Encoder, m api.Message, full bool) {
	var line any = m
	if full {
		whole, ok := s.history.message(m.ID)
		if !ok {
			return
		}
		line = whole
	}
	_ = encoder.Encode(line)
}

// notNil turns a nil slice into an empty one, which JSON shows as [].
func notNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
