package inspector

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"asgibox/asgi"
	"asgibox/asgi/codec"
	"asgibox/store"
)

// previewLength is how much of a message a list shows, in bytes.
const previewLength = 160

// A messageView is one line of the list of messages.
type messageView struct {
	ID         uint64  `json:"id"`
	Trace      string  `json:"trace"`
	Channel    string  `json:"channel"`
	Group      string  `json:"group,omitempty"`
	Path       string  `json:"path,omitempty"`
	Kind       string  `json:"kind"`
	Preview    string  `json:"preview"`
	Data       string  `json:"data,omitempty"` // what a frame carries: text or binary
	Bytes      int     `json:"bytes"`
	Sent       float64 `json:"sent"`               // Unix milliseconds
	Ended      float64 `json:"ended,omitempty"`    // when it was taken, or came to its end
	WaitedMS   float64 `json:"waitedMs,omitempty"` // in its queue
	Generation uint64  `json:"generation,omitempty"`
	Taker      uint64  `json:"taker,omitempty"`
	Place      string  `json:"place,omitempty"`
	Reason     string  `json:"reason,omitempty"`
	Worker     int     `json:"worker,omitempty"`
	Handler    string  `json:"handler,omitempty"`
	Began      float64 `json:"began,omitempty"` // when its handler did
	HandledMS  float64 `json:"handledMs,omitempty"`
}

// A fullView is a message with its content, in the JSON that the layer over
// HTTP has.
type fullView struct {
	messageView
	Message json.RawMessage `json:"message"`
}

// A chainView is all that one event in the outside world led to.
type chainView struct {
	Trace   string     `json:"trace"`
	Path    string     `json:"path,omitempty"`
	Reply   string     `json:"reply,omitempty"`
	Entries []fullView `json:"messages"`
	Visit   *visitView `json:"visit,omitempty"`
}

// A visitView is a [Visit] as the page reads it.
type visitView struct {
	At         float64 `json:"at"`
	Kind       string  `json:"kind"`
	Channel    string  `json:"channel,omitempty"`
	Trace      string  `json:"trace,omitempty"`
	Method     string  `json:"method,omitempty"`
	Path       string  `json:"path"`
	Client     string  `json:"client,omitempty"`
	Status     int     `json:"status"`
	Bytes      int64   `json:"bytes"`
	DurationMS float64 `json:"durationMs"`
	Why        string  `json:"why,omitempty"`
}

func viewOf(e *entry) messageView { return viewWith(e, e.message()) }

func viewWith(e *entry, m asgi.Message) messageView {
	v := messageView{
		ID: e.id, Trace: e.trace.String(), Channel: e.channel, Group: e.group, Path: e.chain.path,
		Kind: e.kind.String(), Preview: preview(e.channel, m), Data: dataOf(m), Bytes: len(e.content),
		Sent: millis(e.sent), Ended: millis(e.ended), WaitedMS: ms(e.waited),
		Generation: e.generation, Taker: e.taker, Place: e.place, Reason: e.reason,
	}
	if s := e.span; s != nil {
		v.Worker, v.Handler, v.Began, v.HandledMS = s.Worker, s.Handler, millis(s.Began), ms(s.Ended.Sub(s.Began))
	}
	return v
}

func fullViewOf(e *entry) fullView {
	m := e.message()
	return fullView{viewWith(e, m), jsonOf(m)}
}

func chainViewOf(c *chain) chainView {
	v := chainView{Trace: c.trace.String(), Path: c.path, Reply: c.reply}
	room := answerBytes
	for _, e := range c.entries {
		if len(v.Entries) == 300 || room <= 0 {
			break
		}
		room -= len(e.content)
		v.Entries = append(v.Entries, fullViewOf(e))
	}
	if c.visit != nil {
		visit := visitViewOf(c.visit)
		v.Visit = &visit
	}
	return v
}

func visitViewOf(v *Visit) visitView {
	w := visitView{
		At: millis(v.At), Kind: v.Kind, Channel: v.Channel, Method: v.Method, Path: v.Path, Client: v.Client,
		Status: v.Status, Bytes: v.Bytes, DurationMS: ms(v.Duration),
	}
	if v.Trace != 0 {
		w.Trace = v.Trace.String()
	}
	if v.Kind == visitDisconnect {
		w.Why = closeMeaning(v.Status, v.By)
	}
	return w
}

// A waitingView is a message that waits on a channel.
type waitingView struct {
	ID       uint64          `json:"id"`
	Channel  string          `json:"channel"`
	Trace    string          `json:"trace"`
	Sent     float64         `json:"sent,omitempty"`
	Deadline float64         `json:"deadline"` // or when it is due
	Durable  bool            `json:"durable"`
	Preview  string          `json:"preview"`
	Message  json.RawMessage `json:"message"`
}

// answerBytes is how much of messages and values one answer holds, about; at
// least one is in it.
const answerBytes = 4 << 20

func waitingViews(peeked []store.MessageView) []waitingView {
	views := make([]waitingView, 0, len(peeked))
	for room := answerBytes; len(peeked) > 0 && room > 0; peeked = peeked[1:] {
		m := peeked[0]
		room -= m.Message.Size()
		views = append(views, waitingView{
			ID: m.ID, Channel: m.Channel, Trace: m.Trace.String(), Sent: millis(m.Sent), Deadline: millis(m.Deadline),
			Durable: m.Durable, Preview: preview(m.Channel, m.Message), Message: jsonOf(m.Message),
		})
	}
	return views
}

func jsonOf(m asgi.Message) json.RawMessage { return codec.AppendJSON(nil, m) }

// preview says in one line what a message is about.
func preview(channel string, m asgi.Message) string {
	switch {
	case m.Has("method") && m.Has("path"):
		return cut(m.Text("method") + " " + m.Text("path") + query(m))
	case m.Has("status"):
		return cut(strconv.FormatInt(m.Int("status"), 10) + " · " + contentOf(m, "content"))
	case channel == "websocket.connect":
		return cut("connect " + m.Text("path") + query(m))
	case channel == "websocket.disconnect":
		return "disconnect " + strconv.FormatInt(m.Int("code"), 10)
	case m.Text("text") != "":
		return cut(m.Text("text"))
	case m.Bytes("bytes") != "":
		return cut(contentOf(m, "bytes"))
	}
	return cut(byteStrings.ReplaceAllStringFunc(string(jsonOf(m)), func(found string) string {
		data := strings.TrimSuffix(found[len(`"\uffff`):], `"`)
		return fmt.Sprintf("bytes(%d)", base64.StdEncoding.DecodedLen(len(data))-strings.Count(data, "="))
	}))
}

// byteStrings are what byte strings look like in the layer's JSON.
var byteStrings = regexp.MustCompile(`"\\uffff[A-Za-z0-9+/]+=*"`)

func query(m asgi.Message) string {
	if q := m.Bytes("query_string"); q != "" {
		return "?" + string(q)
	}
	return ""
}

// dataOf answers which of the two a WebSocket's frame carries.
func dataOf(m asgi.Message) string {
	switch {
	case m.Text("text") != "":
		return "text"
	case m.Bytes("bytes") != "":
		return "binary"
	}
	return ""
}

// contentOf shows a byte string as text, if it is any.
func contentOf(m asgi.Message, key string) string {
	if text := m.Text(key); text != "" {
		return text
	}
	b := string(m.Bytes(key))
	if !utf8.ValidString(b) || strings.ContainsRune(b, 0) {
		return fmt.Sprintf("%d bytes", len(b))
	}
	return b
}

func cut(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= previewLength {
		return s
	}
	n := previewLength
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// millis is a time as JavaScript has it; zero stays zero.
func millis(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMicro()) / 1000
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
