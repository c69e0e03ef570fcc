package worker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"asgibox/asgi"
)

// newRequest converts a message to a net/http request.
func newRequest(ctx context.Context, layer asgi.Layer, cause *asgi.Cause, m asgi.Message) (*http.Request, error) {
	path, query := m.Text(asgi.KeyPath), string(m.Bytes(asgi.KeyQueryString))
	if m.Text(asgi.KeyMethod) == "" || path == "" || m.Text(asgi.KeyReplyChannel) == "" {
		return nil, errors.New("the message is not a request: method, path or reply_channel is missing")
	}
	u := &url.URL{Path: path, RawQuery: query}
	r := (&http.Request{
		Method: m.Text(asgi.KeyMethod), URL: u, Header: headers(m),
		RequestURI: u.RequestURI(), RemoteAddr: address(m, "client"),
	}).WithContext(ctx)
	r.Host = r.Header.Get("Host")
	r.Header.Del("Host")
	r.ProtoMajor, r.ProtoMinor = version(m.Text(asgi.KeyHTTPVersion))
	r.Proto = fmt.Sprintf("HTTP/%d.%d", r.ProtoMajor, r.ProtoMinor)
	if m.Text(asgi.KeyScheme) == "https" {
		r.TLS = &tls.ConnectionState{} // only its presence is known
	}
	setBody(r, layer, cause, m)
	return r, nil
}

func headers(m asgi.Message) http.Header {
	v, _ := m.Get(asgi.KeyHeaders)
	list, _ := v.(asgi.List)
	h := make(http.Header, list.Len())
	for _, item := range list.All() {
		if pair, ok := item.(asgi.List); ok && pair.Len() == 2 {
			h.Add(pair.Octets(0), pair.Octets(1))
		}
	}
	h.Del("Transfer-Encoding") // the server has decoded the body
	return h
}

func address(m asgi.Message, key string) string {
	v, _ := m.Get(key)
	pair, _ := v.(asgi.List)
	if pair.Len() != 2 {
		return ""
	}
	port, _ := pair.At(1).(int64)
	return net.JoinHostPort(pair.Octets(0), strconv.FormatInt(port, 10))
}

func version(s string) (major, minor int) {
	switch s {
	case "1.0":
		return 1, 0
	case "2":
		return 2, 0
	}
	return 1, 1
}

// setBody joins the body in the message with the pieces on the body channel.
func setBody(r *http.Request, layer asgi.Layer, cause *asgi.Cause, m asgi.Message) {
	first := string(m.Bytes(asgi.KeyBody))
	channel := m.Text(asgi.KeyBodyChannel)
	if channel == "" {
		r.ContentLength = int64(len(first))
		r.Body = io.NopCloser(strings.NewReader(first))
		return
	}
	r.ContentLength = -1
	if n, err := strconv.ParseInt(r.Header.Get("Content-Length"), 10, 64); err == nil {
		r.ContentLength = n
	}
	rest := &body{ctx: r.Context(), cause: cause, pieces: asgi.NewBodyReader(layer, m)}
	r.Body = io.NopCloser(io.MultiReader(strings.NewReader(first), rest))
}

// A body reads the pieces of a request body from its channel.
type body struct {
	ctx    context.Context
	cause  *asgi.Cause
	pieces *asgi.BodyReader
	piece  string
	err    error
}

func (b *body) Read(p []byte) (int, error) {
	for b.piece == "" {
		if b.err != nil {
			return 0, b.err
		}
		b.err = b.receive()
	}
	n := copy(p, b.piece)
	b.piece = b.piece[n:]
	return n, nil
}

// receive receives the next piece and returns the error that follows it.
func (b *body) receive() error {
	piece, more, err := b.pieces.Next(b.ctx, b.cause)
	b.piece = string(piece)
	switch {
	case errors.Is(err, asgi.ErrBodyClosed):
		return io.ErrUnexpectedEOF
	case err == nil && !more:
		return io.EOF
	}
	return err
}
