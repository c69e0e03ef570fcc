// Package bench is the command asgibox bench: it puts load on a server with
// package load and reports the result.
package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"asgibox/internal/command"
	"asgibox/internal/flagvalue"
	"asgibox/internal/load"
	"asgibox/internal/userfile"
)

// settings are the flags of the command.
type settings struct {
	connections, rate int
	duration, timeout time.Duration
	method, body      string
	header            []string
	message           string
	broadcast         bool
	insecure, remote  bool
	json              bool
	compare           string
}

// New returns the command.
func New() *cobra.Command {
	s := settings{connections: 16, duration: 10 * time.Second, timeout: 10 * time.Second, message: "asgibox bench"}
	cmd := &cobra.Command{
		Use:   "bench URL",
		Short: "Measure how fast a server responds under load",
		Long: strings.TrimSpace(`
Put load on the HTTP or WebSocket server at URL, and print the rate, the
latencies, the failures and a histogram.

    http://, https://   each connection repeats a request (HTTP/1.1)
    ws://, wss://       each connection sends --message and waits until the
                        same text comes back
    ws:// --broadcast   one connection sends, and all connections receive;
                        each delivery counts

Without --rate, each connection begins an operation when its last one has ended.
This shows how much the server can do. With --rate, operations begin on a
schedule, also when the server is slow, and a latency counts from the moment for
which the operation was scheduled. This shows how long clients wait. An operation
that could not begin before the end, because no connection was free, is counted
as "not started", and its wait as a latency.

A response of any status counts as completed; the report lists the statuses. The
exit status is 1 if nothing succeeded: no response had a status below 400, or no
message came back. Ctrl-C ends the load early: the report is
printed, and the exit status is 130.

The load goes to this machine only, unless --remote is given.`),
		Example: `  asgibox bench http://127.0.0.1:8000/
  asgibox bench ws://127.0.0.1:8000/chat --broadcast -c 100 -r 50
  asgibox bench http://127.0.0.1:8000/ --json > before.json
  asgibox bench http://127.0.0.1:8000/ --compare before.json`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	command.AddFlags(cmd, s.flags()...)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return s.run(cmd, args[0]) }
	return cmd
}

// Limits of the flags.
const (
	maxConnections = 50_000
	maxRate        = 1_000_000
)

func (s *settings) flags() []command.FlagGroup {
	amount := command.NewGroup("Load")
	amount.VarP(flagvalue.Number{To: &s.connections, Min: 1, Max: maxConnections}, "connections", "c", "number of connections")
	amount.VarP(flagvalue.Duration{To: &s.duration}, "duration", "d", "duration of the load")
	amount.VarP(flagvalue.Number{To: &s.rate, Min: 0, Max: maxRate}, "rate", "r", "operations or, with --broadcast, messages that begin per second on all connections together; 0 is as many as possible")
	amount.Var(flagvalue.Duration{To: &s.timeout}, "timeout", "time limit of an operation")

	content := command.NewGroup("Requests and messages")
	content.StringVarP(&s.method, "method", "X", "", "method of the requests (default GET, or POST with --body)")
	content.VarP(flagvalue.List[string]{To: &s.header, Parse: parseHeader, Kind: "name: value", Separator: "\n"}, "header", "H", "header of the requests or handshakes; may be repeated")
	content.StringVar(&s.body, "body", "", "body of the requests, or @FILE for the content of a file")
	content.StringVarP(&s.message, "message", "m", s.message, "text to send over a WebSocket")
	content.BoolVar(&s.broadcast, "broadcast", false, "send on one WebSocket, and receive on all of them")

	server := command.NewGroup("Server")
	server.BoolVarP(&s.insecure, "insecure", "k", false, "accept any TLS certificate, such as that of run --tls")
	server.BoolVar(&s.remote, "remote", false, "allow a server on another machine; its owner must agree to the load")

	report := command.NewGroup("Report")
	report.BoolVar(&s.json, "json", false, "print JSON, for programs and for --compare")
	report.StringVar(&s.compare, "compare", "", "file with the JSON of an earlier run to compare with")
	return []command.FlagGroup{amount, content, server, report}
}

// run checks everything that can be wrong, puts load on the server and reports.
func (s *settings) run(cmd *cobra.Command, text string) error {
	ctx := cmd.Context()
	server, err := load.Resolve(ctx, text, s.remote)
	if errors.Is(err, load.ErrNotLoopback) {
		return fmt.Errorf("%w; pass --remote if its owner agrees to the load", err)
	}
	if err != nil {
		return err
	}
	server.Timeout = s.timeout
	if server.TLS != nil {
		server.TLS.InsecureSkipVerify = s.insecure
	}
	if err := s.check(cmd, server); err != nil {
		return err
	}
	result := &Result{URL: text, Operation: s.operation(server), Connections: s.connections, TargetRate: s.rate}
	var earlier *Result
	if s.compare != "" {
		if earlier, err = readResult(s.compare, result.Operation); err != nil {
			return err
		}
	}
	meter := &load.Meter{}
	stop := showProgress(cmd.ErrOrStderr(), meter, s.duration, result.Operation)
	err = s.load(ctx, server, meter)
	stop()
	if err != nil {
		if ctx.Err() != nil {
			fmt.Fprintln(cmd.ErrOrStderr(), "asgibox: interrupted before the load began")
			return &command.ExitError{Status: command.Interrupted}
		}
		return explain(err, text)
	}
	result.fill(meter, ctx.Err() != nil)
	if earlier != nil {
		result.compareWith(earlier, s.compare)
	}
	if err := s.report(cmd.OutOrStdout(), result); err != nil {
		return err
	}
	if result.Interrupted {
		return &command.ExitError{Status: command.Interrupted}
	}
	if !result.succeeded() {
		return result.failure(text)
	}
	return nil
}

func (s *settings) report(w io.Writer, r *Result) error {
	if s.json {
		return command.WriteJSON(w, r)
	}
	r.print(w)
	return nil
}

// operation returns the name of an operation.
func (s *settings) operation(server *load.Server) string {
	switch {
	case s.broadcast:
		return "delivery"
	case server.IsWebSocket():
		return "echo"
	}
	return "request"
}

// check returns an error if flags do not fit the URL, and reads the body from its
// file.
func (s *settings) check(cmd *cobra.Command, server *load.Server) error {
	changed := cmd.Flags().Changed
	if server.IsWebSocket() {
		for _, name := range []string{"method", "body"} {
			if changed(name) {
				return fmt.Errorf("--%s is for http:// and https://; --message is the text to send over a WebSocket", name)
			}
		}
		if s.message == "" {
			return errors.New("--message must not be empty")
		}
		return nil
	}
	for _, name := range []string{"message", "broadcast"} {
		if changed(name) {
			return fmt.Errorf("--%s is for ws:// and wss://; --body is the body of requests", name)
		}
	}
	if s.method == "" {
		s.method = http.MethodGet
		if changed("body") {
			s.method = http.MethodPost
		}
	}
	if !token.MatchString(s.method) {
		return fmt.Errorf("--method: %q is not a method like GET", s.method)
	}
	if name, ok := strings.CutPrefix(s.body, "@"); ok {
		content, err := userfile.Read(name)
		if err != nil {
			return fmt.Errorf("--body: %w", err)
		}
		s.body = string(content)
	}
	return nil
}

func (s *settings) load(ctx context.Context, server *load.Server, m *load.Meter) error {
	o := load.Options{Connections: s.connections, Duration: s.duration, Rate: float64(s.rate)}
	switch {
	case s.broadcast:
		return load.Broadcast(ctx, server.Sockets(s.header, s.message), o, m, nil)
	case server.IsWebSocket():
		return load.Run(ctx, server.Echo(s.header, s.message), o, m)
	}
	return load.Run(ctx, server.HTTP(load.Request{Method: s.method, Header: s.header, Body: []byte(s.body)}), o, m)
}

// token matches a token of HTTP.
var token = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// ownHeaders are the headers that the clients set themselves.
var ownHeaders = regexp.MustCompile(`(?i)^(content-length|transfer-encoding|connection|upgrade|sec-websocket-(key|version|extensions))$`)

// parseHeader parses NAME: VALUE.
func parseHeader(text string) (string, error) {
	name, value, ok := strings.Cut(text, ":")
	if !ok || !token.MatchString(name) || strings.ContainsAny(value, "\r\n\x00") {
		return "", fmt.Errorf("%q is not a header like \"Name: value\"", text)
	}
	if ownHeaders.MatchString(name) {
		return "", fmt.Errorf("the header %s cannot be set: bench sets it itself", name)
	}
	return name + ": " + strings.TrimSpace(value), nil
}

// explain adds what to do to an error of a connection.
func explain(err error, url string) error {
	switch kind := load.KindOf(err); {
	case errors.Is(err, syscall.EMFILE):
		return fmt.Errorf("%s: %w; lower --connections, or allow more open files (ulimit -n)", url, err)
	case kind == load.Refused:
		return fmt.Errorf("nothing listens at %s; start it with asgibox run", url)
	case kind == load.Security:
		return fmt.Errorf("%s: the TLS handshake failed: %w; %s", url, err, tlsHint(err))
	}
	return fmt.Errorf("%s: %w", url, err)
}

// tlsHint says what to do about an error of a TLS handshake.
func tlsHint(err error) string {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &certificate):
		return "pass --insecure to accept any certificate, such as that of run --tls"
	case errors.As(err, &record):
		return "if the server has no TLS, write http:// or ws://"
	}
	return "check the server's TLS settings"
}
