package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"asgibox/asgi"
	"asgibox/asgi/codec"
	"asgibox/asgi/remote"
)

func TestEveryErrorHasAKindAndAStatus(t *testing.T) {
	for _, c := range []struct {
		err    error
		kind   string
		status int
	}{
		{&asgi.InvalidNameError{Name: "a b"}, remote.InvalidName, 400},
		{asgi.ErrInvalidMessage, remote.InvalidMessage, 400},
		{codec.ErrMalformed, remote.BadRequest, 400},
		{os.ErrDeadlineExceeded, remote.RequestTimeout, 408},
		{errors.ErrUnsupported, remote.NotFound, 404}, // an extension that the layer lacks
		{asgi.ErrMessageTooLarge, remote.MessageTooLarge, 413},
		{&http.MaxBytesError{Limit: 8 << 20}, remote.MessageTooLarge, 413},
		{remote.Errorf(remote.NotReplayable, "x"), remote.NotReplayable, 422},
		{remote.Errorf(remote.LoadFailed, "x"), remote.LoadFailed, 422},
		{remote.Errorf(remote.NoAnswer, "x"), remote.NoAnswer, 502},
		{asgi.ErrChannelFull, remote.ChannelFull, 503},
		{asgi.ErrStoreFailed, remote.StoreFailed, 503},
		{asgi.ErrTooManyNames, remote.TooManyNames, 503},
		{asgi.ErrClosed, remote.Closed, 503},
		{asgi.ErrStateFull, remote.StateFull, 507},
		{remote.Errorf(remote.TooManyViewers, "x"), remote.TooManyViewers, 503},
		{remote.Errorf(remote.TooManyBodies, "x"), remote.TooManyBodies, 503},
		{errors.New("x"), remote.Internal, 500},
	} {
		for _, err := range []error{c.err, fmt.Errorf("send: %w", c.err)} {
			if e := remote.ErrorOf(err); e.Kind != c.kind || e.Status() != c.status || e.Detail == "" {
				t.Errorf("%v: %+v, status %d; want %s, %d", err, e, e.Status(), c.kind, c.status)
			}
		}
	}
}

func TestAddressesOfClients(t *testing.T) {
	for address, want := range map[string]Client{
		"127.0.0.1:8001":                 {Base: "http://127.0.0.1:8001", Token: "t"},
		"http://box:8001/":               {Base: "http://box:8001", Token: "t"},
		"127.0.0.1:8001/groups":          {Base: "http://127.0.0.1:8001/groups", Token: "t"},
		"http://box:8001/a/b/?token=s":   {Base: "http://box:8001/a/b", Token: "s"},
		"https://box:8001/?token=secret": {Base: "https://box:8001", Token: "secret"},
	} {
		if c, err := NewClient(address, "t"); err != nil || *c != want {
			t.Errorf("%s: %+v, %v", address, c, err)
		}
	}
	if _, err := NewClient("http://", ""); err == nil {
		t.Error("an address without a host is accepted")
	}
}

func TestAClientReadsResponsesLinesAndErrors(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /call", func(w http.ResponseWriter, r *http.Request) {
		var args json.RawMessage
		_ = json.NewDecoder(r.Body).Decode(&args)
		fmt.Fprintf(w, `{"trace": %q, "channel": %q}`, args, r.Header.Get("Authorization"))
	})
	mux.HandleFunc("GET /lines", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "a\n\n"+r.FormValue("q")+"\n") })
	mux.HandleFunc("GET /full", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `{"error": "ChannelFull", "detail": "the channel is full"}`)
	})
	mux.HandleFunc("GET /text", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") })
	server := httptest.NewServer(mux)
	defer server.Close()
	c := &Client{Base: server.URL, Token: "secret"}
	var sent Sent
	if err := c.Post(t.Context(), "/call", json.RawMessage(`{"n":1.0}`), &sent); err != nil || sent != (Sent{Trace: `{"n":1.0}`, Channel: "Bearer secret"}) {
		t.Errorf("%+v, %v", sent, err)
	}
	var lines []string
	err := c.Lines(t.Context(), "/lines", map[string][]string{"q": {"b"}}, nil, func(line []byte) error {
		lines = append(lines, string(line))
		return nil
	})
	if err != nil || !slices.Equal(lines, []string{"a", "b"}) {
		t.Errorf("%q, %v", lines, err)
	}
	var refusal *remote.Error
	if err := c.Get(t.Context(), "/full", nil, nil); !errors.As(err, &refusal) || *refusal != (remote.Error{Kind: remote.ChannelFull, Detail: "the channel is full"}) {
		t.Errorf("%v", err)
	}
	for path, want := range map[string]string{"/text": "not from an asgibox control server", "/none": "is it an asgibox control server?"} {
		if err := c.Get(t.Context(), path, nil, &sent); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Get(ctx, "/call", nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of the context: %v", err)
	}
	server.Close()
	if err := c.Get(t.Context(), "/call", nil, nil); err == nil || !strings.Contains(err.Error(), "is asgibox running?") {
		t.Errorf("without a server: %v", err)
	}
}
