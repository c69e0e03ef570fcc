package devserver

import (
	"context"
	"net"
	"path/filepath"
	"slices"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/inspector/api"
	"asgibox/internal/command"
	"asgibox/internal/logkey"
	"asgibox/workerpool/process"
)

// A processLoader loads an application that runs in processes of its own.
type processLoader struct {
	*process.Loader
	root string   // to which names of files are relative, absolute
	own  []string // paths of files that count although no process has named them
}

// Uses implements loader.
func (l *processLoader) Uses(name string) bool {
	path := filepath.Join(l.root, filepath.FromSlash(name))
	return slices.Contains(l.own, path) || l.Loader.Uses(path)
}

// newProcessLoader returns the loader of an application that runs in processes of its
// own.
func (g *generations) newProcessLoader(o *Options, events poolEvents) (*processLoader, error) {
	folder, err := filepath.Abs(g.app.Folder)
	if err != nil {
		return nil, err
	}
	l := &processLoader{root: events.launch.root, own: append([]string{filepath.Join(folder, settingsFile)}, events.launch.main...)}
	l.Loader = process.NewLoader(events.socket, process.Options{
		Folder: folder, Pages: g.pages, URL: events.url, Follow: g.follow, Uses: events.launch.uses, Log: g.log,
		Processes: o.Process.Processes, Memory: o.Script.Memory, Threads: o.Process.Threads, Concurrency: o.Process.Concurrency,
		Grace: o.Pool.Grace, LoadTimeout: o.Process.LoadTimeout, HandlerTimeout: o.Pool.HandlerTimeout,
		Resume: o.Process.Resume, Debug: o.Process.Debug, SessionCookie: o.Script.SessionCookie, Private: privateFiles(g.app.Folder, o), Strict: o.Script.Strict, Secret: isSecret,
		Command: func(ctx context.Context, _ uint64) (*process.Command, error) {
			for _, path := range l.own {
				g.follow(path, false)
			}
			all, err := settings(folder, o.Script.Settings)
			if err != nil {
				return nil, err
			}
			c, err := events.launch.command(ctx)
			if err != nil {
				return nil, err
			}
			c.Settings, c.Env = all, environment(all, o.Script.Settings)
			return c, nil
		},
	})
	return l, nil
}

// loadForever is the time limit of the pool for a load of such an application: its
// loader has a limit of its own, which does not include a build.
const loadForever = 10 * 365 * 24 * time.Hour

// processes describes the processes of the application. It returns nil if there are
// none.
func (g *generations) processes() []api.Process {
	l, ok := g.loader.(*processLoader)
	if !ok {
		return nil
	}
	all := []api.Process{}
	for _, p := range l.Processes() {
		one := api.Process{
			Worker: p.Worker, PID: p.PID, Generation: p.Generation, State: "loading", Started: api.UnixMilli(p.Started), Memory: p.Memory,
			CPUMS: api.Milliseconds(p.CPU), Jobs: p.Jobs, Restarts: p.Restarts, Channel: p.Channel, Handler: p.Handler, Since: api.UnixMilli(p.Since),
		}
		switch {
		case p.Leaving:
			one.State = "leaving"
		case p.Ready:
			one.State = "ready"
		}
		all = append(all, one)
	}
	return all
}

// socketName is the name of the socket for workers, beside the store.
const socketName = "workers.sock"

// openSocket opens the socket that workers in other processes connect to. It returns
// nil if there can be none.
func (s *server) openSocket() (*process.Server, error) {
	path := ""
	if s.store != nil && s.dataFile != MemoryStore {
		path = filepath.Join(filepath.Dir(s.dataFile), socketName)
	}
	if s.launch == nil && (path == "" || !s.guests) {
		return nil, nil
	}
	socket, err := process.NewServer(process.ServerOptions{
		Layer: s.layer, Socket: path, Version: command.Version(), Log: s.log,
		Token: func() string {
			if c := s.control.Load(); c != nil {
				return c.token
			}
			return ""
		},
		Outcome: func(trace asgi.TraceID, channel string, m asgi.Message) (remote.Outcome, error) {
			if c := s.control.Load(); c != nil && s.generations != nil {
				return c.Outcome(trace, channel, m)
			}
			return nil, nil
		},
	})
	if err != nil && s.launch == nil {
		s.log.Warn("workers in other processes can connect only over HTTP", logkey.Error, err)
		return nil, nil
	}
	if err == nil {
		s.log.Debug("the socket for workers is open", "socket", socket.Address())
	}
	return socket, err
}

// closeSocket ends the processes of the application and closes the socket. It may be
// called again.
func (s *server) closeSocket(ctx context.Context) {
	if s.socket != nil {
		s.socket.Close(ctx)
	}
}

// workersURL returns the address of the control server for processes of the
// application, or "".
func (s *server) workersURL() string {
	c := s.control.Load()
	if c == nil || c.listener == nil {
		return ""
	}
	return browserURL("http", c.listener.Addr().(*net.TCPAddr))
}

// readers returns the programs that receive over HTTP or over the socket.
func (s *server) readers() []remote.Reader {
	all := s.control.Load().remote.Readers()
	if s.socket != nil {
		all = slices.Concat(all, s.socket.Readers())
	}
	return all
}
