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
	"asgibox/workerpool/script/web"

	"go.starlark.net/starlark"
)

const (
	sessionCookie = "sessionid"
	sessionPrefix = "session/"
	sessionLife   = 14 * 24 * time.Hour
	sessionKey    = "meta/session_key"
)

// signer makes and checks session cookies with a key that the layer keeps.
type signer struct {
	mu   sync.Mutex // guards key and the merging of sessions
	keys []byte
}

// browserSession answers the message's http_session: that of the browser that
// sent it, by cookie, or that was on the page of a WebSocket.
func (m *message) browserSession() (starlark.Value, error) {
	if m.httpSession != nil {
		return m.httpSession.dict, nil
	}
	if m.reply == "" {
		return nil, fmt.Errorf("a message on %s comes from no browser, so it has no http_session", m.channel)
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
	var kept asgi.Dict
	if id != "" {
		v, ok, err := kv.Get(r.ctx, r.cause(), sessionPrefix+id)
		if err != nil {
			return nil, err
		}
		if kept, _ = v.(asgi.Dict); !ok {
			id = ""
		}
	}
	return newSession("http_session", kept, func(r *run, old, now asgi.Dict) error {
		fresh := id == ""
		if fresh {
			id = rand.Text()
		}
		if err := r.mergeSession(kv, id, old, now); err != nil {
			return err
		}
		if m.channel != "http.request" {
			return r.keepRecord(m.reply, recordHTTP, id)
		}
		if fresh && r.job != nil && r.job.Replied() {
			r.unit.logAt(r.thread, slog.LevelWarn, "the session changed after the response had begun, so the browser cannot be given its cookie", "channel", m.reply)
			return nil
		}
		r.cookie, err = r.unit.loader.signer.cookie(r.saveContext(), kv, id, m.content.Origin().Text("scheme") == "https")
		return err
	}), nil
}

// sessionID answers the id of the session that a message belongs to, or "".
func (r *run) sessionID(m *message) (string, error) {
	origin := m.content.Origin()
	if signed := web.Cookie(origin, sessionCookie); signed != "" {
		kv, err := r.kv("http_session")
		if err != nil {
			return "", err
		}
		return r.unit.loader.signer.verify(r.ctx, kv, signed)
	}
	if origin.Has("headers") {
		return "", nil
	}
	record, err := r.record(m.reply)
	return record.Text(recordHTTP), err
}

// rememberPage notes, for a WebSocket's later messages, which session its page
// belongs to.
func (r *run) rememberPage(m *message) error {
	if web.Cookie(m.content.Origin(), sessionCookie) == "" {
		return nil
	}
	id, err := r.sessionID(m)
	if err != nil || id == "" {
		return err
	}
	return r.keepRecord(m.reply, recordHTTP, id)
}

// mergeSession writes the keys that have changed over what is kept now.
func (r *run) mergeSession(kv asgi.KV, id string, old, now asgi.Dict) error {
	s := &r.unit.loader.signer
	s.mu.Lock()
	defer s.mu.Unlock()
	v, _, err := kv.Get(r.saveContext(), r.cause(), sessionPrefix+id)
	if err != nil {
		return err
	}
	kept, _ := v.(asgi.Dict)
	merged := make(asgi.Fields, 0, now.Len())
	for key, v := range kept.All() {
		if _, stays := now.Get(key); !stays && old.Has(key) {
			continue
		}
		if !changed(old, now, key) {
			merged = append(merged, asgi.Field{Key: key, Value: v})
		}
	}
	for key, v := range now.All() {
		if changed(old, now, key) {
			merged = append(merged, asgi.Field{Key: key, Value: v})
		}
	}
	return kv.Set(r.saveContext(), r.cause(), sessionPrefix+id, merged, sessionLife)
}

// changed reports whether a key has another value in now than in old.
func changed(old, now asgi.Dict, key string) bool {
	was, had := old.Get(key)
	is, has := now.Get(key)
	return had != has || !asgi.Equal(was, is)
}

// cookie answers the header value that gives a browser its session.
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

// verify answers the id that a cookie's value holds, or "" if we did not make it.
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

// key answers the signing key, which whoever needs it first makes.
func (s *signer) key(ctx context.Context, kv asgi.KV) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys != nil {
		return s.keys, nil
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
		return nil, fmt.Errorf("%s in the store is no signing key", sessionKey)
	}
	s.keys = []byte(key)
	return s.keys, nil
}

// withCookie adds the session's cookie to a response that begins.
func (r *run) withCookie(m asgi.Message) (asgi.Message, error) {
	if r.cookie == "" || !m.Has("status") {
		return m, nil
	}
	headers := []any{}
	if v, _ := m.Get("headers"); v != nil {
		list, ok := v.(asgi.List)
		if !ok {
			return m, nil // the front will say what is wrong with it
		}
		for _, h := range list.All() {
			headers = append(headers, h)
		}
	}
	headers = append(headers, []any{asgi.Bytes("set-cookie"), asgi.Bytes(r.cookie)})
	r.cookie = ""
	return m.With("headers", headers)
}
