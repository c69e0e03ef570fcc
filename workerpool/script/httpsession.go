package script

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"asgibox/asgi"
	"asgibox/internal/logkey"
	"asgibox/workerpool/script/web"

	"go.starlark.net/starlark"
)

const sessionLife = 14 * 24 * time.Hour

// A browserSession is the http_session of one message: the session of the
// browser that sent the request or opened the WebSocket, found by its cookie.
type browserSession struct {
	*session
	message *message
	kv      asgi.KV
	id      string // in the layer; "" until it is saved there
	created bool   // by this handler
	renewed bool   // gets a new id when it is saved
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
	kv, err := r.kv("http_session")
	if err != nil {
		return nil, err
	}
	s := &browserSession{message: m, kv: kv}
	if s.id, err = r.sessionID(m); err != nil {
		return nil, err
	}
	var saved asgi.Dict
	if s.id != "" {
		v, ok, err := kv.Get(r.ctx, r.cause(), asgi.SessionPrefix+s.id)
		if err != nil {
			return nil, err
		}
		if saved, _ = v.(asgi.Dict); !ok {
			s.id = ""
		}
	}
	s.session = newSession("http_session", saved, s.save)
	return s, nil
}

// cycle gives the session a new id when it is saved.
func (s *browserSession) cycle() error {
	switch job := s.message.run.job; {
	case s.message.channel != asgi.HTTPRequest:
		return fmt.Errorf("session.cycle: a message on %s cannot set a cookie; call it for an HTTP request", s.message.channel)
	case job != nil && job.Replied():
		return errors.New("session.cycle: the response has started, too late for its cookie; call it before the first message")
	}
	if s.id != "" {
		s.renewed, s.changed = true, true
	}
	return nil
}

// save stores the changes from old to now, and makes the cookie.
func (s *browserSession) save(r *run, old, now asgi.Dict) error {
	stored, err := s.store(r, old, now)
	if err != nil {
		return err
	}
	m := s.message
	switch {
	case !stored:
		r.unit.logAt(r.thread, slog.LevelWarn, "the changes of the session are lost: another handler has renewed it, or it was discarded", logkey.Channel, m.reply)
		return nil
	case m.channel != asgi.HTTPRequest:
		return r.setRecord(m.reply, recordHTTP, s.id)
	case s.created && r.job != nil && r.job.Replied():
		r.unit.logAt(r.thread, slog.LevelWarn, "the session is lost: it was created after the response started, too late for its cookie; create it before the first message", logkey.Channel, m.reply)
		return nil
	}
	l := r.unit.loader
	origin := m.content.Origin()
	r.cookie, err = l.signer.cookie(r.saveContext(), s.kv, l.sessionCookie(origin), s.id, origin.Text(asgi.KeyScheme) == "https")
	return err
}

// store changes the session in the layer. It reports whether the session was
// still there.
func (s *browserSession) store(r *run, old, now asgi.Dict) (stored bool, err error) {
	lock := &r.unit.loader.signer.mu
	lock.Lock()
	defer lock.Unlock()
	ctx, cause, key := r.saveContext(), r.cause(), asgi.SessionPrefix+s.id
	if s.id == "" {
		s.id, s.created = rand.Text(), true
		return true, s.kv.Set(ctx, cause, asgi.SessionPrefix+s.id, now, sessionLife)
	}
	if s.created && !s.renewed {
		// No browser has the session yet, unless it has changed. A Get would
		// count as its use.
		if swapped, err := s.kv.Swap(ctx, cause, key, old, now); swapped || err != nil {
			return true, err
		}
	}
	v, ok, err := s.kv.Get(ctx, cause, key)
	if err != nil || !ok {
		return false, err
	}
	current, _ := v.(asgi.Dict)
	merged := merge(current, old, now)
	if !s.renewed {
		return true, s.kv.Set(ctx, cause, key, merged, sessionLife)
	}
	s.id, s.renewed = rand.Text(), false
	if err := s.kv.Set(ctx, cause, asgi.SessionPrefix+s.id, merged, sessionLife); err != nil {
		return false, err
	}
	return true, s.kv.Delete(ctx, cause, key)
}

// sessionID returns the id of the session that a message belongs to, or "".
func (r *run) sessionID(m *message) (string, error) {
	origin := m.content.Origin()
	if id, err := r.cookieID(origin); id != "" || err != nil {
		return id, err
	}
	if origin.Has(asgi.KeyHeaders) {
		return "", nil
	}
	record, err := r.record(m.reply)
	return record.Text(recordHTTP), err
}

// cookieID returns the id in the first session cookie of a message whose signature
// is right, or "". Another site of the same domain may have set others.
func (r *run) cookieID(origin asgi.Message) (string, error) {
	for signed := range web.Cookies(origin, r.unit.loader.sessionCookie(origin)) {
		kv, err := r.kv("http_session")
		if err != nil {
			return "", err
		}
		if id, err := r.unit.loader.signer.verify(r.ctx, kv, signed); id != "" || err != nil {
			return id, err
		}
	}
	return "", nil
}

// saveSessionID saves the id of the session of a WebSocket handshake for the
// WebSocket's later messages, which have no cookies.
func (r *run) saveSessionID(m *message) error {
	id, err := r.cookieID(m.content.Origin())
	if err != nil || id == "" {
		return err
	}
	return r.setRecord(m.reply, recordHTTP, id)
}

// merge applies the changes from old to now to the current content of a session.
func merge(current, old, now asgi.Dict) asgi.Fields {
	merged := make(asgi.Fields, 0, now.Len())
	for key, v := range now.All() {
		there := changed(old, now, key)
		if !there {
			v, there = current.Get(key)
		}
		if there {
			merged = append(merged, asgi.Field{Key: key, Value: v})
		}
	}
	for key, v := range current.All() {
		if !old.Has(key) && !now.Has(key) {
			merged = append(merged, asgi.Field{Key: key, Value: v})
		}
	}
	return merged
}

// changed reports whether the value of a key differs between old and now.
func changed(old, now asgi.Dict, key string) bool {
	was, had := old.Get(key)
	is, has := now.Get(key)
	return had != has || !asgi.Equal(was, is)
}
