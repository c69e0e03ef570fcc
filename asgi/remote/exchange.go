package remote

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"

	"asgibox/asgi"
	"asgibox/asgi/codec"
	"asgibox/internal/logkey"
)

// An exchange is one call and its response.
type exchange struct {
	h       *Handler
	w       http.ResponseWriter
	r       *http.Request
	in, out *form
	size    int // about the longest length of the result, in bytes; zero if unknown
}

// maxPooledBuffer is the maximum size of buffers that are reused, in bytes.
const maxPooledBuffer = 64 << 10

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func release(b *bytes.Buffer) {
	if b.Cap() <= maxPooledBuffer {
		b.Reset()
		buffers.Put(b)
	}
}

// call reads the body, makes the call and sends the response.
func (x *exchange) call(c *call) {
	args, err := x.read(c)
	if err != nil {
		x.fail(err)
		return
	}
	w := &work{h: x.h, layer: x.h.layer, from: readerOf(x.r), ctx: x.r.Context(), cause: args.cause(), args: args}
	if x.h.program != nil {
		if own := x.h.program(x.r); own != nil {
			w.layer, w.from = own, readerKey{}
		}
	}
	result, err := w.do(c)
	if err == nil {
		err = w.cause.Barrier().Wait(x.r.Context())
	}
	if err == nil {
		err = x.hold(result)
	}
	if err == nil && w.delivery != nil {
		err = context.Cause(x.r.Context()) // set if the client has hung up
	}
	if err != nil && w.delivery != nil {
		x.h.PutBack(*w.delivery)
	}
	if err != nil {
		x.fail(err)
		return
	}
	x.write(http.StatusOK, result)
}

// read returns the arguments of a call. It fails if one is unknown.
func (x *exchange) read(c *call) (*arguments, error) {
	var err error
	if x.in, err = requestForm(x.r.Header); err != nil {
		return nil, err
	}
	x.out = x.in
	if x.out, err = responseForm(x.r.Header, x.in); err != nil {
		x.out = x.in
		return nil, err
	}
	buf := buffers.Get().(*bytes.Buffer)
	defer release(buf)
	limit := int64(x.in.growth*x.h.limit + envelopeSize)
	err = LimitBody(x.w, x.r, limit)
	if err == nil {
		_, err = buf.ReadFrom(x.r.Body)
	}
	if err != nil {
		var long *http.MaxBytesError
		if errors.As(err, &long) {
			return nil, Errorf(MessageTooLarge, "the body is too long: the limit is %d bytes (--max-message)", limit)
		}
		if errors.As(err, new(*Error)) {
			return nil, err
		}
		return nil, Errorf(BadRequest, "cannot read the body: %v", err)
	}
	if buf.Len() == 0 && c.bodyless {
		return newArguments(nil, c.keys)
	}
	fields, err := x.in.decode(buf.Bytes())
	if err != nil {
		return nil, err
	}
	return newArguments(fields, c.keys)
}

// fail sends an error response, and logs unexpected errors.
func (x *exchange) fail(err error) {
	e := ErrorOf(err)
	status := e.Status()
	if status == http.StatusInternalServerError && x.r.Context().Err() == nil {
		x.h.log.Error("a call over HTTP failed", logkey.Path, x.r.URL.Path, logkey.Error, err)
	}
	if status == http.StatusServiceUnavailable {
		x.w.Header().Set("Retry-After", "1")
	}
	fields := asgi.Fields{{Key: "error", Value: e.Kind}, {Key: "detail", Value: e.Detail}}
	CheckValues(fields)
	x.write(status, fields)
}

// hold checks a result and reserves its memory.
func (x *exchange) hold(result asgi.Fields) error {
	CheckValues(result)
	h, limited := x.w.(AnswerHolder)
	if !limited {
		return nil
	}
	size := codec.MaxSizeJSON(result) // about the same in MessagePack
	if err := h.HoldAnswer(int64(size)); err != nil {
		return err
	}
	x.size = size
	return nil
}

// write sends fields whose values are checked.
func (x *exchange) write(status int, fields asgi.Fields) {
	buf := buffers.Get().(*bytes.Buffer)
	defer release(buf)
	body := buf.AvailableBuffer()
	if x.size > maxPooledBuffer {
		body = make([]byte, 0, x.size)
	}
	if body = x.out.append(body, fields); len(body) <= maxPooledBuffer {
		buf.Write(body)
		body = buf.Bytes() // so that the pool gets the memory
	}
	h := x.w.Header()
	h["Content-Type"] = []string{x.out.mediaType}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	x.w.WriteHeader(status)
	if x.r.Method != http.MethodHead {
		_, _ = x.w.Write(body) // the client may be gone
	}
}
