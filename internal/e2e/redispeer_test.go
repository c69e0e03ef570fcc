package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/tinylib/msgp/msgp"
)

// A peer does on the wire what Daphne and runworker do with asgi_redis.
type peer struct {
	testing.TB
	redis *redis.Client
}

// send sends a message as asgi_redis does.
func (p *peer) send(channel string, message map[string]any) {
	p.Helper()
	list := channel
	if i := strings.IndexByte(channel, '!'); i >= 0 {
		list = channel[:i+1]
		message["__asgi_channel__"] = channel
	}
	body, err := msgp.AppendIntf(nil, message)
	if err != nil {
		p.Fatal(err)
	}
	ctx, key := context.Background(), fmt.Sprintf("asgi:%016x%016x", rand.Uint64(), rand.Uint64())
	_, err = p.redis.Pipelined(ctx, func(c redis.Pipeliner) error {
		c.Set(ctx, key, body, time.Minute)
		c.RPush(ctx, "asgi:"+list, key)
		c.Expire(ctx, "asgi:"+list, 61*time.Second)
		return nil
	})
	if err != nil {
		p.Fatal(err)
	}
}

// receive waits for a message as asgi_redis does.
func (p *peer) receive(list string) map[string]any {
	p.Helper()
	ctx := context.Background()
	popped, err := p.redis.BLPop(ctx, patience, "asgi:"+list).Result()
	if err != nil {
		p.Fatalf("%s: %v", list, err)
	}
	body, err := p.redis.GetDel(ctx, popped[1]).Bytes()
	if err != nil {
		p.Fatal(err)
	}
	message, _, err := msgp.ReadMapStrIntfBytes(body, nil)
	if err != nil {
		p.Fatal(err)
	}
	return message
}

const peerApp = `
def page(request):
    Group("everyone").send({"text": "asked for " + request.path})
    return "from asgibox"

def note(message):
    state.append("notes", message["text"])
    log.info("noted " + message["text"])

channel_routing = [view("/.*", page), route("notes", note)]
`

// TestAWorkerRepliesToTheOldServer sends requests as Daphne does.
func TestAWorkerRepliesToTheOldServer(t *testing.T) {
	r := startRedis(t)
	daphne := &peer{t, r.client()}
	app := strings.Replace(peerApp, `view("/.*", page)`, `route("http.request", lambda m: m.reply_channel.send({"status": 200, "content": page(m)}))`, 1)
	app = strings.Replace(app, `request.path`, `request["path"]`, 1)
	w := launch(t, "", "worker", writeApp(t, app), "--layer", r.url())
	w.waitFor("loaded app.star")
	err := daphne.redis.ZAdd(t.Context(), "asgi::group:everyone", redis.Z{Score: float64(time.Now().Unix()), Member: "daphne.response.AbCdEfGhIj!socket"}).Err()
	if err != nil {
		t.Fatal(err)
	}
	daphne.send("http.request", map[string]any{
		"reply_channel": "daphne.response.AbCdEfGhIj!request", "http_version": "1.1", "method": "GET", "path": "/x", "query_string": []byte{},
		"headers": []any{[]any{[]byte("host"), []byte("localhost")}}, "body": []byte{}, "scheme": "http", "root_path": "",
		"client": []any{"127.0.0.1", 4711}, "server": []any{"127.0.0.1", 8000},
	})
	got := map[string]map[string]any{}
	for range 2 {
		m := daphne.receive("daphne.response.AbCdEfGhIj!")
		got[fmt.Sprint(m["__asgi_channel__"])] = m
	}
	if m := got["daphne.response.AbCdEfGhIj!request"]; fmt.Sprint(m["status"]) != "200" || fmt.Sprintf("%s", m["content"]) != "from asgibox" {
		t.Errorf("the response is %v", m)
	}
	if m := got["daphne.response.AbCdEfGhIj!socket"]; m["text"] != "asked for /x" {
		t.Errorf("the member of the group got %v", m)
	}
	daphne.send("notes", map[string]any{"text": "from Django"})
	w.waitFor("noted from Django")
}

// TestTheOldWorkerRepliesToAServer replies to requests as runworker does.
func TestTheOldWorkerRepliesToAServer(t *testing.T) {
	r := startRedis(t)
	p := start(t, peerApp, "--no-workers", "--layer", r.url())
	worker := &peer{t, r.client()}
	replied := make(chan struct{})
	go func() {
		defer close(replied)
		m := worker.receive("http.request")
		reply, _ := m["reply_channel"].(string)
		worker.send(reply, map[string]any{"status": 200, "headers": []any{[]any{[]byte("x-path"), []byte(fmt.Sprint(m["path"]))}}, "content": []byte("from Django"), "more_content": false})
	}()
	response, err := http.Get(p.url + "/y")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	<-replied
	if response.StatusCode != 200 || response.Header.Get("X-Path") != "/y" || response.ContentLength != int64(len("from Django")) {
		t.Errorf("%v %v", response.Status, response.Header)
	}
}
