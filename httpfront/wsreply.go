package httpfront

import (
	"fmt"

	"asgibox/asgi"
	"asgibox/httpfront/http1"
)

// A socketReply is one parsed message to a WebSocket's reply channel.
type socketReply struct {
	accept      bool
	deny        bool // accept: False; valid only during the handshake
	data        string
	text        bool // data is text
	hasData     bool
	close       int // the code; zero leaves the socket open
	badCode     bool
	subprotocol string
	headers     []http1.Header // of the response that accepts the handshake
	reason      string
	response    *reply // the response that refuses the handshake
}

// parseSocketReply parses a message. A message with a problem is ignored as a
// whole.
func parseSocketReply(m asgi.Message, waiting bool) (socketReply, *problem) {
	var p socketReply
	if v, _ := m.Get(asgi.KeyAccept); waiting && v == false {
		p.deny = true
		return p, nil // other keys do not matter
	}
	for key, value := range m.All() {
		if bad := p.parse(key, value); bad != nil {
			return p, bad
		}
	}
	if waiting && p.hasData && p.data == "" {
		p.hasData = false
	}
	if p.badCode && waiting {
		return p, &problem{asgi.KeyClose, fmt.Sprintf("%d is not a valid close code", p.close)}
	}
	return p, nil
}

// parse parses one key.
func (p *socketReply) parse(key string, value any) (bad *problem) {
	switch key {
	case asgi.KeyText, asgi.KeyBytes:
		if value != nil {
			bad = p.parseData(key, value)
		}
	case asgi.KeyAccept:
		if value != nil {
			p.accept, bad = parseBool(key, value)
		}
	case asgi.KeyClose:
		if value != nil {
			bad = p.parseClose(value)
		}
	case asgi.KeySubprotocol:
		p.subprotocol, bad = optionalText(key, value)
	case asgi.KeyHeaders:
		if value != nil {
			p.headers, _, bad = parseHeaders(value)
		}
	case asgi.KeyReason:
		p.reason, bad = optionalText(key, value)
	case asgi.KeyResponse:
		bad = p.parseResponse(value)
	default:
		return &problem{key, "not a key of a message to a WebSocket"}
	}
	return bad
}

func (p *socketReply) parseData(key string, value any) *problem {
	if p.hasData {
		return &problem{key, "text and bytes are both present; a message is one frame"}
	}
	p.hasData, p.text = true, key == asgi.KeyText
	if p.text {
		s, ok := value.(string)
		if !ok {
			return wrongType(key, "text", value)
		}
		p.data = s
		return nil
	}
	data, bad := parseBytes(key, value)
	p.data = data
	return bad
}

func (p *socketReply) parseClose(value any) *problem {
	switch v := value.(type) {
	case bool:
		if v {
			p.close = asgi.CloseNormal
		}
	case int64:
		p.close = int(v)
		p.badCode = v != 0 && !asgi.CanSendCloseCode(v)
	default:
		return wrongType(asgi.KeyClose, "True, False or a code", value)
	}
	return nil
}

func (p *socketReply) parseResponse(value any) *problem {
	if value == nil {
		return nil
	}
	d, ok := value.(asgi.Dict)
	if !ok {
		return wrongType("response", "a dict", value)
	}
	r, bad := parseReply(asgi.Message{Dict: d}, true)
	if bad != nil {
		return &problem{"response." + bad.key, bad.what}
	}
	p.response = &r
	return nil
}

func optionalText(key string, value any) (string, *problem) {
	if value == nil {
		return "", nil
	}
	s, ok := value.(string)
	if !ok {
		return "", wrongType(key, "text", value)
	}
	return s, nil
}
