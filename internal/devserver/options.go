package devserver

import (
	"log/slog"
	"time"

	"asgibox/asgi/chaos"
	"asgibox/httpfront"
	"asgibox/store"
	"asgibox/store/redisstore"
	"asgibox/workerpool"
	"asgibox/workerpool/pages"
	"asgibox/workerpool/script"
)

// Options configure [Serve] and [Work]. The command line fills them in before
// either is called, and nothing changes them afterwards.
type Options struct {
	Listen    Listen
	Control   string // address of the control server; "" is the default address, or a free port if it is taken
	TLS       TLS
	Store     store.Options
	DataFile  string              // the store's file, "" for the default, or [MemoryStore]
	Redis     *redisstore.Options // the channel layer is on Redis instead of in the store; nil: in the store
	RedisWait time.Duration       // how long to wait for Redis at the start
	Chaos     []chaos.Rule
	Front     httpfront.Options
	Pool      workerpool.Options
	Script    script.Options
	Process   ProcessOptions
	Pages     pages.Options

	Welcome   *Welcome // what to serve while there is no application; nil makes that an error
	NoWorkers bool     // serve sockets only
	NoReload  bool     // do not watch the application's files
	Watch     []string // patterns of files whose changes also load the application again
	Poll      bool     // compare the files at intervals instead of using events
	Editor    Editor   // opens the places of errors; "" for none

	AccessLog string // file of the access log, "-" for standard output, "" for none
	LogFormat string // "text" or "json"
	Verbose   bool   // log at debug level
	Quiet     bool   // log warnings and errors only

	newLoader func(*pages.Pages) loader // replaces the loader in tests; nil for the one of the application
}

// ProcessOptions configure an application that runs in other processes.
type ProcessOptions struct {
	Processes   int           // number of processes
	Threads     int           // number of threads of each that run handlers, in Python
	Concurrency int           // number of requests and WebSockets of each, for ASGI 3
	Interface   string        // wsgi, asgi3 or channels; "" is recognized
	Python      string        // the interpreter; "" is searched for
	Resume      bool          // a reload keeps the WebSockets of ASGI 3
	Debug       bool          // the terminal belongs to the application
	LoadTimeout time.Duration // how long loading may take; negative: as long as it takes
}

// Limits of [ProcessOptions].
const (
	MaxProcesses   = 256
	MaxThreads     = 1000
	MaxConcurrency = 100_000
)

// MemoryStore is the DataFile of a store without a file.
const MemoryStore = "memory"

// ControlOff is the Control of a server without a control server.
const ControlOff = "off"

// Listen lists the sockets of the protocol server.
type Listen struct {
	Binds     []string // hosts; 127.0.0.1 if empty and nothing else is listened on
	Port      int      // 0 picks a free port
	PortGiven bool     // listen on the port even if there is a Unix socket or a descriptor
	Unix      string   // path of a Unix socket, if not empty
	FD        int      // inherited descriptor, if not negative
	UDP       string   // address for datagrams, if not empty
}

// TLS selects the certificate of the protocol server.
type TLS struct {
	Development bool   // generate a certificate once and reuse it
	Cert, Key   string // PEM files, if not empty
}

// DefaultOptions returns the options of a server that is started without flags.
func DefaultOptions() Options {
	return Options{
		Listen: Listen{Port: 8000, FD: -1},
		Store:  store.DefaultOptions(),
		Front: httpfront.Options{
			MaxBody:        100 << 20,
			BodyMemory:     256 << 20,
			HTTPTimeout:    2 * time.Minute,
			ConnectTimeout: 5 * time.Second,
			PingInterval:   20 * time.Second,
			PingTimeout:    30 * time.Second,
			Grace:          10 * time.Second,
		},
		Pool:      workerpool.Options{Workers: 16, HandlerTimeout: time.Minute},
		Process:   ProcessOptions{Processes: 2, Threads: 8, Concurrency: 1000, Resume: true, LoadTimeout: 30 * time.Second},
		LogFormat: "text",
	}
}

// Level returns the lowest level that is logged.
func (o *Options) Level() slog.Level {
	switch {
	case o.Quiet:
		return slog.LevelWarn
	case o.Verbose:
		return slog.LevelDebug
	}
	return slog.LevelInfo
}
