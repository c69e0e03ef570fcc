package inspector

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/codec"
	"asgibox/asgi/remote"
	"asgibox/inspector/api"
)

// statePrefix is the prefix of shared state among the keys of the layer's KV.
const statePrefix = "state/"

func (s *Server) getStatus(w http.ResponseWriter, r *http.Request) error {
	return respond(w, s.status())
}

func (s *Server) getMessages(w http.ResponseWriter, r *http.Request) error {
	f, err := parseFilter(r.FormValue("filter"))
	if err != nil {
		return err
	}
	messages, next := s.history.newest(limitOf(r, 300, 5000), f)
	return respond(w, api.Messages{Messages: notNil(messages), Next: next})
}

func (s *Server) getMessage(w http.ResponseWriter, r *http.Request) error {
	id, _ := strconv.ParseUint(r.FormValue("id"), 10, 64)
	m, ok := s.history.message(id)
	if !ok {
		return remote.Errorf(remote.NotFound, "message %s is not, or no longer, in the history", r.FormValue("id"))
	}
	return respond(w, m)
}

func (s *Server) getTrace(w http.ResponseWriter, r *http.Request) error {
	t, err := parseTrace(r.FormValue("id"))
	if err != nil {
		return err
	}
	trace, ok := s.history.trace(t)
	if !ok {
		return noTrace(t)
	}
	return respond(w, trace)
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

func (s *Server) getChannels(w http.ResponseWriter, r *http.Request) error {
	channels, all := s.channels(limitOf(r, 500, 10_000), r.FormValue("pattern"))
	return respond(w, api.Channels{Channels: notNil(channels), All: all})
}

func (s *Server) getQueued(w http.ResponseWriter, r *http.Request) error {
	if s.opts.Store == nil {
		return errNoStore
	}
	queued, err := s.opts.Store.Peek(r.FormValue("channel"), limitOf(r, 50, 1000))
	if err != nil {
		return err
	}
	return respond(w, api.Queued{Messages: queuedMessages(queued)})
}

func (s *Server) getGroups(w http.ResponseWriter, r *http.Request) error {
	if name := r.FormValue("name"); name != "" {
		return respond(w, api.Members{Members: notNil(s.members(name))})
	}
	groups, all := s.groupList(limitOf(r, 500, 10_000), "")
	return respond(w, api.Groups{Groups: notNil(groups), All: all})
}

func (s *Server) getConnections(w http.ResponseWriter, r *http.Request) error {
	open, all := s.connections(limitOf(r, 500, 10_000))
	return respond(w, api.Connections{Connections: notNil(open), Closed: notNil(s.visits.recent()), All: all})
}

func (s *Server) getWorkers(w http.ResponseWriter, r *http.Request) error {
	return respond(w, api.Workers{Workers: notNil(s.workers())})
}

func (s *Server) getLoads(w http.ResponseWriter, r *http.Request) error {
	loads, logs := s.loads.newest()
	return respond(w, api.Loads{Loads: loads, Logs: logs})
}

func (s *Server) getChaos(w http.ResponseWriter, r *http.Request) error {
	if s.opts.Chaos == nil {
		return errNoChaos
	}
	return respond(w, map[string]any{"rules": notNil(s.opts.Chaos.Rules())})
}

// getState returns keys that begin with a prefix, and their values.
func (s *Server) getState(w http.ResponseWriter, r *http.Request) error {
	if s.kv == nil {
		return errNoState
	}
	keys, err := s.kv.Keys(r.Context(), nil, statePrefix+r.FormValue("prefix"))
	if err != nil {
		return err
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
			return err
		}
		if ok {
			room -= asgi.SizeOf(value)
			items = append(items, item{strings.TrimPrefix(key, statePrefix), codec.AppendValueJSON(nil, value)})
		}
	}
	return respond(w, map[string]any{"state": items, "all": len(keys)})
}

// tailLines streams messages, each as a line of JSON, for the commands tail and
// record. With full=1 they have their content.
func (s *Server) tailLines(w http.ResponseWriter, r *http.Request) error {
	f, err := parseFilter(r.FormValue("filter"))
	if err != nil {
		return err
	}
	if err := s.viewers.add(); err != nil {
		return err
	}
	defer s.viewers.remove()
	w.Header().Set("Content-Type", "application/x-ndjson")
	_, cursor := s.history.newest(0, f)
	out, encoder := http.NewResponseController(w), json.NewEncoder(w)
	ticker := time.NewTicker(frameEvery)
	defer ticker.Stop()
	for {
		var messages []api.Message
		messages, cursor = s.history.since(cursor, maxChanges, f)
		_ = out.SetWriteDeadline(time.Now().Add(writeTimeout))
		for _, m := range messages {
			if err := s.writeLine(encoder, m, r.FormValue("full") != ""); err != nil {
				return nil
			}
		}
		if err := out.Flush(); err != nil {
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

func (s *Server) writeLine(encoder *json.Encoder, m api.Message, full bool) error {
	if full {
		if whole, ok := s.history.message(m.ID); ok {
			return encoder.Encode(whole)
		}
	}
	return encoder.Encode(m)
}

// notNil turns a nil slice into an empty one, which JSON shows as [].
func notNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
