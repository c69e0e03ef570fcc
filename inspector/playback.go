package inspector

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/codec"
	"asgibox/store"
)

const (
	// playbackBytes is the longest recording that is played.
	playbackBytes = 64 << 20
	// playbackQuiet is how long no reply may come before those that are owed
	// count as missing, and playbackLost how much of such waiting there is in
	// all: an application that answers nothing any more is played to its end.
	playbackQuiet = 2 * time.Second
	playbackLost  = 20 * time.Second
	// playbackExtra is how long replies are waited for that were not recorded.
	playbackExtra = 200 * time.Millisecond
	// playbackDetails is how many differences are told in full.
	playbackDetails = 20
)

// A recorded message is one line of a recording.
type recorded struct {
	ID      uint64          `json:"id"`
	Channel string          `json:"channel"`
	Kind    string          `json:"kind"`
	Sent    float64         `json:"sent"`
	Message json.RawMessage `json:"message"`

	message asgi.Message
	of      *conversation // nil until it is known to be one
}

// reply reports whether it is what the protocol server was told.
func (m *recorded) reply() bool { return asgi.KindOf(m.Channel) == asgi.ProcessSpecific }

// A playbackView is how far a playback is, and at its end what came of it.
type playbackView struct {
	Done      int          `json:"done"`
	All       int          `json:"all"`
	Finished  bool         `json:"finished,omitempty"`
	Same      int          `json:"same"` // connections that were answered as they were recorded
	Different int          `json:"different"`
	Skipped   int          `json:"skipped"` // connections that were recorded in part
	TookMS    float64      `json:"tookMs,omitempty"`
	Details   []difference `json:"details,omitempty"`
}

// A difference is one connection that was answered otherwise.
type difference struct {
	What string   `json:"what"` // like GET /path
	Diff []string `json:"diff"` // lines that begin with a space, a minus (recorded) or a plus (now)
}

// A conversation is a request or a socket of a recording, and what becomes of
// it when it is played.
type conversation struct {
	recorded string // its reply channel
	played   string // the one that stands for it
	what     string
	path     string
	socket   bool
	whole    bool // all that came from the client was recorded
	inputs   int  // how many
	ended    bool // the recording has its end
	want     []asgi.Message

	owed int  // replies that were recorded up to now
	late bool // they did not come: it is not waited for any more
	got  []asgi.Message
}

// A playback plays the protocol server's part of a recording against the
// application, through the layer, with reply channels of its own. Like the
// clients that it stands for it does not go on before it has been told what
// they had been told.
type playback struct {
	s      *Server
	prefix string
	lines  []*recorded // in the order of their sending
	all    []*conversation
	view   playbackView
	lost   time.Duration // waited for what did not come

	mu      sync.Mutex // guards what conversations got
	byName  map[string]*conversation
	arrived chan struct{} // of one: a reply came
}

// playback answers lines of JSON: how far it is, and at the end a comparison.
func (s *Server) playback(w http.ResponseWriter, r *http.Request) error {
	p := &playback{
		s: s, prefix: "play." + strings.ToLower(rand.Text()[:10]) + "!",
		byName: make(map[string]*conversation), arrived: make(chan struct{}, 1),
	}
	if err := p.read(http.MaxBytesReader(w, r.Body, playbackBytes)); err != nil {
		return err
	}
	unbind, err := s.opts.Layer.Bind(p.prefix, p.deliver)
	if err != nil {
		return err
	}
	defer unbind()
	w.Header().Set("Content-Type", "application/x-ndjson")
	out, encoder := http.NewResponseController(w), json.NewEncoder(w)
	tell := func() {
		_ = encoder.Encode(p.view)
		_ = out.Flush()
	}
	tell()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	began := time.Now()
	if err := p.play(ctx, r.FormValue("speed") == "full", tell); err == nil {
		p.settle(ctx)
		p.compare()
		p.view.Finished, p.view.TookMS = true, ms(time.Since(began))
	}
	p.leave()
	tell()
	return nil
}

// read takes a recording apart: what the protocol server said, and what it was
// told. A message may be there several times, as more became known of it.
func (p *playback) read(body io.Reader) error {
	seen := make(map[uint64]bool)
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, playbackBytes)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		m := &recorded{}
		err := json.Unmarshal(lines.Bytes(), m)
		if err == nil {
			m.message, err = codec.DecodeJSON(m.Message)
		}
		if err != nil {
			return badRequest(fmt.Errorf("line %d of the recording: %w", n, err))
		}
		if !seen[m.ID] && m.Kind != store.Refused.String() {
			seen[m.ID] = true
			p.lines = append(p.lines, m)
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return &statusError{http.StatusRequestEntityTooLarge, "MessageTooLarge", "the recording is too long: 64 MiB are played at most"}
	case err != nil:
		return err
	}
	slices.SortStableFunc(p.lines, func(a, b *recorded) int { return cmp.Compare(a.ID, b.ID) })
	p.converse()
	return nil
}

// converse finds what belongs together, and leaves out what was recorded in
// part: sockets that were open before, or of which frames are missing, and
// requests with bodies that came piece by piece.
func (p *playback) converse() {
	byReply := make(map[string]*conversation)
	for _, m := range p.lines {
		reply := m.Channel
		if !m.reply() {
			reply = m.message.Text("reply_channel")
		}
		c := byReply[reply]
		if c == nil && !m.reply() && asgi.KindOf(reply) == asgi.ProcessSpecific {
			c = p.begin(m, reply)
			byReply[reply] = c
		}
		if m.of = c; c != nil {
			c.note(m)
		}
	}
	p.lines = slices.DeleteFunc(p.lines, func(m *recorded) bool { return m.of == nil || !m.of.whole })
	for _, c := range byReply {
		if !c.whole {
			p.view.Skipped++
		}
	}
	for _, m := range p.lines {
		if !m.reply() {
			p.view.All++
		}
		if p.byName[m.of.played] == nil {
			p.byName[m.of.played] = m.of
			p.all = append(p.all, m.of)
		}
	}
}

func (p *playback) begin(m *recorded, reply string) *conversation {
	c := &conversation{
		recorded: reply, played: p.prefix + reply[strings.IndexByte(reply, '!')+1:],
		path: m.message.Text("path"), socket: m.Channel == "websocket.connect", whole: true,
	}
	c.what = m.message.Text("method") + " " + c.path
	if c.socket {
		c.what = "WebSocket " + c.path
	}
	return c
}

// note takes one more message of the recording into a conversation.
func (c *conversation) note(m *recorded) {
	switch m.Channel {
	case "http.request":
		c.whole = c.whole && c.inputs == 0 && m.message.Text("body_channel") == ""
	case "http.disconnect":
		c.whole = c.whole && c.inputs > 0
	case "websocket.connect", "websocket.receive", "websocket.disconnect":
		c.whole = c.whole && c.socket && m.message.Int("order") == int64(c.inputs)
		c.ended = m.Channel == "websocket.disconnect"
	default:
		if !m.reply() {
			c.whole = false // of some other protocol server
		}
	}
	if m.reply() {
		c.want = append(c.want, m.message)
		return
	}
	c.inputs++
}

func (p *playback) deliver(d asgi.Delivery) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.byName[d.Channel]
	if c == nil {
		return asgi.ErrGone
	}
	c.got = append(c.got, d.Message)
	select {
	case p.arrived <- struct{}{}:
	default:
	}
	return nil
}

// play sends the inputs, each after the replies that were recorded before it,
// and unless at full speed after the time that it was recorded after.
func (p *playback) play(ctx context.Context, full bool, tell func()) error {
	began, told := time.Now(), time.Now()
	var behind []*conversation
	for _, m := range p.lines {
		if m.reply() {
			m.of.owed++
			behind = append(behind, m.of)
			continue
		}
		if !full {
			due := began.Add(time.Duration((m.Sent - p.lines[0].Sent) * float64(time.Millisecond)))
			if err := sleep(ctx, time.Until(due)); err != nil {
				return err
			}
		}
		if err := p.await(ctx, behind); err != nil {
			return err
		}
		behind = behind[:0]
		if err := p.send(ctx, m); err != nil {
			return err
		}
		p.view.Done++
		if time.Since(told) >= frameEvery {
			told = time.Now()
			tell()
		}
	}
	return nil
}

// await waits until these conversations have what they are owed, or nothing
// comes any more.
func (p *playback) await(ctx context.Context, behind []*conversation) error {
	for !p.answered(behind) && p.lost < playbackLost {
		select {
		case <-p.arrived:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(playbackQuiet):
			p.lost += playbackQuiet
			p.mu.Lock()
			for _, c := range behind {
				c.late = c.late || len(c.got) < c.owed
			}
			p.mu.Unlock()
		}
	}
	return nil
}

func (p *playback) answered(behind []*conversation) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range behind {
		if !c.late && len(c.got) < c.owed {
			return false
		}
	}
	return true
}

// send waits for room: a recording is played whole.
func (p *playback) send(ctx context.Context, m *recorded) error {
	message, err := m.message.With("reply_channel", m.of.played)
	if err != nil {
		return err
	}
	c := asgi.NewCause(asgi.NewTrace())
	if m.Channel == "websocket.disconnect" { // as the protocol server does
		p.depart(ctx, m.of)
	}
	for {
		err := p.s.opts.Layer.Send(ctx, c, m.Channel, message, asgi.Volatile)
		switch {
		case !errors.Is(err, asgi.ErrChannelFull):
			return err
		case m.Channel == "http.disconnect": // as the protocol server does
			return nil
		}
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// settle waits until as much was answered as was recorded, or nothing comes
// any more, and a moment for what was not recorded.
func (p *playback) settle(ctx context.Context) {
	if p.await(ctx, p.all) == nil {
		_ = sleep(ctx, playbackExtra)
	}
}

func (p *playback) compare() {
	p.mu.Lock()
	defer p.mu.Unlock()
	names := p.names()
	for _, c := range p.all {
		diff := compared(c.wanted(), c.told(), names)
		if diff == nil {
			p.view.Same++
			continue
		}
		p.view.Different++
		if len(p.view.Details) < playbackDetails {
			p.view.Details = append(p.view.Details, difference{c.what, diff})
		}
	}
}

// names makes one of the names that a connection had then and has now.
func (p *playback) names() *strings.Replacer {
	var pairs []string
	for i, c := range p.all {
		name := fmt.Sprintf("<connection %d>", i+1)
		pairs = append(pairs, c.recorded, name, c.played, name)
	}
	return strings.NewReplacer(pairs...)
}

// leave ends the connections that the recording did not end.
func (p *playback) leave() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.s.life), time.Second)
	defer cancel()
	for _, c := range p.all {
		if c.socket && !c.ended {
			m := asgi.MustMessage(asgi.Field{Key: "reply_channel", Value: c.played}, asgi.Field{Key: "path", Value: c.path},
				asgi.Field{Key: "code", Value: 1006}, asgi.Field{Key: "order", Value: c.inputs})
			_ = p.s.opts.Layer.Send(ctx, asgi.NewCause(asgi.NewTrace()), "websocket.disconnect", m, asgi.Volatile)
		}
		p.depart(ctx, c)
	}
}

// depart takes a connection out of its groups.
func (p *playback) depart(ctx context.Context, c *conversation) {
	if p.s.groups != nil {
		_ = p.s.groups.GroupLeave(ctx, nil, c.played)
	}
}
