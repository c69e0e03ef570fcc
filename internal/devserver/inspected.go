package devserver

import (
	"context"
	"time"

	"asgibox/asgi/chaos"
	"asgibox/httpfront"
	"asgibox/inspector"
	"asgibox/inspector/api"
	"asgibox/workerpool"
)

// visited returns a function that passes the events of the protocol server to
// next and to the inspector.
func (s *server) visited(next func(httpfront.Event)) func(httpfront.Event) {
	return func(e httpfront.Event) {
		next(e)
		if c := s.control.Load(); c != nil {
			c.Visited(inspector.Visit{
				At: e.Started.Add(e.Duration), Kind: e.Kind.String(), Channel: e.Channel, Trace: e.Trace, Method: e.Method, Path: e.Path,
				Status: e.Status, Bytes: e.Bytes, Duration: e.Duration, Disk: e.Disk, By: e.By,
			}, e.ClientString)
		}
	}
}

// showHandled passes a handled message to the inspector if it recorded the
// message.
func (s *server) showHandled(h workerpool.Handled) {
	c := s.control.Load()
	if c == nil || !c.Remembers(h.Delivery.Trace) {
		return
	}
	span := inspector.Span{
		ID: h.Delivery.ID, Trace: h.Delivery.Trace, Channel: h.Delivery.Channel,
		Worker: h.Worker, Began: h.Began, Ended: time.Now(), Unrouted: h.Unrouted, Failed: h.Failed,
	}
	if h.Consumer != nil {
		span.Handler = h.Consumer.Name()
	}
	c.Handled(span)
}

// frontView shows the protocol server to the inspector.
type frontView struct{ *httpfront.Server }

func (v frontView) Connections(limit int) (open []api.Connection, all int) {
	views, all := v.Server.Connections(limit)
	for _, c := range views {
		open = append(open, api.Connection{
			Channel: c.Channel, Path: c.Path, Client: c.Client, Protocol: c.Protocol, Opened: api.UnixMilli(c.Opened), Waiting: c.Waiting,
			FramesIn: c.FramesIn, FramesOut: c.FramesOut, BytesIn: c.BytesIn, BytesOut: c.BytesOut,
			Mailbox: c.Mailbox, MailboxBytes: c.MailboxBytes, MailboxRoom: c.MailboxRoom, BytesRoom: c.BytesRoom,
		})
	}
	return open, all
}

// poolView shows the workers to the inspector.
type poolView struct{ generations *generations }

func (v poolView) Workers() (all []api.Worker) {
	for _, w := range v.generations.pool.Workers() {
		worker := api.Worker{
			Number: w.Number, Generation: w.Generation, Kind: string(w.Kind), Busy: w.Busy, Channel: w.Channel,
			Handler: w.Handler, Since: api.UnixMilli(w.Since), Cancelled: w.Cancelled, Leaving: w.Leaving,
		}
		if w.Trace != 0 {
			worker.Trace = w.Trace.String()
		}
		all = append(all, worker)
	}
	return all
}

func (v poolView) Processes() []api.Process { return v.generations.processes() }

func (v poolView) Generation() (number uint64, kind string) {
	g := v.generations.pool.Current()
	return g.Number, string(g.Kind)
}

func (v poolView) Reload(ctx context.Context) error { return v.generations.LoadAgain(ctx) }
func (v poolView) SetWorkers(n int) error           { return v.generations.pool.SetWorkers(n) }

// chaosView shows the chaos rules to the inspector.
type chaosView struct{ layer *chaos.Layer }

func (v chaosView) Rules() (texts []string) {
	for _, r := range v.layer.Rules() {
		texts = append(texts, r.String())
	}
	return texts
}

func (v chaosView) SetRules(texts []string) error {
	rules := make([]chaos.Rule, len(texts))
	for i, text := range texts {
		var err error
		if rules[i], err = chaos.Parse(text); err != nil {
			return err
		}
	}
	v.layer.SetRules(rules)
	return nil
}
