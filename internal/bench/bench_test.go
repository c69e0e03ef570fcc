package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"asgibox/internal/command"
	"asgibox/internal/load"
)

// execute runs the command. It returns its output, and its error as the program
// prints it.
func execute(t *testing.T, args ...string) (out string, err error) {
	t.Helper()
	return executeUntil(t, t.Context(), args...)
}

func executeUntil(t *testing.T, ctx context.Context, args ...string) (string, error) {
	t.Helper()
	var out, progress bytes.Buffer
	cmd := New()
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&progress)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.ExecuteContext(ctx)
	if progress.Len() > 0 {
		t.Errorf("standard error is not a terminal, but has %q", progress.String())
	}
	return out.String(), err
}

// quiet is a log for errors that a test causes.
var quiet = log.New(io.Discard, "", 0)

// serve serves requests with a status.
func serve(t *testing.T, status int) (url string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	t.Cleanup(s.Close)
	return s.URL + "/"
}

// atRate has the flags of a load of 20 operations.
var atRate = []string{"-c", "2", "-d", "100ms", "-r", "200"}

func TestReportForPeople(t *testing.T) {
	out, err := execute(t, append(atRate, serve(t, 200))...)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{" requests in 0.1", " on 2 connections: ", "/s (wanted: 200/s)", "status 200: ", "failed: 0\n", "\np50 ", "\np99.9 ", "\n≤ ", "█"} {
		if !strings.Contains(out, want) {
			t.Errorf("the report lacks %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "\x1b") || strings.Contains(out, "\r") {
		t.Errorf("the report has control characters: %q", out)
	}
}

// Programs rely on these names.
func TestTheNamesInJSONAreStable(t *testing.T) {
	r := Result{
		URL: "u", Operation: "request", Connections: 2, TargetRate: 3, Seconds: 4, Interrupted: true, Completed: 5, Rate: 6, NotStarted: 7, Failed: 8,
		Statuses: map[string]int64{"200": 5}, Failures: []Failure{{load.Timeout, 8, "slow"}}, Latency: Latency{1, 2, 3, 4, 5, 6, 7, 8},
		Histogram: []Bar{{0.5, 5}}, Comparison: &Comparison{"f", map[string]float64{"rate": 1.5}, []string{"d"}},
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"url":"u","operation":"request","connections":2,"targetRate":3,"seconds":4,"interrupted":true,"completed":5,"rate":6,"notStarted":7,"failed":8,` +
		`"statuses":{"200":5},"failures":[{"kind":"timeout","count":8,"example":"slow"}],` +
		`"latencyMs":{"mean":1,"p50":2,"p75":3,"p90":4,"p95":5,"p99":6,"p99.9":7,"max":8},` +
		`"histogram":[{"upToMs":0.5,"count":5}],"comparison":{"file":"f","ratios":{"rate":1.5},"differs":["d"]}}`
	if string(b) != want {
		t.Errorf("%s", b)
	}
}

func TestJSONAndComparison(t *testing.T) {
	url := serve(t, 204)
	out, err := execute(t, append(atRate, "--json", url)...)
	if err != nil {
		t.Fatal(err)
	}
	var before Result
	if err := json.Unmarshal([]byte(out), &before); err != nil {
		t.Fatal(err)
	}
	if before.Completed+before.NotStarted != 20 || before.Statuses["204"] != before.Completed || before.URL != url {
		t.Errorf("%s", out)
	}
	file := filepath.Join(t.TempDir(), "before.json")
	if err := os.WriteFile(file, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err = execute(t, append(atRate, "-c", "3", "--compare", file, url)...)
	if err != nil || !strings.Contains(out, "compared with "+file+" (now ÷ then):\nrate ") || !strings.Contains(out, "differs: connections: 3 now, 2 then\n") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = execute(t, append(atRate, "--compare", file, "--json", url)...)
	var after Result
	if err != nil || json.Unmarshal([]byte(out), &after) != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got, want := after.Comparison.Ratios["p50"], after.Latency.P50/before.Latency.P50; got != want || len(after.Comparison.Differs) != 0 {
		t.Errorf("%v instead of %v", got, want)
	}
}

func TestExitStatusDependsOnSuccess(t *testing.T) {
	for status, want := range map[int]string{200: "", 302: "", 404: "every response had status 404", 500: "every response had status 500"} {
		out, err := execute(t, append(atRate, serve(t, status))...)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%d: %v", status, err)
		}
		if !strings.Contains(out, " requests in ") {
			t.Errorf("%d: no report:\n%s", status, out)
		}
	}
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) > 1 {
			panic(http.ErrAbortHandler)
		}
	}))
	defer s.Close()
	out, err := execute(t, "-d", "1s", "-r", "20", s.URL)
	if err != nil || !strings.Contains(out, "\n  closed ") {
		t.Errorf("some requests have succeeded: %v\n%s", err, out)
	}
	out, err = execute(t, append(atRate, s.URL)...)
	if err == nil || !strings.Contains(err.Error(), "nothing succeeded: ") {
		t.Errorf("no request has succeeded: %v\n%s", err, out)
	}
}

func TestTheEndOfTheContextEndsTheLoadWithAReport(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if n.Add(1) == 20 {
			cancel()
		}
	}))
	defer s.Close()
	out, err := executeUntil(t, ctx, "-d", "1h", "-c", "2", s.URL)
	var exit *command.ExitError
	if !errors.As(err, &exit) || exit.Status != command.Interrupted || !strings.Contains(out, ", interrupted\n") || !strings.Contains(out, "failed: 0\n") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestRequestsHaveTheBodyAndTheHeaders(t *testing.T) {
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, []byte("from a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 100)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		select {
		case got <- r.Method + " " + r.Header.Get("A") + " " + r.Header.Get("B") + " " + string(b):
		default:
		}
	}))
	defer s.Close()
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--header", "A: 1, 2", "-H", "b:3"}, "GET 1, 2 3 "},
		{[]string{"--body", "x=1"}, "POST   x=1"},
		{[]string{"--body", "@" + file, "--method", "PUT"}, "PUT   from a file"},
	} {
		if out, err := execute(t, append(append(test.args, atRate...), s.URL)...); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		if request := <-got; request != test.want {
			t.Errorf("%q instead of %q", request, test.want)
		}
		for len(got) > 0 {
			<-got
		}
	}
}

func TestBadInputIsAnErrorOfOneLine(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = quiet
	secure.StartTLS()
	defer secure.Close()
	plain := serve(t, 200)
	dir := t.TempDir()
	file := func(content string) string {
		f, err := os.CreateTemp(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(content); err != nil {
			t.Fatal(err)
		}
		return f.Name()
	}
	for _, test := range []struct{ want, args string }{
		{"is not a URL like http://127.0.0.1:8000/", "127.0.0.1:8000"},
		{"pass --remote if its owner agrees", "http://192.0.2.1/"},
		{"nothing listens at " + closed.URL + "; start it with asgibox run", closed.URL},
		{"pass --insecure to accept any certificate", secure.URL},
		{"write http:// or ws://", "-k " + strings.Replace(plain, "http", "https", 1)},
		{"refused the WebSocket with status 200", strings.Replace(plain, "http", "ws", 1)},
		{"--body is for http:// and https://", "--body x ws://127.0.0.1/"},
		{"--message must not be empty", "--message= ws://127.0.0.1/"},
		{"--broadcast is for ws:// and wss://", "--broadcast " + plain},
		{"is not a method", "--method G,T " + plain},
		{"is not a header like", "--header A " + plain},
		{"bench sets it itself", "--header content-length:3 " + plain},
		{"no such file", "--body @" + filepath.Join(dir, "none") + " " + plain},
		{"it is a folder", "--body @" + dir + " " + plain},
		{"there is no file", "--compare " + filepath.Join(dir, "none") + " " + plain},
		{"not the output of asgibox bench --json", "--compare " + file("{}") + " " + plain},
		{"not the output of asgibox bench --json", "--compare " + file("x") + " " + plain},
		{`measured the operation "echo"`, "--compare " + file(`{"operation":"echo"}`) + " " + plain},
		{"nothing was completed in that run", "--compare " + file(`{"operation":"request"}`) + " " + plain},
		{"must not be zero", "-d 0 " + plain},
		{"from 1 to 50000", "-c 0 " + plain},
	} {
		out, err := execute(t, strings.Fields(test.args)...)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") || out != "" {
			t.Errorf("%s: %v\n%s", test.args, err, out)
		}
	}
}

func TestProgressLine(t *testing.T) {
	m := &load.Meter{}
	if line := progressLine(m, time.Second, "request", 0, time.Second); line != "connecting" {
		t.Errorf("%q", line)
	}
	if err := load.Run(t.Context(), func() load.Client { return broken{} }, load.Options{Connections: 1, Duration: time.Millisecond}, m); err != nil {
		t.Fatal(err)
	}
	line := progressLine(m, 10*time.Second, "request", 0, time.Second)
	if !strings.Contains(line, "of 10.0 s  0 requests  0/s") || !strings.HasSuffix(line, "  1 failed") {
		t.Errorf("%q", line)
	}
}

// broken is a client whose operations fail.
type broken struct{}

func (broken) Connect(context.Context) error   { return nil }
func (broken) Do(context.Context) (int, error) { return 0, io.EOF }
func (broken) Close()                          {}

func TestNumbersAreShort(t *testing.T) {
	for want, ms := range map[string]float64{
		"999 ns": 0.000999, "1.00 µs": 0.001, "12.3 µs": 0.01234, "999 µs": 0.999, "1.23 ms": 1.234, "100 ms": 99.96, "1.50 s": 1500, "3600 s": 3_600_000, "0 ns": 0,
	} {
		if got := short(ms); got != want {
			t.Errorf("%v ms is written as %q instead of %q", ms, got, want)
		}
	}
	for want, n := range map[string]int64{"0": 0, "999": 999, "1,000": 1000, "12,345,678": 12345678} {
		if got := number(n); got != want {
			t.Errorf("%d is written as %q", n, got)
		}
	}
	if count(1, "echo") != "1 echo" || count(2, "echo") != "2 echoes" || count(0, "delivery") != "0 deliveries" || count(1000, "request") != "1,000 requests" {
		t.Error("wrong plurals")
	}
	for want, ms := range map[string]float64{"500 ns": 0.0005, "20 µs": 0.02, "5 ms": 5, "10 s": 10_000} {
		if got := limit(ms); got != want {
			t.Errorf("%v ms is written as %q", ms, got)
		}
	}
}
