package remote

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"asgibox/asgi"
	"asgibox/asgi/codec"
)

// A form is one of the two ways to write a body.
type form struct {
	mediaType string
	append    func([]byte, asgi.Fields) []byte
	decode    func([]byte) (asgi.Fields, error)
	grows     int // a message is written in at most so many times its encoded length
}

var (
	jsonForm    = &form{"application/json", codec.AppendFieldsJSON, codec.DecodeFieldsJSON, 6}
	msgpackForm = &form{"application/msgpack", codec.AppendFields, codec.DecodeFields, 1}
)

// envelopeRoom is what a body may be longer than its message, in bytes.
const envelopeRoom = 4 << 10

// sentForm tells the form of a request's body. What curl -d calls a form, for
// want of being told, is taken for JSON.
func sentForm(h http.Header) (*form, error) {
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
	return nil, callError(kindMediaType, "a body of type "+text+" is not understood: send application/json or application/msgpack")
}

// wantedForm tells the form of the answer: the one that the caller likes best,
// the one that it sent if it likes all.
func wantedForm(h http.Header, sent *form) (*form, error) {
	accept := strings.Join(h.Values("Accept"), ",")
	switch accept {
	case "", sent.mediaType:
		return sent, nil
	}
	var best *form
	var liking float64
	for _, item := range strings.Split(accept, ",") {
		f, q := acceptable(item, sent)
		if f != nil && (q > liking || q == liking && f == sent) && q > 0 {
			best, liking = f, q
		}
	}
	if best == nil {
		return nil, callError(kindNotAcceptable, "answers are application/json or application/msgpack, and "+accept+" wants neither")
	}
	return best, nil
}

func acceptable(item string, sent *form) (f *form, q float64) {
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
