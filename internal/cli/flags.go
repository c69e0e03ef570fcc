package cli

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"asgibox/asgi/chaos"
	"asgibox/internal/client"
	"asgibox/internal/command"
	"asgibox/internal/devserver"
	"asgibox/internal/flagvalue"
	"asgibox/internal/guard"
	"asgibox/store"
	"asgibox/workerpool"
)

// flags are the flags of run, some of which worker has too. The values go
// straight into the options where they can. docs/configuration.md lists them.
type flags struct {
	options  devserver.Options
	shared   client.Layer
	sync     string
	verbose  int
	settings []flagvalue.Setting
	editor   string
	resume   string
}

// maxFD is the highest descriptor that --fd accepts.
const maxFD = 1<<20 - 1

func newFlags() *flags {
	return &flags{options: devserver.DefaultOptions(), sync: "full", resume: "on"}
}

// all returns the flags of run in the order of the help.
func (f *flags) all() []command.FlagGroup {
	app := f.application()
	app.BoolVar(&f.options.NoWorkers, "no-workers", false, "serve sockets only; the workers run elsewhere")
	return []command.FlagGroup{f.addresses(), f.layer(), f.http(), f.websocket(), app, f.output()}
}

func (f *flags) addresses() command.FlagGroup {
	g, o := command.NewGroup("Addresses"), &f.options
	listen(g, &o.Listen)
	g.StringVarP(&o.Listen.Unix, "unix-socket", "u", "", "path of a Unix socket to listen on")
	g.Var(flagvalue.Number{To: &o.Listen.FD, Max: maxFD}, "fd", "inherited file descriptor to listen on")
	g.StringVar(&o.Listen.UDP, "udp", "", "address to receive datagrams on, like 127.0.0.1:9000 or, on all interfaces, 0.0.0.0:9000")
	g.BoolVar(&o.TLS.Development, "tls", false, "serve HTTPS and HTTP/2 with a development certificate, generated once and reused")
	g.StringVar(&o.Control, "control", "", `address of the control server, for the inspector and the commands, or "off" (default 127.0.0.1:8001, or a free port if that is taken)`)
	g.StringVar(&o.TLS.Cert, "tls-cert", "", "PEM file with the certificate for HTTPS and HTTP/2")
	g.StringVar(&o.TLS.Key, "tls-key", "", "PEM file with the key of the certificate")
	g.BoolVar(&o.Front.H2C, "h2c", false, "accept HTTP/2 without TLS")
	g.StringVar(&o.Front.RootPath, "root-path", "", "root_path of every message, as in a URL, like /app")
	g.BoolVar(&o.Front.ProxyHeaders, "proxy-headers", false, "trust the headers X-Forwarded-* and Daphne-Root-Path; use it only behind a proxy")
	return g
}

// listen adds the flags for TCP addresses.
func listen(g command.FlagGroup, to *devserver.Listen) {
	g.VarP(flagvalue.List[string]{To: &to.Binds, Parse: parseBind, Kind: "address"}, "bind", "b", "address to listen on; may be repeated (default 127.0.0.1)")
	g.VarP(flagvalue.Number{To: &to.Port, Max: 65535}, "port", "p", "port to listen on; 0 picks a free one")
}

func (f *flags) layer() command.FlagGroup {
	g, o := command.NewGroup("Channel layer"), &f.options
	f.shared.AddFlags(g)
	g.StringVar(&o.DataFile, "store", "", `file for data that must survive a restart, or "memory" (default .asgibox/channels.db beside the application)`)
	g.Var(flagvalue.Choice{To: &f.sync, Choices: []string{"full", "none"}}, "sync", "whether a write waits for the disk; with none, a power cut may lose acknowledged messages")
	f.capacity(g)
	g.Var(flagvalue.List[store.PatternCapacity]{To: &o.Store.ChannelCapacity, Parse: store.ParsePatternCapacity, Kind: fmt.Sprintf("pattern=1..%d", store.MaxCapacity)},
		"channel-capacity", "maximum number of messages in channels whose names match; may be repeated, the first match wins")
	g.Var(flagvalue.Size[int]{To: &o.Store.Memory}, "memory", "memory limit for all queues together, and for a handler")
	g.Var(flagvalue.Size[int]{To: &o.Store.StateMemory}, "state-memory", "memory limit for the state of the application, and another of the same size for the sessions of browsers")
	g.Var(flagvalue.Number{To: &o.Store.MaxSessions, Min: 1, Max: store.MaxCapacity}, "max-sessions", "maximum number of sessions of browsers, and of those of UDP peers; one whose client has not come back is discarded first, then the least recently used one")
	f.expiry(g)
	g.Var(flagvalue.List[chaos.Rule]{To: &o.Chaos, Parse: chaos.Parse, Kind: "rule", Separator: " "},
		"chaos", "rule that drops, delays or reorders messages, like websocket.*:drop=1%,delay=50ms..200ms,reorder=5%; may be repeated")
	g.Var(flagvalue.Size[int]{To: &o.Store.MaxMessage}, "max-message", "maximum size of the payload of a message")
	return g
}

// workerLayer returns the flags of a worker's layer on Redis.
func (f *flags) workerLayer() command.FlagGroup {
	g := command.NewGroup("Channel layer on Redis")
	f.shared.AddFlags(g)
	f.capacity(g)
	f.expiry(g)
	return g
}

func (f *flags) capacity(g command.FlagGroup) {
	g.Var(flagvalue.Number{To: &f.options.Store.Capacity, Min: 1, Max: store.MaxCapacity}, "capacity", "maximum number of messages in a channel")
}

func (f *flags) expiry(g command.FlagGroup) {
	g.Var(flagvalue.Duration{To: &f.options.Store.Expiry}, "expiry", "time after which an unread message expires")
	g.Var(flagvalue.Duration{To: &f.options.Store.GroupExpiry}, "group-expiry", "lifetime of a group membership, from the last add")
}

func (f *flags) http() command.FlagGroup {
	g, o := command.NewGroup("HTTP"), &f.options
	g.VarP(flagvalue.Duration{To: &o.Front.HTTPTimeout, Forever: true}, "http-timeout", "t", "time limit for the start of a response")
	g.Var(flagvalue.Size[int64]{To: &o.Front.MaxBody}, "max-body", "maximum size of a request body")
	g.Var(flagvalue.Size[int64]{To: &o.Front.BodyMemory}, "body-memory", "memory limit for all request bodies and WebSocket messages that arrive or wait for the application")
	g.Var(flagvalue.Duration{To: &o.Front.Grace, Zero: true}, "grace", "time limit for running handlers at shutdown, and for those of an old generation")
	return g
}

func (f *flags) websocket() command.FlagGroup {
	g, o := command.NewGroup("WebSocket"), &f.options.Front
	g.Var(flagvalue.Duration{To: &o.SocketTimeout, Forever: true}, "websocket-timeout", "maximum lifetime of a connection (default the group expiry)")
	g.Var(flagvalue.Duration{To: &o.ConnectTimeout, Forever: true}, "websocket-connect-timeout", "time limit for the reply to a handshake")
	g.Var(flagvalue.Duration{To: &o.PingInterval, Forever: true}, "ping-interval", "silence after which a connection gets a ping")
	g.Var(flagvalue.Duration{To: &o.PingTimeout, Forever: true}, "ping-timeout", "time limit for the pong")
	g.Var(flagvalue.List[string]{To: &o.Protocols, Parse: parseProtocol, Kind: "name"}, "ws-protocol", "supported sub-protocol; may be repeated")
	g.BoolVar(&o.Compression, "ws-compression", false, "offer compression")
	g.Var(stringList(&o.AllowOrigins, "origin"), "allow-origin", "origin that may connect besides the server's own; may be repeated, * allows all")
	return g
}

func (f *flags) application() command.FlagGroup {
	g, o := command.NewGroup("Application"), &f.options
	g.Var(flagvalue.Number{To: &o.Pool.Workers, Min: 1, Max: workerpool.MaxWorkers}, "workers", "maximum number of handlers that run at the same time; for an application that is not Starlark, the number of its processes, 2 unless given and at most 256")
	g.Var(flagvalue.List[string]{To: &o.Pool.OnlyChannels, Parse: parsePattern, Kind: "pattern"}, "only-channels", "pattern of channels to receive from; may be repeated")
	g.Var(flagvalue.List[string]{To: &o.Pool.ExcludeChannels, Parse: parsePattern, Kind: "pattern"}, "exclude-channels", "pattern of channels not to receive from; may be repeated")
	g.Var(flagvalue.Duration{To: &o.Pool.HandlerTimeout, Forever: true}, "handler-timeout", "time limit for a handler")
	g.Var(flagvalue.Number{To: &o.Process.Threads, Min: 1, Max: devserver.MaxThreads}, "threads", "number of threads of each process that run handlers, in Python")
	g.Var(flagvalue.Number{To: &o.Process.Concurrency, Min: 1, Max: devserver.MaxConcurrency}, "concurrency", "maximum number of requests and WebSockets of each process, for ASGI 3")
	g.Var(flagvalue.Choice{To: &o.Process.Interface, Choices: []string{"wsgi", "asgi3", "channels"}}, "interface", "interface of a Python application (default recognized)")
	g.StringVar(&o.Process.Python, "python", "", "Python interpreter (default that of VIRTUAL_ENV, else of .venv or venv beside the application, else python3)")
	g.Var(flagvalue.Choice{To: &f.resume, Choices: []string{"on", "off"}}, "resume", "whether new code takes over the WebSockets of an ASGI 3 application; with off, a reload closes them")
	g.BoolVar(&o.Process.Debug, "debug", false, "give the terminal to the application, in one process and without time limits, so that breakpoint() works")
	g.Var(flagvalue.Duration{To: &o.Process.LoadTimeout, Forever: true}, "load-timeout", "time limit for loading an application that runs in processes of its own")
	g.StringVar(&o.Script.SessionCookie, "session-cookie", "", "name of the cookie of a browser's session (default sessionid_ and the port)")
	g.Var(flagvalue.List[flagvalue.Setting]{To: &f.settings, Parse: flagvalue.ParseSetting, Kind: "name=value"}, "set", "setting for the application; may be repeated")
	g.BoolVar(&o.NoReload, "no-reload", false, "do not watch the application's files")
	g.Var(flagvalue.List[string]{To: &o.Watch, Parse: parseFilePattern, Kind: "pattern"}, "watch", "pattern of further files that reload the application, like *.csv or data/*; may be repeated")
	g.BoolVar(&o.Poll, "poll", false, "compare the files at intervals, for file systems without events")
	g.BoolVar(&o.Pool.NoWatchdog, "no-watchdog", false, "do not send a 500 when a handler returns without replying")
	g.BoolVar(&o.Script.Strict, "strict", false, "treat warnings about messages, routes and names as errors")
	g.BoolVar(&o.Pages.Production, "production", false, "serve the public: show no details of errors, do not watch files, and run no control server unless --control is given")
	g.BoolVar(&o.Pages.Live, "live", false, "refresh open pages when the application or a file that it serves changes")
	g.BoolVar(&o.Pages.Overlay, "overlay", false, "show on open pages why a changed application does not load (default on in a terminal)")
	return g
}

func (f *flags) output() command.FlagGroup {
	g, o := command.NewGroup("Output"), &f.options
	g.StringVar(&o.AccessLog, "access-log", "", "file for the access log; - is standard output; an existing file keeps its mode")
	g.Var(flagvalue.Choice{To: &o.LogFormat, Choices: []string{"text", "json"}}, "log-format", "format of the log")
	g.StringVar(&f.editor, "editor", "", `editor that links to the places of errors open, like vscode, idea or zed, or the form of its URLs, or "off" (default the editor whose terminal this is)`)
	g.CountVarP(&f.verbose, "verbose", "v", "log more")
	g.BoolVarP(&o.Quiet, "quiet", "q", false, "log only warnings and errors")
	return g
}

func stringList(to *[]string, kind string) flagvalue.List[string] {
	return flagvalue.List[string]{To: to, Parse: func(s string) (string, error) { return s, nil }, Kind: kind}
}

// finished returns the options after it has checked the flags together.
func (f *flags) finished(cmd *cobra.Command) (devserver.Options, error) {
	o := f.options
	switch {
	case (o.TLS.Cert == "") != (o.TLS.Key == ""):
		return o, fmt.Errorf("--tls-cert and --tls-key must be given together")
	case o.TLS.Development && o.TLS.Cert != "":
		return o, fmt.Errorf("--tls generates a certificate and --tls-cert names one: give only one of them")
	case o.Script.SessionCookie != "" && (&http.Cookie{Name: o.Script.SessionCookie}).Valid() != nil:
		return o, fmt.Errorf("--session-cookie %q: a cookie cannot have this name; use letters, digits, - and _", o.Script.SessionCookie)
	case guard.RemoveCookie(o.Script.SessionCookie) != o.Script.SessionCookie:
		return o, fmt.Errorf("--session-cookie %q: the control server has cookies with this name; choose another", o.Script.SessionCookie)
	case o.Listen.Unix != "" && runtime.GOOS == "windows":
		return o, fmt.Errorf("--unix-socket: Windows has no Unix sockets")
	}
	if o.Pages.Production {
		if o.Pages.Live {
			return o, fmt.Errorf("--production and --live exclude each other: pages of --live poll the server; give only one of them")
		}
		if o.Pages.Overlay {
			return o, fmt.Errorf("--production and --overlay exclude each other: the overlay shows errors to clients; give only one of them")
		}
		o.NoReload, o.Front.NoDetails = true, true
		if o.Control == "" {
			o.Control = devserver.ControlOff
		}
	}
	if overlay := cmd.Flags().Lookup("overlay"); overlay != nil && !overlay.Changed {
		o.Pages.Overlay = !o.Pages.Production && command.OnTerminal(cmd.ErrOrStderr())
	}
	var err error
	if o.Editor, err = devserver.ParseEditor(f.editor, os.Getenv); err != nil {
		return o, fmt.Errorf("--editor: %w", err)
	}
	if port := cmd.Flags().Lookup("port"); port != nil {
		o.Listen.PortGiven = port.Changed
	}
	o.Verbose = f.verbose > 0
	o.Front.Grace = max(o.Front.Grace, time.Nanosecond) // zero would select the default
	o.Pool.Grace = o.Front.Grace
	o.Process.Resume = f.resume == "on"
	o.Store.NoSync = f.sync == "none"
	o.Script.Memory = int64(o.Store.Memory)
	o.Script.Settings = settingsMap(f.settings)
	return o, f.selectLayer(cmd, &o)
}

// selectLayer sets the options of a layer on Redis, if --layer is given. They take
// the place of the store's.
func (f *flags) selectLayer(cmd *cobra.Command, o *devserver.Options) (err error) {
	if o.Redis, err = f.shared.Options(); err != nil || o.Redis == nil {
		return err
	}
	for _, name := range []string{"store", "sync", "state-memory", "max-sessions", "control", "token"} {
		flag := cmd.Flags().Lookup(name)
		switch {
		case flag == nil || !flag.Changed:
		case cmd.Name() == "worker":
			return fmt.Errorf("--layer reaches the layer itself, --%s belongs to a server; give only one of them", name)
		case name != "control":
			return fmt.Errorf("--layer keeps all data in Redis, --%s is for the file beside the application; give only one of them", name)
		}
	}
	o.Redis.Capacity, o.Redis.ChannelCapacity, o.Redis.MaxMessage = o.Store.Capacity, o.Store.ChannelCapacity, o.Store.MaxMessage
	o.Redis.Expiry, o.Redis.GroupExpiry = o.Store.Expiry, o.Store.GroupExpiry
	o.RedisWait = f.shared.Wait
	return nil
}

func settingsMap(settings []flagvalue.Setting) map[string]string {
	m := make(map[string]string, len(settings))
	for _, s := range settings {
		m[s.Name] = s.Value
	}
	return m
}
