package inspector

import (
	"errors"
	"net/http"
	"path/filepath"

	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/inspector/api"
	"asgibox/store"
)

func (s *Server) send(w http.ResponseWriter, r *http.Request) error {
	args, err := arguments(r)
	if err != nil {
		return err
	}
	m, err := args.Message()
	if err != nil {
		return err
	}
	return s.sendTo(w, r, args.Text("channel"), m, api.Sent{})
}

// sendTo sends a message and responds with its trace.
func (s *Server) sendTo(w http.ResponseWriter, r *http.Request, channel string, m asgi.Message, sent api.Sent) error {
	c := asgi.NewCause(asgi.NewTrace())
	if err := s.opts.Layer.Send(r.Context(), c, channel, m); err != nil {
		return err
	}
	sent.Trace = c.Trace().String()
	return respondAfter(w, r, c, sent)
}

// respondAfter responds once the changes of a call are on disk.
func respondAfter(w http.ResponseWriter, r *http.Request, c *asgi.Cause, v any) error {
	if err := c.Barrier().Wait(r.Context()); err != nil {
		return err
	}
	return respond(w, v)
}

func (s *Server) groupSend(w http.ResponseWriter, r *http.Request) error {
	args, err := s.groupArguments(r)
	if err != nil {
		return err
	}
	m, err := args.Message()
	if err != nil {
		return err
	}
	c := asgi.NewCause(asgi.NewTrace())
	if err := s.groups.SendGroup(r.Context(), c, args.Text("group"), m); err != nil {
		return err
	}
	return respondAfter(w, r, c, api.Sent{Trace: c.Trace().String()})
}

func (s *Server) groupAdd(w http.ResponseWriter, r *http.Request) error {
	args, err := s.groupArguments(r)
	if err != nil {
		return err
	}
	c := asgi.NewCause(0)
	if err := s.groups.GroupAdd(r.Context(), c, args.Text("group"), args.Text("channel")); err != nil {
		return err
	}
	return respondAfter(w, r, c, struct{}{})
}

func (s *Server) groupDiscard(w http.ResponseWriter, r *http.Request) error {
	args, err := s.groupArguments(r)
	if err != nil {
		return err
	}
	c := asgi.NewCause(0)
	if err := s.groups.GroupDiscard(r.Context(), c, args.Text("group"), args.Text("channel")); err != nil {
		return err
	}
	return respondAfter(w, r, c, struct{}{})
}

func (s *Server) groupArguments(r *http.Request) (args, error) {
	if s.groups == nil {
		return nil, errNoGroups
	}
	return arguments(r)
}

// changeChannel runs a call that changes one channel.
func (s *Server) changeChannel(w http.ResponseWriter, r *http.Request, change func(channel string, a args) (any, error)) error {
	if s.opts.Store == nil {
		return errNoStore
	}
	args, err := arguments(r)
	if err != nil {
		return err
	}
	v, err := change(args.Text("channel"), args)
	var noMessage *store.NoMessageError
	if errors.As(err, &noMessage) {
		return remote.Errorf(remote.NotFound, "%v", err)
	}
	if err != nil {
		return err
	}
	return respond(w, v)
}

func (s *Server) pause(w http.ResponseWriter, r *http.Request) error {
	return s.changeChannel(w, r, func(channel string, _ args) (any, error) {
		return api.Paused{Channel: asgi.ProcessPrefix(channel)}, s.opts.Store.Pause(channel)
	})
}

func (s *Server) resume(w http.ResponseWriter, r *http.Request) error {
	return s.changeChannel(w, r, func(channel string, _ args) (any, error) {
		resumed, err := s.opts.Store.Resume(channel)
		return api.Resumed{Paused: api.Paused{Channel: asgi.ProcessPrefix(channel)}, Resumed: resumed}, err
	})
}

func (s *Server) step(w http.ResponseWriter, r *http.Request) error {
	return s.changeChannel(w, r, func(channel string, _ args) (any, error) {
		stepped, err := s.opts.Store.Step(channel)
		return api.Stepped{Stepped: stepped}, err
	})
}

func (s *Server) drain(w http.ResponseWriter, r *http.Request) error {
	return s.changeChannel(w, r, func(channel string, _ args) (any, error) {
		n, err := s.opts.Store.Drain(channel)
		return map[string]int{"dropped": n}, err
	})
}

func (s *Server) drop(w http.ResponseWriter, r *http.Request) error {
	return s.changeChannel(w, r, func(channel string, a args) (any, error) {
		return struct{}{}, s.opts.Store.Drop(channel, uint64(a.Int("id")))
	})
}

func (s *Server) edit(w http.ResponseWriter, r *http.Request) error {
	return s.changeChannel(w, r, func(channel string, a args) (any, error) {
		m, err := a.Message()
		if err != nil {
			return nil, err
		}
		return struct{}{}, s.opts.Store.Edit(channel, uint64(a.Int("id")), m)
	})
}

func (s *Server) closeConnection(w http.ResponseWriter, r *http.Request) error {
	args, err := arguments(r)
	if err != nil {
		return err
	}
	if s.opts.Front == nil {
		return errNoFront
	}
	code := int(args.Int("code"))
	if code == 0 {
		code = asgi.CloseNormal
	}
	if code < 1000 || code > 4999 {
		return badRequest("code: must be a close code from 1000 to 4999")
	}
	if err := s.opts.Front.CloseConnection(args.Text("channel"), code, args.Text("reason")); err != nil {
		return remote.Errorf(remote.NotFound, "%v", err)
	}
	return respond(w, struct{}{})
}

func (s *Server) flush(w http.ResponseWriter, r *http.Request) error {
	if s.flusher == nil {
		return errNoFlush
	}
	c := asgi.NewCause(0)
	if err := s.flusher.Flush(r.Context(), c); err != nil {
		return err
	}
	return respondAfter(w, r, c, struct{}{})
}

// forget clears the inspector's history. The messages of the layer stay.
func (s *Server) forget(w http.ResponseWriter, r *http.Request) error {
	s.history.clear()
	return respond(w, struct{}{})
}

func (s *Server) reload(w http.ResponseWriter, r *http.Request) error {
	if s.opts.Pool == nil {
		return errNoPool
	}
	if err := s.opts.Pool.Reload(r.Context()); err != nil {
		return remote.Errorf(remote.LoadFailed, "%v", err)
	}
	number, kind := s.opts.Pool.Generation()
	return respond(w, map[string]any{"generation": number, "kind": kind})
}

// ignore excludes a file from the watched files. The command record calls it
// before it writes the file.
func (s *Server) ignore(w http.ResponseWriter, r *http.Request) error {
	args, err := arguments(r)
	if err != nil {
		return err
	}
	file := args.Text("file")
	if !filepath.IsAbs(file) {
		return badRequest("file: must be an absolute path")
	}
	if s.opts.Ignore != nil {
		s.opts.Ignore(file)
	}
	return respond(w, struct{}{})
}

func (s *Server) setWorkers(w http.ResponseWriter, r *http.Request) error {
	if s.opts.Pool == nil {
		return errNoPool
	}
	args, err := arguments(r)
	if err != nil {
		return err
	}
	n := int(args.Int("workers"))
	if err := s.opts.Pool.SetWorkers(n); err != nil {
		return badRequest("%v", err)
	}
	return respond(w, map[string]int{"workers": n})
}

func (s *Server) setState(w http.ResponseWriter, r *http.Request) error {
	if s.kv == nil {
		return errNoState
	}
	args, err := arguments(r)
	if err != nil {
		return err
	}
	value, ok := args.Get("value")
	if !ok {
		return badRequest("value: is missing")
	}
	c := asgi.NewCause(0)
	if err := s.kv.Set(r.Context(), c, statePrefix+args.Text("key"), value, 0); err != nil {
		return err
	}
	return respondAfter(w, r, c, struct{}{})
}

func (s *Server) deleteState(w http.ResponseWriter, r *http.Request) error {
	if s.kv == nil {
		return errNoState
	}
	args, err := arguments(r)
	if err != nil {
		return err
	}
	c := asgi.NewCause(0)
	if err := s.kv.Delete(r.Context(), c, statePrefix+args.Text("key")); err != nil {
		return err
	}
	return respondAfter(w, r, c, struct{}{})
}

func (s *Server) setChaos(w http.ResponseWriter, r *http.Request) error {
	if s.opts.Chaos == nil {
		return errNoChaos
	}
	args, err := arguments(r)
	if err != nil {
		return err
	}
	v, _ := args.Get("rules")
	list, ok := v.(asgi.List)
	if !ok {
		return badRequest("rules: must be a list of texts")
	}
	var rules []string
	for _, rule := range list.All() {
		text, _ := rule.(string)
		rules = append(rules, text)
	}
	if err := s.opts.Chaos.SetRules(rules); err != nil {
		return badRequest("%v", err)
	}
	return s.getChaos(w, r)
}
