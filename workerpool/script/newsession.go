package script

import (
	"context"
	"crypto/rand"
	"errors"

	"asgibox/asgi"
)

// NewSession stores the session of a browser and returns its cookie, as the
// header Set-Cookie has it. Server is the address of the server, as messages of
// requests have it.
func (l *Loader) NewSession(ctx context.Context, content asgi.Dict, server asgi.List) (cookie string, err error) {
	kv, ok := asgi.As[asgi.KV](l.opts.Layer)
	if !ok {
		return "", errors.New("this channel layer stores no sessions")
	}
	id := rand.Text()
	if err := kv.Set(ctx, nil, asgi.SessionPrefix+id, content, sessionLife); err != nil {
		return "", err
	}
	origin, err := asgi.NewMessage(asgi.Field{Key: asgi.KeyServer, Value: server})
	if err != nil {
		return "", err
	}
	return l.signer.cookie(ctx, kv, l.sessionCookie(origin), id, false)
}
