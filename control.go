package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/chaos"
	"asgibox/asgi/remote"
	"asgibox/httpfront"
	"asgibox/inspector"
	"asgibox/internal/guard"
	"asgibox/workerpool"
)

// The control server's address, unless another is asked for. If it is taken a
// free port does as well: the banner and the store's folder say which.
const (
	defaultControl = "127.0.0.1:8001"
	controlOff     = "off"
)

// openControl listens for the control server; nil if there is to be none.
func openControl(address string) (net.Listener, error) {
	switch address {
	case controlOff:
		return nil, nil
	case "":
		return listenHereOrFree(defaultControl)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("--control %s: want an address like 127.0.0.1:8001, or %q", address, controlOff)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("cannot listen on --control %s: %w", address, reason(err))
	}
	return l, nil
}

// listenHereOrFree listens on a free port of this machine if the address is taken.
func listenHereOrFree(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) || isTaken(err) {
		return net.Listen("tcp", "127.0.0.1:0")
	}
	return l, err
}

// control is the control server and what the rest of the program tells it.
type control struct {
	*inspector.Server
	listener net.Listener
	remote   *remote.Handler
	token    string // empty where only this machine can reach it
}

// Shutdown ends the calls that wait, and then all.
func (c *control) Shutdown(ctx context.Context) error {
	c.remote.Close()
	return c.Server.Shutdown(ctx)
}

// url is where a browser finds it, the token included.
func (c *control) url() string {
	addr := c.listener.Addr().(*net.TCPAddr)
	host := addr.IP.String()
	if addr.IP.IsUnspecified() {
		host = "localhost"
	}
	url := "http://" + net.JoinHostPort(host, strconv.Itoa(addr.Port)) + "/"
	if c.token != "" {
		url += "?token=" + c.token
	}
	return url
}

// buildControl makes the control server on the rooms that there are.
func (s *server) buildControl(layer asgi.Layer, l net.Listener, app string) (err error) {
	c := &control{listener: l, remote: remote.NewHandler(layer, remote.Options{Version: version(), Log: s.log})}
	if !guard.Loopback(l.Addr()) {
		c.token = guard.NewToken()
	}
	o := inspector.Options{
		Layer: layer, Store: s.store.Debug(), Front: frontView{s.front},
		Remote: c.remote, App: app, Token: c.token, Version: version(), Log: s.log,
	}
	if s.pool != nil {
		o.Pool = poolView{s}
	}
	if s.watcher != nil {
		o.Ignore = s.watcher.Ignore
	}
	if s.chaos != nil {
		o.Chaos = chaosView{s.chaos}
	}
	if c.Server, err = inspector.New(o); err != nil {
		return err
	}
	s.control.Store(c)
	return nil
}

// visited tells the inspector, if there is one yet, what the log is told.
func (s *server) visited(next func(httpfront.Event)) func(httpfront.Event) {
	return func(e httpfront.Event) {
		next(e)
		if c := s.control.Load(); c != nil {
			c.Visited(inspector.Visit{
				Kind: e.Kind.String(), Channel: e.Channel, Trace: e.Trace, Method: e.Method, Path: e.Path,
				Status: e.Status, Bytes: e.Bytes, Duration: e.Duration, By: e.By,
			}, e.ClientString)
		}
	}
}

// showHandled tells the inspector who handled a message, if it remembers that.
func (s *server) showHandled(h workerpool.Handled) {
	c := s.control.Load()
	if c == nil || !c.Remembers(h.Delivery.Trace) {
		return
	}
	span := inspector.Span{ID: h.Delivery.ID, Worker: h.Worker, Began: h.Began, Ended: time.Now()}
	if h.Consumer != nil {
		span.Handler = h.Consumer.Name()
	}
	c.Handled(span)
}

// showLoad tells the inspector the outcome of a load.
func (s *server) showLoad(g workerpool.Generation, changed []string, err error) {
	c := s.control.Load()
	if c == nil {
		return
	}
	l := inspector.Load{Generation: g.Number, Kind: string(g.Kind), Took: g.Took, Changed: changed, Sockets: s.front.Sockets()}
	if err != nil {
		line, more := s.explain(err, false)
		l.Error = strings.TrimSpace(line + "\n\n" + more)
	}
	c.Loaded(l)
}

// frontView shows the protocol server to the inspector.
type frontView struct{ *httpfront.Server }

func (v frontView) Connections(limit int) (open []inspector.Connection, all int) {
	views, all := v.Server.Connections(limit)
	for _, c := range views {
		open = append(open, inspector.Connection(c))
	}
	return open, all
}

// poolView shows the workers to the inspector.
type poolView struct{ *server }

func (v poolView) Workers() (all []inspector.Worker) {
	for _, w := range v.pool.Workers() {
		all = append(all, inspector.Worker{
			Number: w.Number, Generation: w.Generation, Kind: string(w.Kind), Busy: w.Busy, Channel: w.Channel,
			Handler: w.Handler, Trace: w.Trace, Since: w.Since, Cancelled: w.Cancelled, Leaving: w.Leaving,
		})
	}
	return all
}

func (v poolView) Generation() (number uint64, kind string) {
	g := v.pool.Current()
	return g.Number, string(g.Kind)
}

func (v poolView) Reload(ctx context.Context) error {
	_, err := v.pool.Reload(ctx, filepath.Base(v.app))
	return err
}

func (v poolView) SetWorkers(n int) error { return v.pool.SetWorkers(n) }

// chaosView shows the rules of chaos to the inspector.
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

// watchedLog is a log handler that shows the inspector what goes wrong.
type watchedLog struct {
	slog.Handler
	server *server
	attrs  []slog.Attr
}

func (h watchedLog) Handle(ctx context.Context, r slog.Record) error {
	if c := h.server.control.Load(); c != nil && r.Level >= slog.LevelWarn {
		c.Logged(r.Time, r.Level.String(), h.line(r))
	}
	return h.Handler.Handle(ctx, r)
}

// line is a record as text, an error of the application with its source.
func (h watchedLog) line(r slog.Record) string {
	var b strings.Builder
	b.WriteString(r.Message)
	add := func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok {
			line, more := h.server.explain(err, false)
			fmt.Fprintf(&b, "\n%s=%s\n%s", a.Key, line, more)
		} else {
			fmt.Fprintf(&b, " %s=%v", a.Key, a.Value)
		}
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	return strings.TrimSpace(b.String())
}

func (h watchedLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.attrs = append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)
	h.Handler = h.Handler.WithAttrs(attrs)
	return h
}

func (h watchedLog) WithGroup(name string) slog.Handler {
	h.Handler = h.Handler.WithGroup(name)
	return h
}

// firstHTTP is where the inspector's clients reach the application, or "" if
// it listens on a Unix socket only.
func firstHTTP(urls []string) string {
	for _, url := range urls {
		if strings.HasPrefix(url, "http") {
			return strings.TrimSuffix(url, "/")
		}
	}
	return ""
}
