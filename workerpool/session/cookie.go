package session

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"asgibox/asgi"
	"asgibox/workerpool/script/web"
)

// sessionKey is the key of the signing key in the layer.
const sessionKey = "meta/session_key"

// cookieName returns the name of the cookie of a browser's session. Browsers send
// the cookies of a host to all its ports, so the default name contains the port that
// the message came to: two applications on one host do not replace each other's
// cookies.
func (k *Keeper) cookieName(origin asgi.Message) string {
	if k.cookie != "" {
		return k.cookie
	}
	v, _ := origin.Get(asgi.KeyServer)
	if server, ok := v.(asgi.List); ok && server.Len() == 2 {
		if port, ok := server.At(1).(int64); ok {
			return fmt.Sprintf("sessionid_%d", port)
		}
	}
	return "sessionid" // a Unix socket has no port
}

// cookieID returns the id in the first session cookie of a message whose signature
// is right, or "". Another site of the same domain may have set others.
func (k *Keeper) cookieID(ctx context.Context, origin asgi.Message) (string, error) {
	for signed := range web.Cookies(origin, k.cookieName(origin)) {
		if id, err := k.signer.verify(ctx, k.kv, signed); id != "" || err != nil {
			return id, err
		}
	}
	return "", nil
}

// signer creates and verifies session cookies with a key that is stored in the
// layer.
type signer struct {
	mu     sync.Mutex // guards secret; held while a session is merged
	secret []byte
}

// cookie returns the value of the Set-Cookie header for a session.
func (s *signer) cookie(ctx context.Context, kv asgi.KV, name, id string, secure bool) (string, error) {
	mac, err := s.sign(ctx, kv, id)
	if err != nil {
		return "", err
	}
	c := http.Cookie{
		Name: name, Value: id + "." + mac, Path: "/", MaxAge: int(Life / time.Second),
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

// WithCookie adds the header Set-Cookie to the first message of a response. It
// reports whether it did; other messages stay as they are.
func WithCookie(m asgi.Message, cookie string) (with asgi.Message, added bool, err error) {
	if cookie == "" || !m.Has(asgi.KeyStatus) {
		return m, false, nil
	}
	headers := []any{}
	if v, _ := m.Get(asgi.KeyHeaders); v != nil {
		list, ok := v.(asgi.List)
		if !ok {
			return m, false, nil // the HTTP server reports the error
		}
		for _, h := range list.All() {
			headers = append(headers, h)
		}
	}
	headers = append(headers, []any{asgi.Bytes("set-cookie"), asgi.Bytes(cookie)})
	with, err = m.With(asgi.KeyHeaders, headers)
	return with, err == nil, err
}
