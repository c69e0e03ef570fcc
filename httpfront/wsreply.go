package httpfront

import (
	"fmt"

	"asgibox/asgi"
)

// A socketReply is one message to a WebSocket's reply channel, understood.
type socketReply struct {
	accept      bool
	deny        bool // accept: False; means something to a waiting handshake only
	data        string
	text        bool // data is text
	hasData     bool
	close       int // the code; zero: stay open
	badCode     bool
	subprotocol string
	reason      string
	response    *reply // what to refuse a handshake with
	unsaid      bool   // it asks for nothing
}

// parseSocketReply checks a message. What has a problem is ignored whole.
func parseSocketReply(m asgi.Message, waiting bool) (socketReply, *problem) {
	var p socketReply
	if v, _ := m.Get("accept"); waiting && v == false {
		p.deny = true
		return p, nil // nothing else is looked at
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
		return p, &problem{"close", fmt.Sprintf("%d is not a code that may be sent", p.close)}
	}
	p.unsaid = !p.hasData && p.close == 0 && !(p.accept && waiting)
	return p, nil
}

// parse takes one key.
func (p *socketReply) parse(key string, value any) (bad *problem) {
	known := true
	switch key {
	case "text", "bytes":
		if value != nil {
			bad = p.parseData(key, value)
		}
	case "accept":
		if value != nil {
			p.accept, bad = parseBool(key, value)
		}
	case "close":
		if value != nil {
			bad = p.parseClose(value)
		}
	case "subprotocol":
		p.subprotocol, bad = optionalText(key, value)
	case "reason":
		p.reason, bad = optionalText(key, value)
	case "response":
		bad = p.parseResponse(value)
	default:
		known = false
	}
	if !known {
		return &problem{key, "it is not a key of a message to a WebSocket"}
	}
	return bad
}

func (p *socketReply) parseData(key string, value any) *problem {
	if p.hasData {
		return &problem{key, "text and bytes are both there; a message is one frame"}
	}
	p.hasData, p.text = true, key == "text"
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
			p.close = 1000
		}
	case int64:
		p.close = int(v)
		p.badCode = v != 0 && !maySend(v)
	default:
		return wrongType("close", "True, False or a code", value)
	}
	return nil
}

// maySend reports whether a close frame may carry the code.
func maySend(code int64) bool {
	return 1000 <= code && code <= 1003 || 1007 <= code && code <= 1014 || 3000 <= code && code <= 4999
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
