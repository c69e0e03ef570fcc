package remote

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"

	"asgibox/asgi"
)

// An exchange is one call and its answer.
type exchange struct {
	h       *Handler
	w       http.ResponseWriter
	r       *http.Request
	in, out *form
}

// keepBuffer is how large a buffer may be that is kept for the next call.
const keepBuffer = 64 << 10

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func release(b *bytes.Buffer) {
	if b.Cap() <= keepBuffer {
		b.Reset()
		buffers.Put(b)
	}
}

// call reads the body, does what it asks for and answers.
func (x *exchange) call(c *call) {
	args, err := x.read(c)
	if err != nil {
		x.fail(err)
		return
	}
	w := &work{h: x.h, ctx: x.r.Context(), cause: args.cause(), args: args}
	result, err := c.do(w)
	if err == nil {
		err = args.bad // what was asked for wrongly, where do did not look at it
	}
	if err == nil {
		err = w.cause.Barrier().Wait(x.r.Context())
	}
	if err == nil && w.taken != nil {
		err = context.Cause(x.r.Context()) // nobody is there to get it
	}
	if err != nil && w.taken != nil {
		w.putBack()
	}
	if err != nil {
		x.fail(err)
		return
	}
	x.answer(result)
}

// read returns the arguments of a call, checked for keys that it does not
// know.
func (x *exchange) read(c *call) (*arguments, error) {
	var err error
	if x.in, err = sentForm(x.r.Header); err != nil {
		return nil, err
	}
	x.out = x.in
	if x.out, err = wantedForm(x.r.Header, x.in); err != nil {
		x.out = x.in
		return nil, err
	}
	buf := buffers.Get().(*bytes.Buffer)
	defer release(buf)
	limit := int64(x.in.grows*x.h.limit + envelopeRoom)
	if _, err := buf.ReadFrom(http.MaxBytesReader(x.w, x.r.Body, limit)); err != nil {
		var long *http.MaxBytesError
		if errors.As(err, &long) {
			return nil, callError(kindTooLarge, "the body is longer than any message may be: "+strconv.FormatInt(limit, 10)+" bytes (--max-message)")
		}
		return nil, badRequest("the body could not be read: %v", err)
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

// answer writes a result.
func (x *exchange) answer(result asgi.Fields) {
	x.write(http.StatusOK, result)
}

// fail writes an error, and logs those that nobody expects.
func (x *exchange) fail(err error) {
	kind, status := onWire(err)
	var told *Error
	if errors.As(err, &told) {
		kind, status = told.Kind, statusOf(told.Kind)
	}
	if status == http.StatusInternalServerError && x.r.Context().Err() == nil {
		x.h.log.Error("a call over HTTP failed", "path", x.r.URL.Path, "error", err)
	}
	if status == http.StatusServiceUnavailable {
		x.w.Header().Set("Retry-After", "1")
	}
	x.write(status, asgi.Fields{{Key: "error", Value: kind}, {Key: "detail", Value: err.Error()}})
}

func statusOf(kind string) int {
	for _, row := range table {
		if row.kind == kind {
			return row.status
		}
	}
	return http.StatusInternalServerError
}

func (x *exchange) write(status int, fields asgi.Fields) {
	for i := range fields {
		checked, err := asgi.Converter(nil).OwnValue(fields[i].Value)
		if err != nil { // a detail that is no text
			checked = strconv.Quote(err.Error())
		}
		fields[i].Value = checked
	}
	buf := buffers.Get().(*bytes.Buffer)
	defer release(buf)
	buf.Write(x.out.append(buf.AvailableBuffer(), fields))
	h := x.w.Header()
	h["Content-Type"] = []string{x.out.mediaType}
	h["Content-Length"] = []string{strconv.Itoa(buf.Len())}
	x.w.WriteHeader(status)
	if x.r.Method != http.MethodHead {
		io.Copy(x.w, buf) // a caller that is gone needs no answer
	}
}
