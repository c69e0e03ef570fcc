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

// channelSession returns the message's channel_session.
func (m *message) channelSession() (starlark.Value, error) {
	if m.session != nil {
		return m.session.dict, nil
	}
	if m.reply == "" {
		return nil, fmt.Errorf("a message on %s has no connection, so it has no channel_session", m.channel)
	}
	r := m.run
	if _, err := r.layer("channel_session"); err != nil {
		return nil, fmt.Errorf("channel_session: %w", err)
	}
	r.useSession()
	data, err := r.unit.loader.sessions.Channel(r.ctx, r.cause(), m.reply)
	if err != nil {
		return nil, fmt.Errorf("channel_session: %w", err)
	}
	m.session = newSession("channel_session", data, func(r *run, _, now asgi.Dict) error {
		if r.job != nil && r.job.Disconnected(m.reply) {
			return nil // nothing would delete it
		}
		return r.unit.loader.sessions.SaveChannel(r.saveContext(), r.cause(), m.reply, now)
	})
	r.sessions = append(r.sessions, m.session)
	return m.session.dict, nil
}

// useSession tells the pool that the connection has a record.
func (r *run) useSession() {
	if r.job != nil {
		r.job.UseSession()
	}
}

// saveContext returns a context for saving sessions. Cancelling the handler does
// not cancel it, so that changes made before are saved.
func (r *run) saveContext() context.Context { return context.WithoutCancel(r.ctx) }
