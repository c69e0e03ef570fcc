package script

import (
	"context"

	"asgibox/asgi"
)

// NewSession stores the session of a browser and returns its cookie, as the
// header Set-Cookie has it. Server is the address of the server, as messages of
// requests have it.
func (l *Loader) NewSession(ctx context.Context, content asgi.Dict, server asgi.List) (cookie string, err error) {
	return l.sessions.New(ctx, content, server)
}
