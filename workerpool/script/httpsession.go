package script

import (
	"cmp"
	"errors"
	"fmt"

	"asgibox/asgi"
	"asgibox/internal/logkey"
	sessions "asgibox/workerpool/session"

	"go.starlark.net/starlark"
)

// A browserSession is the http_session of one message.
type browserSession struct {
	*session
	message *message
	browser *sessions.Browser
}

// browserSession returns the message's http_session.
func (m *message) browserSession() (starlark.Value, error) {
	if m.httpSession != nil {
		return &sessionDict{m.httpSession.dict, m.httpSession}, nil
	}
	if m.reply == "" {
		return nil, fmt.Errorf("a message on %s does not come from a browser, so it has no http_session", m.channel)
	}
	s, err := m.run.openBrowserSession(m)
	if err != nil {
		return nil, fmt.Errorf("http_session: %w", err)
	}
	m.httpSession = s
	m.run.sessions = append(m.run.sessions, s.session)
	return &sessionDict{s.dict, s}, nil
}

func (r *run) openBrowserSession(m *message) (*browserSession, error) {
	if _, err := r.layer("http_session"); err != nil {
		return nil, err
	}
	browser, record, err := r.unit.loader.sessions.Open(r.ctx, r.cause(), m.channel, m.content.Origin())
	if err != nil {
		return nil, err
	}
	if record {
		r.useSession()
	}
	s := &browserSession{message: m, browser: browser}
	s.session = newSession("http_session", browser.Saved(), s.save)
	return s, nil
}

// replied reports whether the response to the message has started.
func (r *run) replied() bool { return r.job != nil && r.job.Replied() }

// cycle gives the session a new id when it is saved.
func (s *browserSession) cycle() error {
	save, err := s.browser.Cycle(s.message.run.replied())
	s.changed = s.changed || save
	return err
}

// save stores the changes from old to now, and makes the cookie.
func (s *browserSession) save(r *run, old, now asgi.Dict) error {
	cookie, err := s.browser.Save(r.saveContext(), r.cause(), old, now, r.replied())
	switch {
	case errors.Is(err, sessions.ErrRenewed), errors.Is(err, sessions.ErrTooLate):
		r.unit.logger(r.thread).Warn(err.Error(), logkey.At, cmp.Or(location(r.thread), r.handler), logkey.Channel, s.message.reply)
		return nil
	case err != nil:
		return err
	case s.message.channel != asgi.HTTPRequest:
		r.useSession()
	default:
		r.cookie = cookie
		r.job.SetCookie(cookie)
	}
	return nil
}

// saveSessionID saves the id of the session of a WebSocket handshake for the
// WebSocket's later messages.
func (r *run) saveSessionID(m *message) error {
	found, err := r.unit.loader.sessions.SaveID(r.ctx, r.cause(), m.reply, m.content.Origin())
	if found {
		r.useSession()
	}
	return err
}

// withCookie adds the session cookie to the first message of a response.
func (r *run) withCookie(m asgi.Message) (asgi.Message, error) {
	m, added, err := sessions.WithCookie(m, r.cookie)
	if added {
		r.cookie = ""
	}
	return m, err
}
