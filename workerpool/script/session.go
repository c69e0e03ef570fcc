package script

import (
	"context"
	"fmt"

	"asgibox/asgi"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

// session is a dict that is read when it is touched, and written, if it has
// changed, before the handler's next send and at its end.
type session struct {
	name  string // for errors
	dict  *starlark.Dict
	saved asgi.Dict // what is kept
	save  func(r *run, old, new asgi.Dict) error
}

func newSession(name string, kept asgi.Dict, save func(r *run, old, new asgi.Dict) error) *session {
	return &session{name: name, dict: value.Dict(kept), saved: kept, save: save}
}

// saveSessions writes the sessions that have changed.
func (r *run) saveSessions() error {
	for _, s := range r.sessions {
		kept, err := r.keep(s.dict)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		now := kept.(asgi.Dict)
		if asgi.Equal(now, s.saved) {
			continue
		}
		if err := s.save(r, s.saved, now); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		s.saved = now
	}
	return nil
}

// The keys of what is kept for a connection.
const (
	channelPrefix = "channel/"
	recordData    = "data" // its channel_session
	recordHTTP    = "http" // the id of its page's http_session
)

// channelSession answers the message's channel_session.
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
		return r.keepRecord(m.reply, recordData, now)
	})
	r.sessions = append(r.sessions, m.session)
	return m.session.dict, nil
}

// record answers what is kept for a connection.
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

// keepRecord changes one key of what is kept for a connection. Its handlers
// run one at a time, so nobody comes between reading and writing.
func (r *run) keepRecord(reply, key string, v any) error {
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

// saveContext outlives a handler that was cancelled: what it did stays.
func (r *run) saveContext() context.Context { return context.WithoutCancel(r.ctx) }
