package inspector

import (
	"slices"
	"strings"
	"time"

	"asgibox/asgi"
	"asgibox/store"
)

const (
	// maxExchanges is how many requests and WebSockets the history lists.
	maxExchanges = 1000
	// spareExchanges is by how many there may be more before the oldest are
	// removed together.
	spareExchanges = 100
	// maxShownPath limits the path and the query of a listed request, in bytes.
	maxShownPath = 2 << 10
)

// An exchange is one HTTP request with its response, or one WebSocket. It is
// summed up, because the history may forget its messages before.
type exchange struct {
	id      int
	changed uint64 // larger than that of all changes before
	socket  bool
	partial bool   // the history does not have its beginning
	reply   string // reply channel; empty if the protocol server refused it without a message
	body    string // channel of the rest of a long body

	method, path, version, client string // the path with the query

	first    *entry // the message that began it; nil if there is none
	began    time.Time
	status   int       // of the application's response
	media    string    // content type of the response
	answered time.Time // when the first message to the client was sent
	replied  time.Time // when the last one was sent
	parts    int       // messages of the response, or frames to the client
	frames   int       // frames from the client
	in, out  int64     // bytes of bodies or frames

	visit *Visit // the last report of the protocol server

	// over is when its last message was sent: that with the end of the response, or
	// of the WebSocket. Requests of a playback have no other end.
	over time.Time
}

// exchanges are the newest exchanges.
type exchanges struct {
	list      []*exchange          // oldest first
	byChannel map[string]*exchange // those that have channels
	ids       int
	changes   uint64
}

func newExchanges() exchanges { return exchanges{byChannel: make(map[string]*exchange)} }

// clear removes all exchanges. Their numbers are not used again.
func (l *exchanges) clear() {
	l.list = nil
	clear(l.byChannel)
}

// touch notes that an exchange has changed, if it is not nil.
func (l *exchanges) touch(x *exchange) {
	if x != nil {
		l.changes++
		x.changed = l.changes
	}
}

// begin adds an exchange and removes old ones.
func (l *exchanges) begin(x *exchange) {
	l.ids++
	x.id = l.ids
	l.touch(x)
	l.list = append(l.list, x)
	for _, channel := range x.channels() {
		l.byChannel[channel] = x
	}
	if len(l.list) > maxExchanges+spareExchanges {
		l.shrink()
	}
}

// shrink removes the oldest exchanges: first those that have ended.
func (l *exchanges) shrink() {
	excess := len(l.list) - maxExchanges
	remove := func(x *exchange) bool {
		if excess == 0 {
			return false
		}
		excess--
		for _, channel := range x.channels() {
			if l.byChannel[channel] == x {
				delete(l.byChannel, channel)
			}
		}
		return true
	}
	l.list = slices.DeleteFunc(l.list, func(x *exchange) bool { return (x.ended() || !x.over.IsZero()) && remove(x) })
	l.list = slices.DeleteFunc(l.list, remove)
}

// byID returns an exchange or nil.
func (l *exchanges) byID(id int) *exchange {
	i, found := slices.BinarySearchFunc(l.list, id, func(x *exchange, id int) int { return x.id - id })
	if !found {
		return nil
	}
	return l.list[i]
}

// add adds a message to the exchange that it begins or belongs to.
func (l *exchanges) add(e *entry, m asgi.Message) {
	switch e.channel {
	case asgi.HTTPRequest, asgi.WebSocketConnect:
		if l.byChannel[e.reply] == nil && e.reply != "" && !strings.HasPrefix(m.Text(asgi.KeyPath), asgi.OwnPath) {
			l.begin(newExchange(e, m))
		}
	case asgi.WebSocketReceive, asgi.WebSocketDisconnect:
		if l.byChannel[e.reply] == nil && e.channel == asgi.WebSocketReceive && e.reply != "" {
			l.begin(&exchange{socket: true, partial: true, reply: e.reply, method: "GET", path: cutPath(m.Text(asgi.KeyPath)), began: e.sent})
		}
		if x := l.byChannel[e.reply]; x != nil {
			e.exchange = x
			if e.channel == asgi.WebSocketReceive {
				x.frames++
				x.in += frameSize(m)
			} else {
				x.over, x.status = e.sent, int(m.Int(asgi.KeyCode))
			}
			l.touch(x)
		}
	default:
		if x := l.byChannel[e.channel]; x != nil {
			e.exchange = x
			if e.channel == x.body {
				x.in += int64(len(m.Octets(asgi.KeyContent)))
			} else {
				x.addReply(e, m)
			}
			l.touch(x)
		}
	}
}

func newExchange(e *entry, m asgi.Message) *exchange {
	x := &exchange{
		socket: e.channel == asgi.WebSocketConnect, reply: e.reply, body: m.Text(asgi.KeyBodyChannel),
		method: cut(m.Text(asgi.KeyMethod)), path: cutPath(m.Text(asgi.KeyPath) + queryString(m)), version: m.Text(asgi.KeyHTTPVersion),
		first: e, began: e.sent,
	}
	if x.socket {
		x.method = "GET"
	} else {
		x.in = int64(len(m.Octets(asgi.KeyBody)))
	}
	e.exchange = x
	return x
}

// addReply adds a message to the client.
func (x *exchange) addReply(e *entry, m asgi.Message) {
	if e.kind == store.Refused {
		return
	}
	if x.replied = e.sent; x.answered.IsZero() {
		x.answered = e.sent
	}
	if x.socket {
		if n := frameSize(m); n > 0 || m.Has(asgi.KeyText) || m.Has(asgi.KeyBytes) {
			x.parts++
			x.out += n
		}
		return
	}
	x.parts++
	x.out += int64(len(m.Octets(asgi.KeyContent)))
	if status := int(m.Int(asgi.KeyStatus)); status != 0 && x.status == 0 {
		x.status, x.media = status, mediaType(m)
	}
	if more, _ := m.Get(asgi.KeyMoreContent); more != true && x.status != 0 {
		x.over = e.sent
	}
}

// visited adds a report of the protocol server.
func (l *exchanges) visited(v *Visit) {
	x := l.byChannel[v.Channel]
	if v.Channel == "" && v.Trace == 0 && v.Kind == visitHTTP && !strings.HasPrefix(v.Path, asgi.OwnPath) {
		x = &exchange{method: v.Method, path: v.Path, began: v.At.Add(-v.Duration)}
		l.begin(x)
	}
	if x == nil {
		return
	}
	x.visit, x.client = v, v.Client
	l.touch(x)
}

// ended reports whether the protocol server has reported the end.
func (x *exchange) ended() bool {
	return x.visit != nil && x.visit.Kind != visitConnecting && x.visit.Kind != visitConnect
}

// channels returns the channels that belong to the exchange alone.
func (x *exchange) channels() []string {
	return slices.DeleteFunc([]string{x.reply, x.body}, func(name string) bool { return name == "" })
}

// frameSize returns the length of the data of a WebSocket frame.
func frameSize(m asgi.Message) int64 {
	return int64(len(m.Text(asgi.KeyText)) + len(m.Bytes(asgi.KeyBytes)))
}

// mediaType returns the content type of a response, without parameters.
func mediaType(m asgi.Message) string {
	v, _ := m.Get(asgi.KeyHeaders)
	list, _ := v.(asgi.List)
	for _, item := range list.All() {
		if pair, ok := item.(asgi.List); ok && pair.Len() == 2 && strings.EqualFold(pair.Octets(0), "content-type") {
			media, _, _ := strings.Cut(pair.Octets(1), ";")
			return cut(strings.ToLower(strings.TrimSpace(media)))
		}
	}
	return ""
}

func cutPath(path string) string { return cutAt(path, maxShownPath) }
