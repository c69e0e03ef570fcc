package session

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"asgibox/asgi"
)

// A Browser is the http_session of one message: the session of the browser that
// sent the request or opened the WebSocket. It belongs to one handler.
type Browser struct {
	keeper  *Keeper
	origin  asgi.Message
	channel string
	saved   asgi.Dict
	id      string // in the layer; "" until it is saved there
	created bool   // by this handler
	renewed bool   // gets a new id when it is saved
}

// Open returns the http_session of a message on a channel. Record reports whether
// it used the record of the connection.
func (k *Keeper) Open(ctx context.Context, c *asgi.Cause, channel string, origin asgi.Message) (b *Browser, record bool, err error) {
	b = &Browser{keeper: k, origin: origin, channel: channel}
	if b.id, record, err = k.id(ctx, c, origin); err != nil || b.id == "" {
		return b, record, err
	}
	v, ok, err := k.kv.Get(ctx, c, asgi.SessionPrefix+b.id)
	if b.saved, _ = v.(asgi.Dict); !ok {
		b.id = ""
	}
	return b, record, err
}

// id returns the id of the session that a message belongs to, or "".
func (k *Keeper) id(ctx context.Context, c *asgi.Cause, origin asgi.Message) (id string, record bool, err error) {
	if id, err := k.cookieID(ctx, origin); id != "" || err != nil {
		return id, false, err
	}
	if origin.Has(asgi.KeyHeaders) {
		return "", false, nil
	}
	r, err := k.record(ctx, c, origin.Octets(asgi.KeyReplyChannel))
	return r.Text(recordHTTP), true, err
}

// Saved returns the content as it was when the session was opened.
func (b *Browser) Saved() asgi.Dict { return b.saved }

// Cycle gives the session a new id when it is saved. Replied says whether the
// response has started. Cycle reports whether the session must be saved because of
// that.
func (b *Browser) Cycle(replied bool) (save bool, err error) {
	switch {
	case b.channel != asgi.HTTPRequest:
		return false, fmt.Errorf("session.cycle: a message on %s cannot set a cookie; call it for an HTTP request", b.channel)
	case replied:
		return false, errLateCycle
	}
	b.renewed = b.renewed || b.id != ""
	return b.renewed, nil
}

// Outcomes of [Browser.Save] that the handler should know of.
var (
	ErrRenewed = errors.New("the changes of the session are lost: another handler has renewed it, or it was discarded")
	ErrTooLate = errors.New("the session is lost: it was created after the response started, too late for its cookie; create it before the first message")
)

// Save stores the changes from old to now. It returns the header Set-Cookie for
// the response to an HTTP request, and [ErrRenewed] or [ErrTooLate] if the changes
// are lost. Replied says whether the response has started.
func (b *Browser) Save(ctx context.Context, c *asgi.Cause, old, now asgi.Dict, replied bool) (cookie string, err error) {
	stored, err := b.store(ctx, c, old, now)
	switch k := b.keeper; {
	case err != nil:
		return "", err
	case !stored:
		return "", ErrRenewed
	case b.channel != asgi.HTTPRequest:
		return "", k.setRecord(ctx, c, b.origin.Octets(asgi.KeyReplyChannel), recordHTTP, b.id)
	case b.created && replied:
		return "", ErrTooLate
	default:
		return k.signer.cookie(ctx, k.kv, k.cookieName(b.origin), b.id, b.origin.Text(asgi.KeyScheme) == "https")
	}
}

// store changes the session in the layer. It reports whether the session was
// still there.
func (b *Browser) store(ctx context.Context, c *asgi.Cause, old, now asgi.Dict) (stored bool, err error) {
	kv, lock := b.keeper.kv, &b.keeper.signer.mu
	lock.Lock()
	defer lock.Unlock()
	key := asgi.SessionPrefix + b.id
	if b.id == "" {
		id := rand.Text()
		if err := kv.Set(ctx, c, asgi.SessionPrefix+id, now, Life); err != nil {
			return false, err
		}
		b.id, b.created = id, true
		return true, nil
	}
	if b.created && !b.renewed {
		// No browser has the session yet, unless it has changed. A Get would
		// count as its use.
		if swapped, err := kv.Swap(ctx, c, key, old, now); swapped || err != nil {
			return true, err
		}
	}
	v, ok, err := kv.Get(ctx, c, key)
	if err != nil || !ok {
		return false, err
	}
	current, _ := v.(asgi.Dict)
	merged := merge(current, old, now)
	if !b.renewed {
		return true, kv.Set(ctx, c, key, merged, Life)
	}
	id := rand.Text()
	if err := kv.Set(ctx, c, asgi.SessionPrefix+id, merged, Life); err != nil {
		return false, err
	}
	b.id, b.renewed = id, false
	return true, kv.Delete(ctx, c, key)
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

// New stores a session with a content and returns its cookie, as the header
// Set-Cookie has it. Server is the address of the server, as messages of requests
// have it.
func (k *Keeper) New(ctx context.Context, content asgi.Dict, server asgi.List) (cookie string, err error) {
	id := rand.Text()
	if err := k.kv.Set(ctx, nil, asgi.SessionPrefix+id, content, Life); err != nil {
		return "", err
	}
	origin, err := asgi.NewMessage(asgi.Field{Key: asgi.KeyServer, Value: server})
	if err != nil {
		return "", err
	}
	return k.signer.cookie(ctx, k.kv, k.cookieName(origin), id, false)
}
