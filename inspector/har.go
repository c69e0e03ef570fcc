package inspector

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"asgibox/asgi"
	"asgibox/inspector/api"
)

// getHAR returns requests as an HTTP Archive, version 1.2: one by its number, or
// those that a filter accepts. Browsers and other tools can read it.
// It copies and writes one request at a time, so that a client that reads slowly holds
// the memory of one.
func (s *Server) getHAR(w http.ResponseWriter, r *http.Request) error {
	f, err := parseRequestFilter(r.FormValue("filter"))
	if err != nil {
		return err
	}
	id := -1
	if text := r.FormValue("id"); text != "" {
		if id, err = strconv.Atoi(text); err != nil {
			return badRequest("id %q: must be a number", text)
		}
	}
	if err := s.collectNow(r.Context()); err != nil {
		return err
	}
	pick := func(x *exchange) bool { return id < 0 && f.accepts(x) || x.id == id }
	list, longest := s.history.recordings(pick)
	if err := w.(*answer).reserve(int64(harGrowth * longest)); err != nil {
		return err
	}
	start, err := json.Marshal(harLog{Version: "1.2", Creator: harCreator{"asgibox", s.opts.Version}, Entries: []harEntry{}})
	if err != nil {
		return err
	}
	startJSON(w, http.StatusOK)
	start = append([]byte(`{"log":`), start...)
	_, err = w.Write(start[:len(start)-len("]}")])
	encoder, comma := json.NewEncoder(w), ""
	for _, recorded := range list {
		if err != nil {
			return nil // the client is gone
		}
		_, _ = io.WriteString(w, comma)
		err, comma = encoder.Encode(s.history.read(recorded).har(s.opts.App)), ","
	}
	_, _ = io.WriteString(w, "]}}\n")
	return nil
}

// harGrowth is about how many times the memory of an exchange is needed to write it: for
// copies of its bodies, and for their JSON.
const harGrowth = 12

// A recording is an exchange and its messages. The history may evict their contents.
type recording struct {
	*exchange
	entries []*entry
}

// recordings returns the exchanges that pick accepts, the oldest first, and about how
// much memory the largest one needs, in bytes.
func (h *history) recordings(pick func(*exchange) bool) (list []*recording, longest int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	picked := make(map[*exchange]*recording)
	for _, x := range h.exchanges.list {
		if pick(x) {
			picked[x] = &recording{exchange: x}
			list = append(list, picked[x])
		}
	}
	for _, e := range h.ring {
		if c := picked[e.exchange]; c != nil {
			c.entries = append(c.entries, e)
		}
	}
	for _, c := range list {
		slices.SortStableFunc(c.entries, inOrder)
		n := entryFootprint
		for _, e := range c.entries {
			n += len(e.content) + entryFootprint
		}
		longest = max(longest, n)
	}
	return list, longest
}

// A recordedExchange is a copy of an exchange.
type recordedExchange struct {
	api.Request
	body    string // channel of the rest of the body of the request
	took    time.Duration
	entries []entry
}

// read returns a copy of an exchange, without the messages that were evicted.
func (h *history) read(r *recording) *recordedExchange {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := &recordedExchange{Request: requestOf(r.exchange, time.Now()), body: r.body, took: r.took()}
	for _, e := range r.entries {
		if e.content != nil {
			c.entries = append(c.entries, *e)
		}
	}
	return c
}

// har returns an entry of an HTTP Archive. The address of the application is used
// for requests without a Host header.
func (c *recordedExchange) har(app string) harEntry {
	e := harEntry{
		Started: time.UnixMicro(int64(c.Started * 1000)).Format("2006-01-02T15:04:05.000Z07:00"), Time: api.Milliseconds(c.took), Trace: c.Trace,
		Handler: c.Handler, Timing: c.Timing, Cache: struct{}{},
		Request:  harRequest{Method: c.Method, URL: strings.TrimSuffix(app, "/") + c.Path, Version: httpVersion(c.Version), harHead: newHead(asgi.Message{}), Query: []harPair{}, BodySize: c.BytesIn},
		Response: harResponse{Status: c.Status, Text: http.StatusText(c.Status), Version: httpVersion(c.Version), harHead: newHead(asgi.Message{}), BodySize: c.BytesOut},
	}
	var sent, received []byte
	media := "x-unknown"
	for i := range c.entries {
		m := c.entries[i].message()
		channel := c.entries[i].channel
		switch {
		case m.Has(asgi.KeyPath) && m.Has(asgi.KeyHeaders):
			e.Request.read(m, app)
			sent = append(sent, m.Octets(asgi.KeyBody)...)
		case c.Socket:
			if frame, ok := frameOf(m, channel == c.Channel, c.entries[i].sent); ok {
				e.Frames = append(e.Frames, frame)
			}
		case channel == c.body:
			sent = append(sent, m.Octets(asgi.KeyContent)...)
		case channel == c.Channel:
			if len(e.Response.Headers) == 0 {
				e.Response.harHead = newHead(m)
			}
			received = append(received, m.Octets(asgi.KeyContent)...)
		}
	}
	if len(sent) > 0 {
		e.Request.Body = &harBody{Media: e.Request.value("content-type"), harText: textOf(sent)}
	}
	if v := e.Response.value("content-type"); v != "" {
		media = v
	}
	e.Response.Redirect = e.Response.value("location")
	e.Response.Content = harContent{Size: c.BytesOut, Media: media, harText: textOf(received)}
	if c.Socket {
		e.Kind, e.Response.Status, e.Response.Text = "websocket", http.StatusSwitchingProtocols, http.StatusText(http.StatusSwitchingProtocols)
		if c.State == stateRefused {
			e.Response.Status, e.Response.Text = c.Status, http.StatusText(c.Status)
		}
	}
	switch {
	case len(c.entries) == 0 && c.Channel != "":
		e.Comment = "The history does not have its messages any more."
	case c.Server:
		e.Comment = "The server sent this response itself. " + c.Why
	}
	e.Timings = c.timings()
	return e
}

// timings divides the time as an HTTP Archive does: the parts must add up to the
// whole time.
func (c *recordedExchange) timings() harTimings {
	t := harTimings{Blocked: -1, DNS: -1, Connect: -1, SSL: -1, Wait: api.Milliseconds(c.took)}
	if p := c.Timing; p != nil {
		t.Send, t.Wait = p.ReceivingMS, p.WaitingMS+p.HandlerMS+p.HeldMS+p.DiskMS
		t.Receive = max(0, api.Milliseconds(c.took)-t.Send-t.Wait)
	}
	return t
}

// frameOf returns a frame of a WebSocket, if a message is one.
func frameOf(m asgi.Message, toClient bool, at time.Time) (harFrame, bool) {
	f := harFrame{Type: "send", Time: float64(at.UnixMicro()) / 1e6, Code: 1, Data: m.Text(asgi.KeyText)}
	if toClient {
		f.Type = "receive"
	}
	if b := m.Bytes(asgi.KeyBytes); b != "" {
		f.Code, f.Data = 2, base64.StdEncoding.EncodeToString([]byte(b))
	}
	text, _ := m.Get(asgi.KeyText)
	return f, f.Code == 2 || text != nil
}

// read fills a request from the message that began it.
func (r *harRequest) read(m asgi.Message, app string) {
	r.harHead = newHead(m)
	base := strings.TrimSuffix(app, "/")
	if host := r.value("host"); host != "" && m.Text(asgi.KeyScheme) != "" {
		base = m.Text(asgi.KeyScheme) + "://" + host
	} else if rest, ok := strings.CutPrefix(base, "http"); ok && strings.HasPrefix(m.Text(asgi.KeyScheme), "ws") {
		base = "ws" + rest
	}
	r.URL = base + (&url.URL{Path: m.Text(asgi.KeyPath)}).EscapedPath() + queryString(m)
	for part := range strings.SplitSeq(string(m.Bytes(asgi.KeyQueryString)), "&") {
		if name, v, _ := strings.Cut(part, "="); part != "" {
			r.Query = append(r.Query, harPair{unescaped(name), unescaped(v)})
		}
	}
}

// unescaped returns a part of a query decoded, or as it is if it is not valid.
func unescaped(part string) string {
	if text, err := url.QueryUnescape(part); err == nil {
		return valid(text)
	}
	return valid(part)
}

func newHead(m asgi.Message) harHead {
	h := harHead{Headers: []harPair{}, Cookies: []harPair{}, HeadersSize: -1}
	v, _ := m.Get(asgi.KeyHeaders)
	list, _ := v.(asgi.List)
	for _, item := range list.All() {
		pair, ok := item.(asgi.List)
		if !ok || pair.Len() != 2 {
			continue
		}
		name, value := pair.Octets(0), pair.Octets(1)
		h.Headers = append(h.Headers, harPair{valid(name), valid(value)})
		if strings.EqualFold(name, "cookie") {
			cookies, _ := http.ParseCookie(value)
			for _, c := range cookies {
				h.Cookies = append(h.Cookies, harPair{valid(c.Name), valid(c.Value)})
			}
		}
		if strings.EqualFold(name, "set-cookie") {
			if c, err := http.ParseSetCookie(value); err == nil {
				h.Cookies = append(h.Cookies, harPair{valid(c.Name), valid(c.Value)})
			}
		}
	}
	return h
}

// value returns the first header of a name in lower case, or "".
func (h *harHead) value(name string) string {
	for _, pair := range h.Headers {
		if strings.EqualFold(pair.Name, name) {
			return pair.Value
		}
	}
	return ""
}

func textOf(b []byte) harText {
	if !utf8.Valid(b) {
		return harText{base64.StdEncoding.EncodeToString(b), "base64"}
	}
	return harText{Text: string(b)}
}

func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func httpVersion(version string) string {
	if version == "" {
		version = "1.1"
	}
	return "HTTP/" + version
}

// The types of an HTTP Archive, version 1.2. Keys that begin with an underscore
// are extensions; that of the frames is the one of Chromium.
type (
	harLog struct {
		Version string     `json:"version"`
		Creator harCreator `json:"creator"`
		Entries []harEntry `json:"entries"`
	}
	harCreator struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	harEntry struct {
		Started  string      `json:"startedDateTime"`
		Time     float64     `json:"time"` // milliseconds
		Request  harRequest  `json:"request"`
		Response harResponse `json:"response"`
		Cache    struct{}    `json:"cache"`
		Timings  harTimings  `json:"timings"`
		Comment  string      `json:"comment,omitempty"`
		Kind     string      `json:"_resourceType,omitempty"`
		Frames   []harFrame  `json:"_webSocketMessages,omitempty"`
		Trace    string      `json:"_trace,omitempty"`
		Handler  string      `json:"_handler,omitempty"`
		Timing   *api.Timing `json:"_timing,omitempty"`
	}
	harHead struct {
		Headers     []harPair `json:"headers"`
		Cookies     []harPair `json:"cookies"`
		HeadersSize int       `json:"headersSize"`
	}
	harRequest struct {
		Method  string `json:"method"`
		URL     string `json:"url"`
		Version string `json:"httpVersion"`
		harHead
		Query    []harPair `json:"queryString"`
		Body     *harBody  `json:"postData,omitempty"`
		BodySize int64     `json:"bodySize"`
	}
	harResponse struct {
		Status  int    `json:"status"`
		Text    string `json:"statusText"`
		Version string `json:"httpVersion"`
		harHead
		Content  harContent `json:"content"`
		Redirect string     `json:"redirectURL"`
		BodySize int64      `json:"bodySize"`
	}
	harPair struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	harBody struct {
		Media string `json:"mimeType"`
		harText
	}
	harContent struct {
		Size  int64  `json:"size"`
		Media string `json:"mimeType"`
		harText
	}
	harText struct {
		Text     string `json:"text"`
		Encoding string `json:"encoding,omitempty"`
	}
	harTimings struct {
		Blocked float64 `json:"blocked"`
		DNS     float64 `json:"dns"`
		Connect float64 `json:"connect"`
		Send    float64 `json:"send"`
		Wait    float64 `json:"wait"`
		Receive float64 `json:"receive"`
		SSL     float64 `json:"ssl"`
	}
	harFrame struct {
		Type string  `json:"type"` // as seen by the client: send or receive
		Time float64 `json:"time"` // seconds since 1970
		Code int     `json:"opcode"`
		Data string  `json:"data"`
	}
)
