package script

import (
	"context"
	"fmt"

	"asgibox/asgi"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

// session is a dict that is read from the layer on its first use. If it changed,
// it is saved before the handler's next send and at the handler's end.
type session struct {
	name  string // for errors
	dict  *starlark.Dict
	saved asgi.Dict // the content in the layer
	save  func(r *run, old, new asgi.Dict) error

	changed bool // besides its content
}

func newSession(name string, saved asgi.Dict, save func(r *run, old, new asgi.Dict) error) *session {
	return &session{name: name, dict: value.Dict(saved), saved: saved, save: save}
}

// saveSessions saves the sessions that have changed.
func (r *run) saveSessions() error {
	for _, s := range r.sessions {
		v, err := r.storable(s.dict)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		now := v.(asgi.Dict)
		if asgi.Equal(now, s.saved) && !s.changed {
			continue
		}
		if err := s.save(r, s.saved, now); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		s.saved, s.changed = now, false
	}
	return nil
}

// Each connection has a record in the layer, with these keys.
const (
	channelPrefix = "channel/"
	recordData    = "data" // the channel_session
	recordHTTP    = "http" // the id of the http_session
)

// channelSession returns the message's channel_session.
func (m *message) channelSession() (starlark.Value, error) {
	if m.session != nil {
		return m.session.dict, nil
	}
	if m.reply == "" {
		return nil, fmt.Errorf("a message on %s has no connection, so it has no channel_session", m.channel)
	}
	r := m.run
	record, err := r.record(m.reply)
	if err != nil {
		return nil, fmt.Errorf("channel_session: %w", err)
	}
	v, _ := record.Get(recordData)
	data, _ := v.(asgi.Dict)
	m.session = newSession("channel_session", data, func(r *run, _, now asgi.Dict) error {
		return r.setRecord(m.reply, recordData, now)
	})
	r.sessions = append(r.sessions, m.session)
	return m.session.dict, nil
}

// record returns the record of a connection.
func (r *run) record(reply string) (asgi.Dict, error) {
	kv, err := r.kv("channel_session")
	if err != nil {
		return asgi.Dict{}, err
	}
	if r.job != nil {
		r.job.UseSession()
	}
	v, _, err := kv.Get(r.ctx, r.cause(), channelPrefix+reply)
	record, _ := v.(asgi.Dict)
	return record, err
}

// setRecord changes one key of a connection's record. No other handler can change
// the record meanwhile, because the handlers of a connection run one at a time.
func (r *run) setRecord(reply, key string, v any) error {
	record, err := r.record(reply)
	if err != nil {
		return err
	}
	changed, err := asgi.Message{Dict: record}.With(key, v)
	if err != nil {
		return err
	}
	l := r.unit.loader.opts.Layer
	kv, _ := asgi.As[asgi.KV](l)
	return kv.Set(r.saveContext(), r.cause(), channelPrefix+reply, changed.Dict, l.Settings().GroupExpiry, asgi.Volatile)
}

// saveContext returns a context for saving sessions. Cancelling the handler does
// not cancel it, so that changes made before are saved.
func (r *run) saveContext() context.Context { return context.WithoutCancel(r.ctx) }
