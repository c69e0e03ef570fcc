package remote

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"asgibox/asgi"
	"asgibox/asgi/codec"
)

// A form is one of the two encodings of a body.
type form struct {
	mediaType string
	append    func([]byte, asgi.Fields) []byte
	decode    func([]byte) (asgi.Fields, error)
	growth    int // maximum ratio of the length of a message to its length in MessagePack
}

var (
	jsonForm    = &form{"application/json", codec.AppendFieldsJSON, codec.DecodeFieldsJSON, 6}
	msgpackForm = &form{"application/msgpack", codec.AppendFields, codec.DecodeFields, 1}
)

// envelopeSize is the number of bytes by which a body may exceed its message.
const envelopeSize = 4 << 10

// requestForm returns the form of a request's body. The default media type of
// curl -d, application/x-www-form-urlencoded, means JSON.
func requestForm(h http.Header) (*form, error) {
	text := h.Get("Content-Type")
	switch text {
	case "", jsonForm.mediaType:
		return jsonForm, nil
	case msgpackForm.mediaType:
		return msgpackForm, nil
	}
	name, _, err := mime.ParseMediaType(text)
	switch {
	case err != nil:
	case name == jsonForm.mediaType, name == "application/x-www-form-urlencoded":
		return jsonForm, nil
	case name == msgpackForm.mediaType:
		return msgpackForm, nil
	}
	return nil, Errorf(MediaType, "unsupported body type %s; send application/json or application/msgpack", text)
}

// responseForm returns the form of the response: the one that the client
// prefers, or the form of the request if the client accepts any.
func responseForm(h http.Header, sent *form) (*form, error) {
	accept := strings.Join(h.Values("Accept"), ",")
	switch accept {
	case "", sent.mediaType:
		return sent, nil
	}
	var best *form
	var bestQ float64
	for _, item := range strings.Split(accept, ",") {
		f, q := parseAccept(item, sent)
		if f != nil && (q > bestQ || q == bestQ && f == sent) && q > 0 {
			best, bestQ = f, q
		}
	}
	if best == nil {
		return nil, Errorf(NotAcceptable, "responses are application/json or application/msgpack; the Accept header %s allows neither", accept)
	}
	return best, nil
}

// parseAccept returns the form and the quality value that an item of the Accept
// header names.
func parseAccept(item string, sent *form) (f *form, q float64) {
	name, params, err := mime.ParseMediaType(item)
	if err != nil {
		return nil, 0
	}
	q = 1
	if text, given := params["q"]; given {
		if q, err = strconv.ParseFloat(text, 64); err != nil {
			return nil, 0
		}
	}
	switch name {
	case jsonForm.mediaType:
		return jsonForm, q
	case msgpackForm.mediaType:
		return msgpackForm, q
	case "*/*", "application/*":
		return sent, q
	}
	return nil, 0
}
