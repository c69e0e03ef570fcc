package inspector

import (
	"errors"
	"net/http"
	"path/filepath"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/inspector/api"
	"asgibox/store"
)

func (s *Server) send(r *http.Request, c *asgi.Cause, a args) (any, error) {
	m, err := a.Message()
	if err != nil {
		return nil, err
	}
	sent, channel := api.Sent{Trace: c.Trace().String()}, a.Text("channel")
	wait := time.Duration(a.Int("wait")) * time.Millisecond
	if wait <= 0 {
		return sent, s.opts.Layer.Send(r.Context(), c, channel, m)
	}
	o, err := s.Outcome(c.Trace(), channel, m)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	if err := s.opts.Layer.Send(r.Context(), c, channel, m); err != nil {
		return nil, err
	}
	if readers, ok := asgi.As[asgi.Readers](s.opts.Layer); ok && !readers.HasReader(channel) {
		sent.Outcome = remote.Unread
		return sent, nil
	}
	if s.opts.Pool != nil {
		sent.Outcome = o.Wait(r.Context(), wait)
	}
	return sent, nil
}

func (s *Server) groupSend(r *http.Request, c *asgi.Cause, a args) (any, error) {
	m, err := a.Message()
	if err != nil {
		return nil, err
	}
	return api.Sent{Trace: c.Trace().String()}, s.groups.SendGroup(r.Context(), c, a.Text("group"), m)
}

func (s *Server) groupAdd(r *http.Request, c *asgi.Cause, a args) (any, error) {
	return struct{}{}, s.groups.GroupAdd(r.Context(), c, a.Text("group"), a.Text("channel"))
}

func (s *Server) groupDiscard(r *http.Request, c *asgi.Cause, a args) (any, error) {
	return struct{}{}, s.groups.GroupDiscard(r.Context(), c, a.Text("group"), a.Text("channel"))
}

// channelChange makes a call that changes one channel.
func (s *Server) channelChange(f func(channel string, a args) (any, error)) call {
	return need(s.opts.Store != nil, errNotEmbedded, change(func(_ *http.Request, _ *asgi.Cause, a args) (any, error) {
		v, err := f(a.Text("channel"), a)
		var noMessage *store.NoMessageError
		if errors.As(err, &noMessage) {
			return nil, remote.Errorf(remote.NotFound, "%v", err)
		}
		return v, err
	}))
}

func (s *Server) pause(channel string, _ args) (any, error) {
	return api.Paused{Channel: asgi.ProcessPrefix(channel)}, s.opts.Store.Pause(channel)
}

func (s *Server) resume(channel string, _ args) (any, error) {
	resumed, err := s.opts.Store.Resume(channel)
	return api.Resumed{Paused: api.Paused{Channel: asgi.ProcessPrefix(channel)}, Resumed: resumed}, err
}

func (s *Server) step(channel string, _ args) (any, error) {
	stepped, err := s.opts.Store.Step(channel)
	return api.Stepped{Stepped: stepped}, err
}

func (s *Server) drain(channel string, _ args) (any, error) {
	n, err := s.opts.Store.Drain(channel)
	return map[string]int{"dropped": n}, err
}

func (s *Server) drop(channel string, a args) (any, error) {
	return struct{}{}, s.opts.Store.Drop(channel, uint64(a.Int("id")))
}

func (s *Server) edit(channel string, a args) (any, error) {
	m, err := a.Message()
	if err != nil {
		return nil, err
	}
	return struct{}{}, s.opts.Store.Edit(channel, uint64(a.Int("id")), m)
}

func (s *Server) closeConnection(_ *http.Request, _ *asgi.Cause, a args) (any, error) {
	code := int(a.Int("code"))
	if code == 0 {
		code = asgi.CloseNormal
	}
	if !asgi.CanSendCloseCode(int64(code)) {
		return nil, badRequest("code: must be a close code that may be sent, such as 1000 or 3000 to 4999")
	}
	if err := s.opts.Front.CloseConnection(a.Text("channel"), code, a.Text("reason")); err != nil {
		return nil, remote.Errorf(remote.NotFound, "%v", err)
	}
	return struct{}{}, nil
}

func (s *Server) flush(r *http.Request) (any, error) {
	c := asgi.NewCause(0)
	if err := s.flusher.Flush(r.Context(), c); err != nil {
		return nil, err
	}
	return struct{}{}, c.Barrier().Wait(r.Context())
}

// forget clears the inspector's history. The messages of the layer stay.
func (s *Server) forget(*http.Request) (any, error) {
	s.history.clear()
	return struct{}{}, nil
}

func (s *Server) reload(r *http.Request) (any, error) {
	if err := s.opts.Pool.Reload(r.Context()); err != nil {
		return nil, remote.Errorf(remote.LoadFailed, "%v", err)
	}
	number, kind := s.opts.Pool.Generation()
	return map[string]any{"generation": number, "kind": kind}, nil
}

// maxPath is the maximum length of the path of a file, in bytes.
const maxPath = 4096

// ignore excludes a file from the watched files. The command record calls it
// before it writes the file.
func (s *Server) ignore(_ *http.Request, _ *asgi.Cause, a args) (any, error) {
	file := a.Text("file")
	if !filepath.IsAbs(file) {
		return nil, badRequest("file: must be an absolute path")
	}
	if len(file) > maxPath {
		return nil, badRequest("file: must have at most %d bytes", maxPath)
	}
	if s.opts.Ignore != nil {
		s.opts.Ignore(file)
	}
	return struct{}{}, nil
}

func (s *Server) setWorkers(_ *http.Request, _ *asgi.Cause, a args) (any, error) {
	n := int(a.Int("workers"))
	if err := s.opts.Pool.SetWorkers(n); err != nil {
		return nil, badRequest("%v", err)
	}
	return map[string]int{"workers": n}, nil
}

func (s *Server) setState(r *http.Request, c *asgi.Cause, a args) (any, error) {
	value, ok := a.Get("value")
	if !ok {
		return nil, badRequest("value: is missing")
	}
	return struct{}{}, s.kv.Set(r.Context(), c, asgi.StatePrefix+a.Text("key"), value, 0)
}

func (s *Server) deleteState(r *http.Request, c *asgi.Cause, a args) (any, error) {
	return struct{}{}, s.kv.Delete(r.Context(), c, asgi.StatePrefix+a.Text("key"))
}

// maxRules and maxRule limit the number of rules, and the length of each one in bytes. Every
// send looks at all rules.
const (
	maxRules = 100
	maxRule  = 500
)

func (s *Server) setChaos(r *http.Request, _ *asgi.Cause, a args) (any, error) {
	v, _ := a.Get("rules")
	list, ok := v.(asgi.List)
	if !ok {
		return nil, badRequest("rules: must be a list of texts")
	}
	var rules []string
	for _, rule := range list.All() {
		text, _ := rule.(string)
		if len(text) > maxRule {
			return nil, badRequest("rules: a rule must have at most %d bytes", maxRule)
		}
		rules = append(rules, text)
	}
	if len(rules) > maxRules {
		return nil, badRequest("rules: must be at most %d", maxRules)
	}
	if err := s.opts.Chaos.SetRules(rules); err != nil {
		return nil, badRequest("%v", err)
	}
	return s.getChaos(r)
}
