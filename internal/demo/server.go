package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"asgibox/httpfront"
	"asgibox/internal/devserver"
)

// firstFD is the descriptor of the first inherited socket.
const firstFD = 3

// Serve is the server that [Run] starts. Parse returns the options of asgibox
// run for its flags. Serve ends when its standard input ends, and then removes
// the folder of the tour.
func Serve(ctx context.Context, parse func(flags []string) (devserver.Options, error), stdin io.Reader, stdout, stderr io.Writer) error {
	input := bufio.NewReader(stdin)
	line, err := input.ReadBytes('\n')
	var c config
	if err != nil || json.Unmarshal(line, &c) != nil {
		return errors.New("demo-server: it is a part of asgibox demo; run that")
	}
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	parentEnded := make(chan struct{})
	go func() { // ends with the process
		_, _ = io.Copy(io.Discard, input)
		close(parentEnded)
		quit()
	}()
	err = serve(ctx, c, parse, stdout, stderr)
	select {
	case <-parentEnded:
		return errors.Join(err, os.RemoveAll(c.Folder))
	default:
		return err
	}
}

// serve serves on the inherited sockets until ctx ends.
func serve(ctx context.Context, c config, parse func([]string) (devserver.Options, error), stdout, stderr io.Writer) error {
	listeners, err := inherited(c)
	if err != nil {
		return err
	}
	all := newStacks(c, parse, stderr)
	t, err := newTour(c, all)
	if err != nil {
		return err
	}
	all.resume()
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	tasks, failed := errgroup.WithContext(context.WithoutCancel(ctx))
	var servers []*http.Server
	for i, l := range listeners {
		s := &http.Server{Handler: t, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
		if i == c.Listeners {
			s.Handler = t.control()
		}
		httpfront.ConfigureServer(s)
		servers = append(servers, s)
		tasks.Go(func() error {
			if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
	}
	fmt.Fprint(stdout, readyLine)
	select {
	case <-ctx.Done():
	case <-failed.Done():
	}
	err = all.stop() // ends the streams and sockets that the servers wait for
	grace, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, s := range servers {
		if s.Shutdown(grace) != nil {
			s.Close()
		}
	}
	return errors.Join(err, tasks.Wait())
}

// inherited returns the sockets that the parent holds. That of the control
// server is the last.
func inherited(c config) (all []net.Listener, err error) {
	n := c.Listeners
	if c.Control {
		n++
	}
	for fd := firstFD; fd < firstFD+n; fd++ {
		l, err := httpfront.ListenFD(fd)
		if err != nil {
			return all, err
		}
		all = append(all, l)
	}
	return all, nil
}
