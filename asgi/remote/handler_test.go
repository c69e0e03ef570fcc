package remote_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"asgibox/asgi"
	"asgibox/asgi/codec"
	"asgibox/asgi/remote"
	"asgibox/internal/guard"
	"asgibox/store"
)

// serve serves a layer on a loopback port, behind the guard, as the control
// server does.
func serve(t testing.TB, layer asgi.Layer, o guard.Options) *httptest.Server {
	t.Helper()
	h := remote.NewHandler(layer, remote.Options{Version: "test"})
	mux := http.NewServeMux()
	mux.Handle(remote.Prefix, h)
	s := httptest.NewServer(guard.Handler(mux, o))
	t.Cleanup(func() {
		h.Close()
		s.Close()
	})
	return s
}

// post makes a call in JSON.
func post(t testing.TB, s *httptest.Server, call, body string, headers ...string) (status int, response string, h http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+remote.Prefix+call, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
	}
	res, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b), res.Header
}

// wants makes a call in JSON and checks its response.
func wants(t testing.TB, s *httptest.Server, call, body, want string) {
	t.Helper()
	if status, got, _ := post(t, s, call, body); status != http.StatusOK || got != want {
		t.Errorf("%s %s: %d %s, want %s", call, body, status, got, want)
	}
}

func TestSendReportsAGoneConnection(t *testing.T) {
	layer := store.Memory(store.Options{})
	defer layer.Close(context.Background())
	s := serve(t, layer, guard.Options{})
	c, err := remote.Dial(t.Context(), s.URL, remote.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	unbind, err := layer.Bind("front!", func(d asgi.Delivery) error {
		if d.Channel == "front!gone" {
			return asgi.ErrGone
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer unbind()
	wants(t, s, "send", `{"channel": "front!gone", "message": {}}`, `{"gone":true}`)
	wants(t, s, "send", `{"channel": "front!here", "message": {}}`, `{}`)
	wants(t, s, "send", `{"channel": "jobs", "message": {}}`, `{"outcome":"nothing reads this channel yet"}`)
	m := asgi.MustMessage()
	if err := c.Send(t.Context(), nil, "front!gone", m); err != nil {
		t.Errorf("a client that does not ask: %v", err)
	}
	if err := c.Send(t.Context(), nil, "front!gone", m, asgi.ReportGone); !errors.Is(err, asgi.ErrGone) {
		t.Errorf("a client that asks: %v, want %v", err, asgi.ErrGone)
	}
	if err := c.Send(t.Context(), nil, "front!here", m, asgi.ReportGone); err != nil {
		t.Errorf("a connection that exists: %v", err)
	}
}

// refuses makes a call in JSON and checks that it fails.
func refuses(t testing.TB, s *httptest.Server, call, body string, wantStatus int, wantKind string, headers ...string) {
	t.Helper()
	status, got, _ := post(t, s, call, body, headers...)
	var response struct{ Error, Detail string }
	if err := json.Unmarshal([]byte(got), &response); err != nil {
		t.Errorf("%s %s: %v in %s", call, body, err, got)
	}
	if status != wantStatus || response.Error != wantKind || response.Detail == "" {
		t.Errorf("%s %s: %d %s, want %d %s", call, body, status, got, wantStatus, wantKind)
	}
}

func TestCurlAsWorker(t *testing.T) {
	layer := memory(t, store.Options{})
	s := serve(t, layer, guard.Options{})
	request := asgi.MustMessage(asgi.Field{Key: "reply_channel", Value: "reply!a"}, asgi.Field{Key: "path", Value: "/"}, asgi.Field{Key: "body", Value: asgi.Bytes("\x00")})
	if err := layer.Send(t.Context(), nil, "http.request", request); err != nil {
		t.Fatal(err)
	}
	// As curl -d sends it.
	_, got, _ := post(t, s, "receive", `{"channels": "http.request", "block": true}`, "Content-Type", "application/x-www-form-urlencoded")
	if want := `{"channel":"http.request","message":{"reply_channel":"reply!a","path":"/","body":"\uffffAA=="}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	wants(t, s, "send", `{"channel": "reply!a", "message": {"content": "Hello World!", "status": 200}}`, `{}`)
	d, ok, err := layer.Poll(t.Context(), nil, "reply!")
	if err != nil || !ok || d.Message.Int("status") != 200 || d.Message.Text("content") != "Hello World!" {
		t.Errorf("%v, %v, %v", d, ok, err)
	}
}

func TestEveryCallInJSON(t *testing.T) {
	s := serve(t, memory(t, store.Options{}), guard.Options{})
	wants(t, s, "receive", `{"channels": ["a", "b"]}`, `{"channel":null,"message":null}`)
	wants(t, s, "receive_many", `{"channels": ["a", "b"], "block": true, "timeout": 0.01}`, `{"channel":null,"message":null}`)
	wants(t, s, "group_add", `{"group": "g", "channel": "a"}`, `{}`)
	wants(t, s, "group_add", `{"group": "g", "channel": "reply!x"}`, `{}`)
	wants(t, s, "group_leave", `{"channel": "reply!x"}`, `{}`)
	wants(t, s, "group_channels", `{"group": "g"}`, `{"channels":["a"]}`)
	wants(t, s, "send_group", `{"group": "g", "message": {"n": 1.0}}`, `{}`)
	wants(t, s, "receive", `{"channels": "a"}`, `{"channel":"a","message":{"n":1.0}}`)
	wants(t, s, "group_discard", `{"group": "g", "channel": "a"}`, `{}`)
	wants(t, s, "group_channels", `{"group": "g"}`, `{"channels":[]}`)
	wants(t, s, "send", `{"channel": "a", "message": {}, "volatile": true, "trace": "00000000000000ff"}`, `{}`)
	wants(t, s, "flush", ``, `{}`)
	wants(t, s, "receive", `{"channels": "a"}`, `{"channel":null,"message":null}`)
	wants(t, s, "cancel", `{"id": "nobody"}`, `{"waited":false}`)
	_, got, _ := post(t, s, "new_channel", `{"pattern": "http.request.body?"}`)
	if !strings.HasPrefix(got, `{"channel":"http.request.body?`) {
		t.Errorf("new_channel: %s", got)
	}
}

func TestStateInJSON(t *testing.T) {
	layer := memory(t, store.Options{})
	s := serve(t, layer, guard.Options{})
	wants(t, s, "state/get", `{"key": "k"}`, `{"value":null,"found":false}`)
	wants(t, s, "state/get", `{"key": "k", "default": 7}`, `{"value":7,"found":false}`)
	wants(t, s, "state/set", `{"key": "k", "value": [1, "a"]}`, `{"value":[1,"a"]}`)
	wants(t, s, "state/get", `{"key": "k"}`, `{"value":[1,"a"],"found":true}`)
	wants(t, s, "state/incr", `{"key": "n"}`, `{"value":1}`)
	wants(t, s, "state/incr", `{"key": "n", "n": -3}`, `{"value":-2}`)
	wants(t, s, "state/append", `{"key": "k", "value": null, "keep": 2}`, `{"value":["a",null]}`)
	wants(t, s, "state/swap", `{"key": "s", "new": 1}`, `{"swapped":true}`)
	wants(t, s, "state/swap", `{"key": "s", "new": 1}`, `{"swapped":false}`)
	wants(t, s, "state/swap", `{"key": "s", "old": 1, "new": 2}`, `{"swapped":true}`)
	wants(t, s, "state/keys", ``, `{"keys":["k","n","s"]}`)
	wants(t, s, "state/keys", `{"prefix": "n"}`, `{"keys":["n"]}`)
	wants(t, s, "state/delete", `{"key": "n"}`, `{}`)
	wants(t, s, "state/swap", `{"key": "s", "old": 2}`, `{"swapped":true}`)
	wants(t, s, "state/keys", ``, `{"keys":["k"]}`)
	wants(t, s, "kv/keys", `{"prefix": "state/"}`, `{"keys":["state/k"]}`)
	refuses(t, s, "state/incr", `{"key": "k"}`, 400, "WrongType")
	refuses(t, s, "state/append", `{"key": "k", "value": 1, "keep": -1}`, 400, "BadRequest")
	refuses(t, s, "state/append", `{"key": "k", "value": 1, "keep": 0}`, 400, "BadRequest")
	if v, _, err := layer.Get(t.Context(), nil, "state/k"); err != nil || v.(asgi.List).Len() != 2 {
		t.Errorf("the application's state is %v, %v", v, err)
	}
}

func TestStatisticsInJSON(t *testing.T) {
	s := serve(t, memory(t, store.Options{}), guard.Options{})
	wants(t, s, "send", `{"channel": "c", "message": {}}`, `{"outcome":"nothing reads this channel yet"}`)
	for _, call := range []string{"", `{}`, `{"channel": "c"}`, `{"channel": null}`} {
		_, got, _ := post(t, s, "statistics", call)
		var stats map[string]float64
		if err := json.Unmarshal([]byte(got), &stats); err != nil || len(stats) != 6 || stats["messages_count"] != 1 || stats["messages_pending"] != 1 {
			t.Errorf("%s: %s", call, got)
		}
	}
}

func TestLayerDescription(t *testing.T) {
	s := serve(t, memory(t, store.Options{Capacity: 5}), guard.Options{})
	res, err := s.Client().Get(s.URL + remote.Prefix)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	want := `{"extensions":["groups","flush","statistics","delay","state","readers","putback","acceptors"],"expiry":60.0,"group_expiry":86400.0,"capacity":5,"max_message":1048576,"version":"test"}`
	if err != nil || string(got) != want || res.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s %s, want %s", res.Header.Get("Content-Type"), got, want)
	}
}

func TestErrorsHaveTheirStatusAndKind(t *testing.T) {
	layer := memory(t, store.Options{Capacity: 1, MaxMessage: 1000})
	s := serve(t, layer, guard.Options{})
	long := strings.Repeat("x", 1000+asgi.MessageOverhead)
	wants(t, s, "send", `{"channel": "full", "message": {}}`, `{"outcome":"nothing reads this channel yet"}`)
	refuses(t, s, "send", `{"channel": "full", "message": {}}`, 503, "ChannelFull")
	refuses(t, s, "send", `{"channel": "bad name", "message": {}}`, 400, "InvalidName")
	refuses(t, s, "receive", `{"channels": "reply!x"}`, 400, "InvalidName")
	refuses(t, s, "new_channel", `{"pattern": "plain"}`, 400, "InvalidName")
	refuses(t, s, "send", `{"channel": "c", "message": {"k": 9223372036854775808}}`, 400, "InvalidMessage")
	refuses(t, s, "send", `{"channel": "c", "message": {"__asgi_channel__": 1}}`, 400, "InvalidMessage")
	refuses(t, s, "send", `{"channel": "c", "message": {"k": 1, "k": 2}}`, 400, "InvalidMessage")
	refuses(t, s, "send", `{"channel": "c", "message": {"k": "`+long+`"}}`, 413, "MessageTooLarge")
	refuses(t, s, "send", `{"channel": "c", "message": {"k": "`+strings.Repeat(long, 10)+`"}}`, 413, "MessageTooLarge")
	asJSON := []string{"Content-Type", "application/msgpack", "Accept", "application/json"}
	const badKey = "\x82\xa7channel\xa1c\xa7message\x81\xa1a\x91\x81\x01\xc0"
	refuses(t, s, "send", badKey, 400, "InvalidMessage", asJSON...)
	if _, got, _ := post(t, s, "send", badKey, asJSON...); !strings.Contains(got, "a[0]: its key 1 is an integer; keys must be text") {
		t.Errorf("the detail has no path: %s", got)
	}
	for _, bad := range []string{"", "[]", "{", `{"channel": "c"}`, `{"message": {}}`, `{"channel": 1, "message": {}}`, `{"channel": "c", "message": []}`,
		`{"channel": "c", "message": {}, "unknown": 1}`, `{"channel": "c", "message": {}, "delay": "1"}`, `{"channel": "c", "message": {}, "delay": -1}`,
		`{"channel": "c", "message": {}, "volatile": 1}`, `{"channel": "c", "message": {}, "trace": "x"}`, `{"channel": "c", "message": {}, "delay": 1, "volatile": true}`,
		`{"channel": "c", "message": {"k": "\ud800"}}`} {
		status, got, _ := post(t, s, "send", bad)
		if status != 400 || bad != "[]" && !strings.Contains(got, `"BadRequest"`) {
			t.Errorf("send %s: %d %s", bad, status, got)
		}
	}
	for _, bad := range []string{`{}`, `{"channels": []}`, `{"channels": [1]}`, `{"channels": "c", "block": 1}`, `{"channels": "c", "timeout": "soon"}`, `{"channels": "c", "timeout": -1}`} {
		refuses(t, s, "receive", bad, 400, "BadRequest")
	}
	refuses(t, s, "nothing", `{}`, 404, "NotFound")
	refuses(t, s, "state/nothing", `{}`, 404, "NotFound")
	refuses(t, s, "", `{}`, 405, "MethodNotAllowed")
	refuses(t, s, "send", `{}`, 415, "UnsupportedMediaType", "Content-Type", "text/plain")
	refuses(t, s, "send", `{}`, 406, "NotAcceptable", "Accept", "text/html")
	if status, got, h := post(t, s, "send", `{"channel": "full", "message": {}}`); h.Get("Retry-After") != "1" {
		t.Errorf("no Retry-After for a full channel: %d %s %v", status, got, h)
	}
	res, err := s.Client().Get(s.URL + "/layer/send")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "POST" {
		t.Errorf("GET of a call: %s, Allow %q", res.Status, res.Header.Get("Allow"))
	}
}

func TestMissingExtensionIsNotFound(t *testing.T) {
	layer := struct{ asgi.Layer }{memory(t, store.Options{})}
	s := serve(t, layer, guard.Options{})
	refuses(t, s, "flush", ``, 404, "NotFound")
	refuses(t, s, "group_channels", `{"group": "g"}`, 404, "NotFound")
	refuses(t, s, "state/get", `{"key": "k"}`, 404, "NotFound")
	refuses(t, s, "send", `{"channel": "c", "message": {}, "delay": 1}`, 404, "NotFound")
	c, err := remote.Dial(t.Context(), s.URL, remote.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if got := asgi.Extensions(c); len(got) != 0 {
		t.Errorf("the client offers %q", got)
	}
}

func TestContentNegotiation(t *testing.T) {
	s := serve(t, memory(t, store.Options{}), guard.Options{})
	const asked = `{"channels": "c"}`
	packed := string(codec.AppendFields(nil, asgi.Fields{{Key: "channels", Value: "c"}}))
	for _, tt := range []struct{ body, sent, accept, want string }{
		{asked, "", "", "application/json"},
		{asked, "application/json; charset=utf-8", "*/*", "application/json"},
		{asked, "application/json", "application/msgpack", "application/msgpack"},
		{packed, "application/msgpack", "", "application/msgpack"},
		{packed, "application/msgpack", "*/*", "application/msgpack"},
		{packed, "application/msgpack", "application/json", "application/json"},
		{packed, "application/msgpack", "text/html, application/json;q=0.5, application/msgpack;q=0.4", "application/json"},
		{asked, "application/json", "application/msgpack, application/json", "application/json"},
		{asked, "application/json", "application/json;q=0, application/msgpack", "application/msgpack"},
	} {
		var headers []string
		if tt.sent != "" {
			headers = append(headers, "Content-Type", tt.sent)
		}
		if tt.accept != "" {
			headers = append(headers, "Accept", tt.accept)
		}
		status, got, h := post(t, s, "receive", tt.body, headers...)
		decode := codec.DecodeFieldsJSON
		if h.Get("Content-Type") == "application/msgpack" {
			decode = codec.DecodeFields
		}
		fields, err := decode([]byte(got))
		if status != 200 || h.Get("Content-Type") != tt.want || err != nil || len(fields) != 2 {
			t.Errorf("sent %q, accept %q: %d %s %q, %v", tt.sent, tt.accept, status, h.Get("Content-Type"), got, err)
		}
	}
}

func TestAccessControl(t *testing.T) {
	s := serve(t, memory(t, store.Options{}), guard.Options{})
	_, port, _ := strings.Cut(strings.TrimPrefix(s.URL, "http://"), ":")
	refuses(t, s, "receive", `{"channels": "c"}`, 403, "Forbidden", "Host", "rebound.example:"+port)
	refuses(t, s, "receive", `{"channels": "c"}`, 403, "Forbidden", "Origin", "http://elsewhere.example")
	if status, got, _ := post(t, s, "receive", `{"channels": "c"}`, "Origin", "http://localhost:"+port); status != 200 {
		t.Errorf("its own origin: %d %s", status, got)
	}

	s = serve(t, memory(t, store.Options{}), guard.Options{Token: "secret"})
	refuses(t, s, "receive", `{"channels": "c"}`, 401, "Unauthorized")
	refuses(t, s, "receive", `{"channels": "c"}`, 401, "Unauthorized", "Authorization", "Bearer wrong")
	if status, got, _ := post(t, s, "receive", `{"channels": "c"}`, "Authorization", "Bearer secret"); status != 200 {
		t.Errorf("with the token: %d %s", status, got)
	}
	if _, err := remote.Dial(t.Context(), s.URL, remote.ClientOptions{}); err == nil || !strings.Contains(err.Error(), "token") {
		t.Errorf("dialling without the token: %v", err)
	}
	c, err := remote.Dial(t.Context(), s.URL, remote.ClientOptions{Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestDialErrors(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<p>hello") }))
	t.Cleanup(other.Close)
	for address, want := range map[string]string{"http://": "must be like", other.URL: "cannot decode", "127.0.0.1:1": "refused"} {
		if _, err := remote.Dial(context.Background(), address, remote.ClientOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", address, err)
		}
	}
}
