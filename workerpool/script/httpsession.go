package script

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"asgibox/asgi"
	"asgibox/internal/logkey"
	"asgibox/workerpool/script/web"

	"go.starlark.net/starlark"
)

const (
	sessionCookie = "sessionid"
	sessionPrefix = "session/"
	sessionLife   = 14 * 24 * time.Hour
	sessionKey    = "meta/session_key"
)

// signer creates and verifies session cookies with a key that is stored in the
// layer.
type signer struct {
	mu     sync.Mutex // guards secret and mergeSession
	secret []byte
}

// browserSession returns the message's http_session: the session of the browser
// that sent the request or opened the WebSocket, found by its cookie.
func (m *message) browserSession() (starlark.Value, error) {
	if m.httpSession != nil {
		return m.httpSession.dict, nil
	}
	if m.reply == "" {
		return nil, fmt.Errorf("a message on %s does not come from a browser, so it has no http_session", m.channel)
	}
	s, err := m.run.openBrowserSession(m)
	if err != nil {
		return nil, fmt.Errorf("http_session: %w", err)
	}
	m.httpSession = s
	m.run.sessions = append(m.run.sessions, s)
	return s.dict, nil
}

func (r *run) openBrowserSession(m *message) (*session, error) {
	kv, err := r.kv("http_session")
	if err != nil {
		return nil, err
	}
	id, err := r.sessionID(m)
	if err != nil {
		return nil, err
	}
	var saved asgi.Dict
	if id != "" {
		v, ok, err := kv.Get(r.ctx, r.cause(), sessionPrefix+id)
		if err != nil {
			return nil, err
		}
		if saved, _ = v.(asgi.Dict); !ok {
			id = ""
		}
	}
	return newSession("http_session", saved, func(r *run, old, now asgi.Dict) error {
		created := id == ""
		if created {
			id = rand.Text()
		}
		if err := r.mergeSession(kv, id, old, now); err != nil {
			return err
		}
		if m.channel != asgi.HTTPRequest {
			return r.setRecord(m.reply, recordHTTP, id)
		}
		if created && r.job != nil && r.job.Replied() {
			r.unit.logAt(r.thread, slog.LevelWarn, "the session is lost: it was created after the response started, too late for its cookie; create it before the first message", logkey.Channel, m.reply)
			return nil
		}
		r.cookie, err = r.unit.loader.signer.cookie(r.saveContext(), kv, id, m.content.Origin().Text(asgi.KeyScheme) == "https")
		return err
	}), nil
}

// sessionID returns the id of the session that a message belongs to, or "".
func (r *run) sessionID(m *message) (string, error) {
	origin := m.content.Origin()
	if signed := web.Cookie(origin, sessionCookie); signed != "" {
		kv, err := r.kv("http_session")
		if err != nil {
			return "", err
		}
		return r.unit.loader.signer.verify(r.ctx, kv, signed)
	}
	if origin.Has(asgi.KeyHeaders) {
		return "", nil
	}
	record, err := r.record(m.reply)
	return record.Text(recordHTTP), err
}

// saveSessionID saves the id of the session of a WebSocket handshake for the
// WebSocket's later messages, which have no cookies.
func (r *run) saveSessionID(m *message) error {
	if web.Cookie(m.content.Origin(), sessionCookie) == "" {
		return nil
	}
	id, err := r.sessionID(m)
	if err != nil || id == "" {
		return err
	}
	return r.setRecord(m.reply, recordHTTP, id)
}

// mergeSession applies the changes from old to now to the stored session.
func (r *run) mergeSession(kv asgi.KV, id string, old, now asgi.Dict) error {
	s := &r.unit.loader.signer
	s.mu.Lock()
	defer s.mu.Unlock()
	v, _, err := kv.Get(r.saveContext(), r.cause(), sessionPrefix+id)
	if err != nil {
		return err
	}
	stored, _ := v.(asgi.Dict)
	merged := make(asgi.Fields, 0, now.Len())
	for key, v := range now.All() {
		there := changed(old, now, key)
		if !there {
			v, there = stored.Get(key)
		}
		if there {
			merged = append(merged, asgi.Field{Key: key, Value: v})
		}
	}
	for key, v := range stored.All() {
		if !old.Has(key) && !now.Has(key) {
			merged = append(merged, asgi.Field{Key: key, Value: v})
		}
	}
	return kv.Set(r.saveContext(), r.cause(), sessionPrefix+id, merged, sessionLife)
}

// changed reports whether the value of a key differs between old and now.
func changed(old, now asgi.Dict, key string) bool {
	was, had := old.Get(key)
	is, has := now.Get(key)
	return had != has || !asgi.Equal(was, is)
}

// cookie returns the value of the Set-Cookie header for a session.
func (s *signer) cookie(ctx context.Context, kv asgi.KV, id string, secure bool) (string, error) {
	mac, err := s.sign(ctx, kv, id)
	if err != nil {
		return "", err
	}
	c := http.Cookie{
		Name: sessionCookie, Value: id + "." + mac, Path: "/", MaxAge: int(sessionLife / time.Second),
		HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode,
	}
	return c.String(), nil
}

// verify returns the session id in a cookie's value, or "" if the signature is
// wrong.
func (s *signer) verify(ctx context.Context, kv asgi.KV, signed string) (string, error) {
	id, mac, ok := strings.Cut(signed, ".")
	if !ok {
		return "", nil
	}
	want, err := s.sign(ctx, kv, id)
	if err != nil || !hmac.Equal([]byte(want), []byte(mac)) {
		return "", err
	}
	return id, nil
}

func (s *signer) sign(ctx context.Context, kv asgi.KV, id string) (string, error) {
	key, err := s.key(ctx, kv)
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("asgibox session " + id))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), nil
}

// key returns the signing key. The first call for a store creates it.
func (s *signer) key(ctx context.Context, kv asgi.KV) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.secret != nil {
		return s.secret, nil
	}
	fresh := make([]byte, 32)
	if _, err := rand.Read(fresh); err != nil {
		return nil, err
	}
	if _, err := kv.Swap(ctx, nil, sessionKey, asgi.Absent, asgi.Bytes(fresh)); err != nil {
		return nil, err
	}
	v, _, err := kv.Get(ctx, nil, sessionKey)
	if err != nil {
		return nil, err
	}
	key, ok := v.(asgi.Bytes)
	if !ok || len(key) < 32 {
		return nil, fmt.Errorf("the value of %s in the store is not a signing key of at least 32 bytes", sessionKey)
	}
	s.secret = []byte(key)
	return s.secret, nil
}

// withCookie adds the session cookie to the first message of a response.
func (r *run) withCookie(m asgi.Message) (asgi.Message, error) {
	if r.cookie == "" || !m.Has(asgi.KeyStatus) {
		return m, nil
	}
	headers := []any{}
	if v, _ := m.Get(asgi.KeyHeaders); v != nil {
		list, ok := v.(asgi.List)
		if !ok {
			return m, nil // the HTTP server reports the error
		}
		for _, h := range list.All() {
			headers = append(headers, h)
		}
	}
	headers = append(headers, []any{asgi.Bytes("set-cookie"), asgi.Bytes(r.cookie)})
	r.cookie = ""
	return m.With(asgi.KeyHeaders, headers)
}
