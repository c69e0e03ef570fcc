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
)

const (
	// playbackBytes is the longest recording that is played.
	playbackBytes = 64 << 20
	// playbackQuiet is how long no reply may come before the rest counts as
	// missing.
	playbackQuiet = 3 * time.Second
	// playbackDetails is how many differences are told in full.
	playbackDetails = 20
)

// A recorded message is one line of a recording.
type recorded struct {
	ID      uint64          `json:"id"`
	Channel string          `json:"channel"`
	Sent    float64         `json:"sent"`
	Message json.RawMessage `json:"message"`

	message asgi.Message
}

// A playbackView is how far a playback is, and at its end what came of it.
type playbackView struct {
	Done      int          `json:"done"`
	All       int          `json:"all"`
	Finished  bool         `json:"finished,omitempty"`
	Same      int          `json:"same"` // connections that were answered as they were recorded
	Different int          `json:"different"`
	Skipped   int          `json:"skipped"` // requests whose bodies were not recorded
	TookMS    float64      `json:"tookMs,omitempty"`
	Details   []difference `json:"details,omitempty"`
}

// A difference is one connection that was answered otherwise.
type difference struct {
	Path string `json:"path"`
	Want string `json:"want"`
	Got  string `json:"got"`
}

// A playback plays the protocol server's part of a recording against the
// application, through the layer, with reply channels of its own.
type playback struct {
	s      *Server
	prefix string
	inputs []recorded
	want   map[string][]asgi.Message // by recorded reply channel
	paths  map[string]string
	order  []string // recorded reply channels, in the order of their first input
	view   playbackView

	mu   sync.Mutex // guards the rest
	got  map[string][]asgi.Message
	last time.Time // when a reply came
}

// playback answers lines of JSON: how far it is, and at the end a comparison.
func (s *Server) playback(w http.ResponseWriter, r *http.Request) error {
	p := &playback{
		s: s, prefix: "play." + strings.ToLower(rand.Text()[:10]) + "!",
		want: make(map[string][]asgi.Message), paths: make(map[string]string), got: make(map[string][]asgi.Message),
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
		var m recorded
		err := json.Unmarshal(lines.Bytes(), &m)
		if err == nil {
			m.message, err = codec.DecodeJSON(m.Message)
		}
		if err != nil {
			return badRequest(fmt.Errorf("line %d of the recording: %w", n, err))
		}
		if !seen[m.ID] {
			seen[m.ID] = true
			p.add(m)
		}
	}
	p.view.All = len(p.inputs)
	slices.SortStableFunc(p.inputs, func(a, b recorded) int { return cmp.Compare(a.ID, b.ID) })
	return lines.Err()
}

func (p *playback) add(m recorded) {
	reply := m.message.Text("reply_channel")
	switch {
	case asgi.KindOf(m.Channel) == asgi.ProcessSpecific:
		p.want[m.Channel] = append(p.want[m.Channel], m.message)
	case reply == "" || m.Channel == "http.disconnect":
	case m.message.Text("body_channel") != "":
		p.view.Skipped++
	case strings.HasPrefix(m.Channel, "http.") || strings.HasPrefix(m.Channel, "websocket."):
		if p.paths[reply] == "" {
			p.paths[reply] = m.message.Text("path")
			p.order = append(p.order, reply)
		}
		p.inputs = append(p.inputs, m)
	}
}

// renamed is the reply channel that stands for a recorded one.
func (p *playback) renamed(reply string) string {
	return p.prefix + reply[strings.IndexByte(reply, '!')+1:]
}

func (p *playback) deliver(d asgi.Delivery) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got[d.Channel] = append(p.got[d.Channel], d.Message)
	p.last = time.Now()
	return nil
}

// play sends the inputs, each after the time that it was recorded after, or
// each as soon as there is room for it.
func (p *playback) play(ctx context.Context, full bool, tell func()) error {
	began, told := time.Now(), time.Now()
	for i, m := range p.inputs {
		if !full {
			due := began.Add(time.Duration((m.Sent - p.inputs[0].Sent) * float64(time.Millisecond)))
			if err := sleep(ctx, time.Until(due)); err != nil {
				return err
			}
		}
		if err := p.send(ctx, m); err != nil {
			return err
		}
		p.view.Done = i + 1
		if time.Since(told) >= frameEvery {
			told = time.Now()
			tell()
		}
	}
	return nil
}

// send waits for room: a recording is played whole.
func (p *playback) send(ctx context.Context, m recorded) error {
	message, err := m.message.With("reply_channel", p.renamed(m.message.Text("reply_channel")))
	if err != nil {
		return err
	}
	c := asgi.NewCause(asgi.NewTrace())
	for {
		err := p.s.opts.Layer.Send(ctx, c, m.Channel, message, asgi.Volatile)
		if !errors.Is(err, asgi.ErrChannelFull) {
			return err
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
// any more.
func (p *playback) settle(ctx context.Context) {
	p.mu.Lock()
	p.last = time.Now()
	p.mu.Unlock()
	for sleep(ctx, frameEvery/5) == nil {
		p.mu.Lock()
		quiet := time.Since(p.last) > playbackQuiet
		complete := true
		for _, reply := range p.order {
			complete = complete && len(p.got[p.renamed(reply)]) >= len(p.want[reply])
		}
		p.mu.Unlock()
		if quiet || complete {
			return
		}
	}
}

func (p *playback) compare() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, reply := range p.order {
		want, got := transcript(p.want[reply]), transcript(p.got[p.renamed(reply)])
		if want == got {
			p.view.Same++
			continue
		}
		p.view.Different++
		if len(p.view.Details) < playbackDetails {
			p.view.Details = append(p.view.Details, difference{p.paths[reply], cut(want), cut(got)})
		}
	}
}

// transcript is what a connection was told, as its client could tell: without
// headers, whose dates and cookies are different each time.
func transcript(replies []asgi.Message) string {
	var b strings.Builder
	for _, m := range replies {
		if m.Has("status") {
			fmt.Fprintf(&b, "%d ", m.Int("status"))
		}
		for key, v := range m.All() {
			switch key {
			case "content":
				b.WriteString(contentOf(m, key))
			case "text", "bytes", "accept", "close":
				if v != nil {
					fmt.Fprintf(&b, "%s=%s ", key, codec.AppendValueJSON(nil, v))
				}
			}
		}
	}
	return b.String()
}

// leave ends the connections that the recording did not end.
func (p *playback) leave() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.s.life), time.Second)
	defer cancel()
	ended := make(map[string]bool)
	sockets := make(map[string]string) // path by recorded reply channel
	for _, m := range p.inputs {
		reply := m.message.Text("reply_channel")
		ended[reply] = ended[reply] || m.Channel == "websocket.disconnect"
		if m.Channel == "websocket.connect" {
			sockets[reply] = m.message.Text("path")
		}
	}
	for reply, path := range sockets {
		if !ended[reply] {
			m := asgi.MustMessage(asgi.Field{Key: "reply_channel", Value: p.renamed(reply)}, asgi.Field{Key: "path", Value: path},
				asgi.Field{Key: "code", Value: 1006}, asgi.Field{Key: "order", Value: 1 << 30})
			_ = p.s.opts.Layer.Send(ctx, asgi.NewCause(asgi.NewTrace()), "websocket.disconnect", m, asgi.Volatile)
		}
		if p.s.groups != nil {
			_ = p.s.groups.GroupLeave(ctx, nil, p.renamed(reply))
		}
	}
}
