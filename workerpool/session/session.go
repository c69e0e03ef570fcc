// Package session keeps the sessions of connections and of browsers in a channel
// layer, for applications in any language.
//
// The session of a connection, channel_session, is part of the connection's
// record. The session of a browser, http_session, is found by a signed cookie; the
// record of a WebSocket has its id, because only the handshake has cookies.
package session

import (
	"context"
	"errors"
	"time"

	"asgibox/asgi"
)

// Life is how long the session of a browser is kept after its last use.
const Life = 14 * 24 * time.Hour

// Each connection has a record in the layer, with these keys.
const (
	recordData = "data" // the channel_session
	recordHTTP = "http" // the id of the http_session
)

// A Keeper reads and writes sessions. It is safe for concurrent use.
type Keeper struct {
	layer  asgi.Layer
	kv     asgi.KV
	cookie string
	signer signer
}

// NewKeeper returns a keeper. Cookie is the name of the cookie of a browser's
// session; if it is empty, the name is sessionid_ and the port that the browser
// connected to. All calls fail if the layer has no [asgi.KV].
func NewKeeper(layer asgi.Layer, cookie string) *Keeper {
	return &Keeper{layer: layer, kv: asgi.OrUnsupported[asgi.KV](layer), cookie: cookie}
}

// Channel returns the channel_session of a connection.
func (k *Keeper) Channel(ctx context.Context, c *asgi.Cause, reply string) (asgi.Dict, error) {
	record, err := k.record(ctx, c, reply)
	v, _ := record.Get(recordData)
	data, _ := v.(asgi.Dict)
	return data, err
}

// SaveChannel saves the channel_session of a connection.
func (k *Keeper) SaveChannel(ctx context.Context, c *asgi.Cause, reply string, now asgi.Dict) error {
	return k.setRecord(ctx, c, reply, recordData, now)
}

func (k *Keeper) record(ctx context.Context, c *asgi.Cause, reply string) (asgi.Dict, error) {
	v, _, err := k.kv.Get(ctx, c, asgi.ConnectionPrefix+reply)
	record, _ := v.(asgi.Dict)
	return record, err
}

// setRecord changes one key of a connection's record. No other handler can change
// the record meanwhile, because the handlers of a connection run one at a time.
func (k *Keeper) setRecord(ctx context.Context, c *asgi.Cause, reply, key string, v any) error {
	record, err := k.record(ctx, c, reply)
	if err != nil {
		return err
	}
	changed, err := asgi.Message{Dict: record}.With(key, v)
	if err != nil {
		return err
	}
	return k.kv.Set(ctx, c, asgi.ConnectionPrefix+reply, changed.Dict, k.layer.Settings().GroupExpiry, asgi.Volatile)
}

// SaveID saves the id of the session of a WebSocket handshake for the WebSocket's
// later messages, which have no cookies. It reports whether the handshake has one.
func (k *Keeper) SaveID(ctx context.Context, c *asgi.Cause, reply string, handshake asgi.Message) (found bool, err error) {
	id, err := k.cookieID(ctx, handshake)
	if err != nil || id == "" {
		return false, err
	}
	return true, k.setRecord(ctx, c, reply, recordHTTP, id)
}

// errLateCycle is the error of [Browser.Cycle] after the response has started.
var errLateCycle = errors.New("session.cycle: the response has started, too late for its cookie; call it before the first message")
