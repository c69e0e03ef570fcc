package inspector

import (
	"errors"
	"net/http"
	"path/filepath"

	"asgibox/asgi"
)

// barrier makes an answer wait until the disk has what the call did: what the
// outside world has seen is on disk.
func barrier(r *http.Request, c *asgi.Cause) error { return c.Barrier().Wait(r.Context()) }

func (s *Server) send(w http.ResponseWriter, r *http.Request) error {
	args, err := arguments(r)
	if err != nil {
		return err
	}
	m, err := messageOf(args)
	if err != nil {
		return err
	}
	c := asgi.NewCause(asgi.NewTrace())
	if err := s.opts.Layer.Send(r.Context(), c, args.Text("channel"), m); err != nil {
		return err
	}
	return traced(w, r, c)
}

// traced answers the trace of what was sent, once it is on disk.
func traced(w http.ResponseWriter, r *http.Request, c *asgi.Cause) error {
	if err := barrier(r, c); err != nil {
		return err
	}
	return answer(w, map[string]string{"trace": c.Trace().String()})
}

func (s *Server) groupSend(w http.ResponseWriter, r *http.Request) error {
	args, err := s.groupArguments(r)
	if err != nil {
		return err
	}
	m, err := messageOf(args)
	if err != nil {
		return err
	}
	c := asgi.NewCause(asgi.NewTrace())
	if err := s.groups.SendGroup(r.Context(), c, args.Text("group"), m); err != nil {
		return err
	}
	return traced(w, r, c)
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
	return s.done(w, r, c)
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
	return s.done(w, r, c)
}

func (s *Server) groupArguments(r *http.Request) (args, error) {
	if s.groups == nil {
		return nil, missing("this channel layer has no groups")
	}
	return arguments(r)
}

func (s *Server) done(w http.ResponseWriter, r *http.Request, c *asgi.Cause) error {
	if err := barrier(r, c); err != nil {
		return err
	}
	return answer(w, struct{}{})
}

// onChannel makes a call of what is done to one channel.
func (s *Server) onChannel(w http.ResponseWriter, r *http.Request, act func(channel string, a args) (any, error)) error {
	if s.opts.Store == nil {
		return missing("this channel layer cannot be looked into")
	}
	args, err := arguments(r)
	if err != nil {
		return err
	}
	v, err := act(args.Text("channel"), args)
	if err != nil {
		return err
	}
	return answer(w, v)
}

func (s *Server) pause(w http.ResponseWriter, r *http.Request) error {
	return s.onChannel(w, r, func(channel string, _ args) (any, error) {
		return map[string]string{"channel": asgi.ProcessPrefix(channel)}, s.opts.Store.Pause(channel)
	})
}

func (s *Server) resume(w http.ResponseWriter, r *http.Request) error {
	return s.onChannel(w, r, func(channel string, _ args) (any, error) {
		resumed, err := s.opts.Store.Resume(channel)
		return map[string]any{"channel": asgi.ProcessPrefix(channel), "resumed": resumed}, err
	})
}

func (s *Server) step(w http.ResponseWriter, r *http.Request) error {
	return s.onChannel(w, r, func(channel string, _ args) (any, error) {
		stepped, err := s.opts.Store.Step(channel)
		return map[string]bool{"stepped": stepped}, err
	})
}

func (s *Server) drain(w http.ResponseWriter, r *http.Request) error {
	return s.onChannel(w, r, func(channel string, _ args) (any, error) {
		n, err := s.opts.Store.Drain(channel)
		return map[string]int{"dropped": n}, err
	})
}

func (s *Server) drop(w http.ResponseWriter, r *http.Request) error {
	return s.onChannel(w, r, func(channel string, a args) (any, error) {
		return struct{}{}, s.opts.Store.Drop(channel, uint64(a.Int("id")))
	})
}

func (s *Server) edit(w http.ResponseWriter, r *http.Request) error {
	return s.onChannel(w, r, func(channel string, a args) (any, error) {
		m, err := messageOf(a)
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
		return missing("there is no protocol server here")
	}
	code := int(args.Int("code"))
	if code == 0 {
		code = 1000
	}
	if code < 1000 || code > 4999 {
		return badRequest(errors.New("code: a close code is 1000 to 4999"))
	}
	if err := s.opts.Front.CloseConnection(args.Text("channel"), code, args.Text("reason")); err != nil {
		return notFound("%v", err)
	}
	return answer(w, struct{}{})
}

func (s *Server) flush(w http.ResponseWriter, r *http.Request) error {
	if s.flusher == nil {
		return missing("this channel layer cannot be flushed")
	}
	c := asgi.NewCause(0)
	if err := s.flusher.Flush(r.Context(), c); err != nil {
		return err
	}
	return s.done(w, r, c)
}

// forget clears what the inspector remembers, not what the layer holds.
func (s *Server) forget(w http.ResponseWriter, r *http.Request) error {
	s.history.clear()
	return answer(w, struct{}{})
}

func (s *Server) reload(w http.ResponseWriter, r *http.Request) error {
	if s.opts.Pool == nil {
		return missing("there are no workers here")
	}
	if err := s.opts.Pool.Reload(r.Context()); err != nil {
		return &statusError{http.StatusUnprocessableEntity, "LoadFailed", err.Error()}
	}
	number, kind := s.opts.Pool.Generation()
	return answer(w, map[string]any{"generation": number, "kind": kind})
}

// ignore is told by the command record which file it is about to write.
func (s *Server) ignore(w http.ResponseWriter, r *http.Request) error {
	args, err := arguments(r)
	if err != nil {
		return err
	}
	file := args.Text("file")
	if !filepath.IsAbs(file) {
		return badRequest(errors.New("file: an absolute path is needed"))
	}
	if s.opts.Ignore != nil {
		s.opts.Ignore(file)
	}
	return answer(w, struct{}{})
}

func (s *Server) setWorkers(w http.ResponseWriter, r *http.Request) error {
	if s.opts.Pool == nil {
		return missing("there are no workers here")
	}
	args, err := arguments(r)
	if err != nil {
		return err
	}
	n := int(args.Int("workers"))
	if err := s.opts.Pool.SetWorkers(n); err != nil {
		return badRequest(err)
	}
	return answer(w, map[string]int{"workers": n})
}

func (s *Server) setState(w http.ResponseWriter, r *http.Request) error {
	if s.kv == nil {
		return missing("this channel layer keeps no state")
	}
	args, err := arguments(r)
	if err != nil {
		return err
	}
	value, ok := args.Get("value")
	if !ok {
		return badRequest(errors.New("value: is needed"))
	}
	c := asgi.NewCause(0)
	if err := s.kv.Set(r.Context(), c, statePrefix+args.Text("key"), value, 0); err != nil {
		return err
	}
	return s.done(w, r, c)
}

func (s *Server) deleteState(w http.ResponseWriter, r *http.Request) error {
	if s.kv == nil {
		return missing("this channel layer keeps no state")
	}
	args, err := arguments(r)
	if err != nil {
		return err
	}
	c := asgi.NewCause(0)
	if err := s.kv.Delete(r.Context(), c, statePrefix+args.Text("key")); err != nil {
		return err
	}
	return s.done(w, r, c)
}

const noChaos = "chaos does not stand before this channel layer"

func (s *Server) getChaos(w http.ResponseWriter, r *http.Request) error {
	if s.opts.Chaos == nil {
		return missing(noChaos)
	}
	return answer(w, map[string]any{"rules": notNil(s.opts.Chaos.Rules())})
}

func (s *Server) setChaos(w http.ResponseWriter, r *http.Request) error {
	if s.opts.Chaos == nil {
		return missing(noChaos)
	}
	args, err := arguments(r)
	if err != nil {
		return err
	}
	list, ok := listOf(args.Get("rules"))
	if !ok {
		return badRequest(errors.New("rules: a list of texts is needed"))
	}
	var rules []string
	for _, rule := range list.All() {
		text, _ := rule.(string)
		rules = append(rules, text)
	}
	if err := s.opts.Chaos.SetRules(rules); err != nil {
		return badRequest(err)
	}
	return s.getChaos(w, r)
}
