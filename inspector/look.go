package inspector

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/codec"
)

// statePrefix is where the layer's KV holds the application's shared state.
const statePrefix = "state/"

func (s *Server) getStatus(w http.ResponseWriter, r *http.Request) error {
	return answer(w, s.status())
}

func (s *Server) getMessages(w http.ResponseWriter, r *http.Request) error {
	f, err := parseFilter(r.FormValue("filter"))
	if err != nil {
		return badRequest(err)
	}
	views, next := s.history.newest(limitOf(r, 300, 5000), f)
	return answer(w, map[string]any{"messages": notNil(views), "next": next})
}

func (s *Server) getMessage(w http.ResponseWriter, r *http.Request) error {
	id, _ := strconv.ParseUint(r.FormValue("id"), 10, 64)
	view, ok := s.history.message(id)
	if !ok {
		return notFound("message %s is not in the history (any more)", r.FormValue("id"))
	}
	return answer(w, view)
}

func (s *Server) getTrace(w http.ResponseWriter, r *http.Request) error {
	t, err := parseTrace(r.FormValue("id"))
	if err != nil {
		return err
	}
	view, ok := s.history.chain(t)
	if !ok {
		return notFound("trace %s is not in the history (any more)", t)
	}
	return answer(w, view)
}

func parseTrace(text string) (asgi.TraceID, error) {
	n, err := strconv.ParseUint(text, 16, 64)
	if err != nil {
		return 0, badRequest(&asgi.InvalidNameError{Name: text, Reason: "a trace is 16 hexadecimal digits"})
	}
	return asgi.TraceID(n), nil
}

func (s *Server) getChannels(w http.ResponseWriter, r *http.Request) error {
	views, all := s.channels(limitOf(r, 500, 10_000), r.FormValue("pattern"))
	return answer(w, map[string]any{"channels": notNil(views), "all": all})
}

func (s *Server) getWaiting(w http.ResponseWriter, r *http.Request) error {
	if s.opts.Store == nil {
		return missing("this channel layer cannot be looked into")
	}
	peeked, err := s.opts.Store.Peek(r.FormValue("channel"), limitOf(r, 50, 1000))
	if err != nil {
		return err
	}
	return answer(w, map[string]any{"waiting": waitingViews(peeked)})
}

func (s *Server) getGroups(w http.ResponseWriter, r *http.Request) error {
	if name := r.FormValue("name"); name != "" {
		return answer(w, map[string]any{"members": notNil(s.members(name))})
	}
	views, all := s.groupViews(limitOf(r, 500, 10_000), "")
	return answer(w, map[string]any{"groups": notNil(views), "all": all})
}

func (s *Server) getConnections(w http.ResponseWriter, r *http.Request) error {
	views, all := s.connections(limitOf(r, 500, 10_000))
	return answer(w, map[string]any{"connections": notNil(views), "closed": notNil(s.visits.recent()), "all": all})
}

func (s *Server) getWorkers(w http.ResponseWriter, r *http.Request) error {
	return answer(w, map[string]any{"workers": notNil(s.workers())})
}

func (s *Server) getLoads(w http.ResponseWriter, r *http.Request) error {
	loads, logs := s.loads.newest()
	return answer(w, map[string]any{"loads": loads, "logs": logs})
}

// getState answers the keys of a prefix with their values, up to a limit.
func (s *Server) getState(w http.ResponseWriter, r *http.Request) error {
	if s.kv == nil {
		return missing("this channel layer keeps no state")
	}
	keys, err := s.kv.Keys(r.Context(), nil, statePrefix+r.FormValue("prefix"))
	if err != nil {
		return err
	}
	type item struct {
		Key   string          `json:"key"`
		Value json.RawMessage `json:"value"`
	}
	items, room := []item{}, answerBytes
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
	return answer(w, map[string]any{"state": items, "all": len(keys)})
}

// tailLines streams messages as JSON, one a line: what the commands tail and
// record read. With full=1 they come with their content.
func (s *Server) tailLines(w http.ResponseWriter, r *http.Request) error {
	f, err := parseFilter(r.FormValue("filter"))
	if err != nil {
		return badRequest(err)
	}
	if err := s.viewers.enter(); err != nil {
		return err
	}
	defer s.viewers.leave()
	w.Header().Set("Content-Type", "application/x-ndjson")
	_, cursor := s.history.newest(0, f)
	out, encoder := http.NewResponseController(w), json.NewEncoder(w)
	ticker := time.NewTicker(frameEvery)
	defer ticker.Stop()
	for {
		var views []messageView
		views, cursor = s.history.since(cursor, changesKept, f)
		_ = out.SetWriteDeadline(time.Now().Add(writeWithin))
		for _, v := range views {
			if err := s.writeLine(encoder, v, r.FormValue("full") != ""); err != nil {
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

func (s *Server) writeLine(encoder *json.Encoder, v messageView, full bool) error {
	if full {
		if whole, ok := s.history.message(v.ID); ok {
			return encoder.Encode(whole)
		}
	}
	return encoder.Encode(v)
}

// notNil makes an empty list of none, as those who read JSON expect.
func notNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
