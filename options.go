package main

import (
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"asgibox/asgi/chaos"
	"asgibox/httpfront"
	"asgibox/internal/flagvalue"
	"asgibox/store"
	"asgibox/workerpool"
	"asgibox/workerpool/script"
)

// options are the flags of run, with the rooms' own options filled in as far
// as flags go. docs/configuration.md describes each.
type options struct {
	listen   listenOptions
	store    store.Options
	front    httpfront.Options
	pool     workerpool.Options
	script   script.Options
	settings []flagvalue.Setting

	chaos     []chaos.Rule
	storePath string
	sync      string
	maxBody   int
	tls       bool
	tlsCert   string
	tlsKey    string
	noWorkers bool
	noReload  bool
	poll      bool
	accessLog string
	control   string
	logFormat string
	verbose   int
	quiet     bool
}

// listenOptions say where the protocol server is reached.
type listenOptions struct {
	binds []string
	port  int
	asked bool // the port was given, not taken for granted
	unix  string
	udp   string
	fd    int
}

func text(s string) (string, error) { return s, nil }

func defaultOptions() *options {
	o := &options{
		listen:    listenOptions{port: 8000, fd: -1},
		sync:      "full",
		logFormat: "text",
	}
	o.store.Capacity = 1000
	o.store.Memory = 256 << 20
	o.store.Expiry = time.Minute
	o.store.GroupExpiry = 24 * time.Hour
	o.store.MaxMessage = 1 << 20
	o.maxBody = 100 << 20
	o.front.HTTPTimeout = 2 * time.Minute
	o.front.ConnectTimeout = 5 * time.Second
	o.front.PingInterval = 20 * time.Second
	o.front.PingTimeout = 30 * time.Second
	o.front.Grace = 10 * time.Second
	o.pool.Workers = 16
	o.pool.HandlerTimeout = time.Minute
	return o
}

// groups are the flags, as the help lists them.
func (o *options) groups() []flagGroup {
	app := o.application()
	app.BoolVar(&o.noWorkers, "no-workers", false, "serve sockets only; workers are elsewhere")
	return []flagGroup{o.where(), o.layer(), o.http(), o.websocket(), app, o.output()}
}

func (o *options) where() flagGroup {
	g := newGroup("Where")
	list := func(name, short, kind, help string, to *[]string) {
		g.VarP(flagvalue.List[string]{To: to, Parse: text, Kind: kind}, name, short, help)
	}
	list("bind", "b", "address", "address to listen on; may be repeated (default 127.0.0.1)", &o.listen.binds)
	g.VarP(flagvalue.Number{To: &o.listen.port}, "port", "p", "port to listen on; 0 picks a free one")
	g.StringVarP(&o.listen.unix, "unix-socket", "u", "", "listen on this Unix socket")
	g.Var(flagvalue.Number{To: &o.listen.fd}, "fd", "listen on this inherited file descriptor")
	g.StringVar(&o.listen.udp, "udp", "", "receive datagrams on this address, like 127.0.0.1:9000")
	g.BoolVar(&o.tls, "tls", false, "speak HTTPS and HTTP/2 with a certificate for development, which is made and kept")
	g.StringVar(&o.control, "control", "", `address of the inspector and of the commands for a running server, or "off" (default 127.0.0.1:8001, or a free port if that is taken)`)
	g.StringVar(&o.tlsCert, "tls-cert", "", "certificate for HTTPS and HTTP/2, a PEM file")
	g.StringVar(&o.tlsKey, "tls-key", "", "key of the certificate, a PEM file")
	g.BoolVar(&o.front.H2C, "h2c", false, "understand HTTP/2 in clear text")
	g.StringVar(&o.front.RootPath, "root-path", "", "root_path of every message")
	g.BoolVar(&o.front.ProxyHeaders, "proxy-headers", false, "believe X-Forwarded-* headers; only behind a proxy")
	return g
}

func (o *options) layer() flagGroup {
	g := newGroup("Channel layer")
	g.StringVar(&o.storePath, "store", "", `file that keeps what must survive, or "memory" (default .asgibox/channels.db beside the application)`)
	g.Var(flagvalue.Choice{To: &o.sync, Of: []string{"full", "none"}}, "sync", "none commits without waiting for the disk: a power cut may lose what was acknowledged")
	g.Var(flagvalue.Number{To: &o.store.Capacity, Min: 1}, "capacity", "messages that a channel holds")
	g.Var(flagvalue.List[store.PatternCapacity]{To: &o.store.ChannelCapacity, Parse: store.ParsePatternCapacity, Kind: "pattern=N"},
		"channel-capacity", "messages that channels of matching names hold; may be repeated, the first match wins")
	g.Var(flagvalue.Size{To: &o.store.Memory}, "memory", "what all queues together may take")
	g.Var(flagvalue.Duration{To: &o.store.Expiry}, "expiry", "how long an unread message lives")
	g.Var(flagvalue.Duration{To: &o.store.GroupExpiry}, "group-expiry", "how long a group membership lives after the last add")
	g.Var(flagvalue.List[chaos.Rule]{To: &o.chaos, Parse: chaos.Parse, Kind: "rule", Apart: " "},
		"chaos", "lose, delay or reorder messages on purpose, like websocket.*:drop=1%,delay=50ms..200ms,reorder=5%; may be repeated")
	g.Var(flagvalue.Size{To: &o.store.MaxMessage}, "max-message", "what one message may carry")
	return g
}

func (o *options) http() flagGroup {
	g := newGroup("HTTP")
	g.VarP(flagvalue.Duration{To: &o.front.HTTPTimeout, Forever: true}, "http-timeout", "t", "how long a request waits for its response to begin")
	g.Var(flagvalue.Size{To: &o.maxBody}, "max-body", "longest request body")
	g.Var(flagvalue.Duration{To: &o.front.Grace, Zero: true}, "grace", "how long running work may take at shutdown, and on an old generation")
	return g
}

func (o *options) websocket() flagGroup {
	g := newGroup("WebSocket")
	g.Var(flagvalue.Duration{To: &o.front.SocketTimeout, Forever: true}, "websocket-timeout", "how long a connection lives (default the group expiry)")
	g.Var(flagvalue.Duration{To: &o.front.ConnectTimeout, Forever: true}, "websocket-connect-timeout", "how long a handshake waits for an answer")
	g.Var(flagvalue.Duration{To: &o.front.PingInterval, Forever: true}, "ping-interval", "silence after which a connection is pinged")
	g.Var(flagvalue.Duration{To: &o.front.PingTimeout, Forever: true}, "ping-timeout", "how long a pong may take")
	g.Var(flagvalue.List[string]{To: &o.front.Protocols, Parse: text, Kind: "name"}, "ws-protocol", "sub-protocol that is spoken; may be repeated")
	g.BoolVar(&o.front.Compression, "ws-compression", false, "offer compression")
	g.Var(flagvalue.List[string]{To: &o.front.AllowOrigins, Parse: text, Kind: "origin"}, "allow-origin", "origin besides the server's own that may connect; may be repeated, * is any")
	return g
}

func (o *options) application() flagGroup {
	g := newGroup("Application")
	g.Var(flagvalue.Number{To: &o.pool.Workers, Min: 1}, "workers", "handlers that run at once")
	g.Var(flagvalue.List[string]{To: &o.pool.OnlyChannels, Parse: text, Kind: "pattern"}, "only-channels", "channels to work on; may be repeated")
	g.Var(flagvalue.List[string]{To: &o.pool.ExcludeChannels, Parse: text, Kind: "pattern"}, "exclude-channels", "channels to leave to others; may be repeated")
	g.Var(flagvalue.Duration{To: &o.pool.HandlerTimeout, Forever: true}, "handler-timeout", "how long a handler may run")
	g.Var(flagvalue.List[flagvalue.Setting]{To: &o.settings, Parse: flagvalue.ParseSetting, Kind: "name=value"}, "set", "what the application finds in settings; may be repeated")
	g.BoolVar(&o.noReload, "no-reload", false, "do not watch the application's files")
	g.BoolVar(&o.poll, "poll", false, "look at the files every so often, where the file system has no events")
	g.BoolVar(&o.pool.NoWatchdog, "no-watchdog", false, "leave a request unanswered that its handler left unanswered")
	g.BoolVar(&o.script.Strict, "strict", false, "make errors of what is warned of when a message is sent")
	g.BoolVar(&o.script.Live, "live", false, "refresh open pages when the application changes")
	return g
}

func (o *options) output() flagGroup {
	g := newGroup("Output")
	g.StringVar(&o.accessLog, "access-log", "", "write an access log to this file; - is standard output")
	g.Var(flagvalue.Choice{To: &o.logFormat, Of: []string{"text", "json"}}, "log-format", "how to log")
	g.CountVarP(&o.verbose, "verbose", "v", "say more")
	g.BoolVarP(&o.quiet, "quiet", "q", false, "say only what is wrong")
	return g
}

// complete derives what follows from several flags.
func (o *options) complete() error {
	switch {
	case o.listen.port > 65535:
		return fmt.Errorf("--port %d: ports end at 65535", o.listen.port)
	case (o.tlsCert == "") != (o.tlsKey == ""):
		return fmt.Errorf("--tls-cert and --tls-key go together")
	case o.tls && o.tlsCert != "":
		return fmt.Errorf("--tls makes a certificate, --tls-cert brings one: choose")
	case o.listen.unix != "" && runtime.GOOS == "windows":
		return fmt.Errorf("--unix-socket: this system has none")
	}
	o.front.MaxBody = int64(o.maxBody)
	o.front.Grace = max(o.front.Grace, time.Nanosecond) // zero would be the default
	o.pool.Grace = o.front.Grace
	o.store.NoSync = o.sync == "none"
	o.script.Memory = int64(o.store.Memory)
	o.script.Settings = map[string]string{}
	for _, s := range o.settings {
		o.script.Settings[s.Name] = s.Value
	}
	return nil
}

// newRun is the command that serves.
func newRun() *cobra.Command {
	o := defaultOptions()
	cmd := &cobra.Command{
		Use:   "run [APP]",
		Short: "Serve an application",
		Long: strings.TrimSpace(`
Serve an application: answer HTTP requests and WebSockets with the Starlark
file APP (app.star unless given), and swap it when it is saved.`),
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeApplications,
		RunE: func(cmd *cobra.Command, args []string) error {
			app := "app.star"
			if len(args) > 0 {
				app = args[0]
			}
			if err := o.complete(); err != nil {
				return err
			}
			o.listen.asked = cmd.Flags().Changed("port")
			return serve(cmd.Context(), app, o, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	addFlags(cmd, o.groups()...)
	return cmd
}
