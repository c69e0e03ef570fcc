package redisstore

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/tinylib/msgp/msgp"

	"asgibox/asgi"
)

// A peer is a process of the old stack: a small client that makes the calls of
// asgi_redis 1.4.3, written from what was seen on its wire and not from this
// package.
type peer struct {
	*redis.Client
	prefix, stats    string
	expiry, capacity int
}

func newPeer(t testing.TB, s *server, l *Layer) *peer {
	return &peer{s.client(t), l.opts.Prefix, l.opts.StatsPrefix, 60, 100}
}

var (
	errPeerFull = errors.New("full")
	peerSend    = redis.NewScript(`
if redis.call('llen', KEYS[2]) >= tonumber(ARGV[3]) then return redis.error_reply("full") end
redis.call('set', KEYS[1], ARGV[1])
redis.call('expire', KEYS[1], ARGV[2])
redis.call('rpush', KEYS[2], KEYS[1])
redis.call('expire', KEYS[2], ARGV[2] + 1)`)
	peerPop = redis.NewScript(`
for _, key in ipairs(KEYS) do
  local id = redis.call('lpop', key)
  if id then return {key, id} end
end
return {}`)
)

func local(channel string) (list string) {
	if i := strings.IndexByte(channel, '!'); i >= 0 {
		return channel[:i+1]
	}
	return channel
}

func (p *peer) send(ctx context.Context, channel string, m map[string]any) error {
	fields := msgp.AppendMapHeader(nil, uint32(len(m)))
	if local(channel) != channel {
		fields = msgp.AppendMapHeader(nil, uint32(len(m)+1))
	}
	var err error
	for key, value := range m {
		if fields, err = msgp.AppendIntf(msgp.AppendString(fields, key), value); err != nil {
			return err
		}
	}
	if local(channel) != channel {
		fields = msgp.AppendString(msgp.AppendString(fields, "__asgi_channel__"), channel)
	}
	return p.sendBody(ctx, channel, string(fields))
}

func (p *peer) sendBody(ctx context.Context, channel, body string) error {
	var id [16]byte
	for i := range id {
		id[i] = byte(rand.Uint32())
	}
	err := peerSend.Run(ctx, p, []string{p.prefix + hex.EncodeToString(id[:]), p.prefix + local(channel)}, body, p.expiry, p.capacity).Err()
	counter := ":messages_count"
	if err != nil && strings.Contains(err.Error(), "full") {
		err, counter = errPeerFull, ":channel_full_count"
	} else if errors.Is(err, redis.Nil) {
		err = nil
	}
	for name, life := range map[string]time.Duration{local(channel): time.Hour, "#global#": 24 * time.Hour} {
		p.Incr(ctx, p.stats+name+counter)
		p.Expire(ctx, p.stats+name+counter, life)
	}
	return err
}

// receive takes a message without waiting.
func (p *peer) receive(ctx context.Context, channels ...string) (string, map[string]any, error) {
	var keys []string
	for _, c := range channels {
		keys = append(keys, p.prefix+c)
	}
	pair, err := peerPop.Run(ctx, p, keys).StringSlice()
	if err != nil || len(pair) != 2 {
		return "", nil, err
	}
	return p.body(ctx, pair)
}

func (p *peer) body(ctx context.Context, pair []string) (string, map[string]any, error) {
	text, err := p.Get(ctx, pair[1]).Result()
	if err != nil {
		return "", nil, err
	}
	p.Del(ctx, pair[1])
	m, rest, err := msgp.ReadMapStrIntfBytes([]byte(text), nil)
	if err != nil || len(rest) > 0 {
		return "", nil, fmt.Errorf("%q: %w", text, err)
	}
	channel := strings.TrimPrefix(pair[0], p.prefix)
	if name, ok := m["__asgi_channel__"].(string); ok {
		channel = name
		delete(m, "__asgi_channel__")
	}
	return channel, m, nil
}

func (p *peer) groupAdd(ctx context.Context, group, channel string) {
	p.ZAdd(ctx, p.prefix+":group:"+group, redis.Z{Score: float64(time.Now().UnixMicro()) / 1e6, Member: channel})
	p.Expire(ctx, p.prefix+":group:"+group, 24*time.Hour)
}

func (p *peer) groupChannels(ctx context.Context, group string) []string {
	key := p.prefix + ":group:" + group
	p.ZRemRangeByScore(ctx, key, "0", fmt.Sprint(time.Now().Unix()-86400))
	return p.ZRange(ctx, key, 0, -1).Val()
}

func (p *peer) sendGroup(ctx context.Context, group string, m map[string]any) error {
	for _, channel := range p.groupChannels(ctx, group) {
		if err := p.send(ctx, channel, m); err != nil && err != errPeerFull {
			return err
		}
	}
	return nil
}

func (p *peer) flush(ctx context.Context) {
	for _, prefix := range []string{p.prefix, p.stats} {
		for _, key := range p.Keys(ctx, prefix+"*").Val() {
			p.Del(ctx, key)
		}
	}
}

// hasLife checks the time to live of a key.
func (p *peer) hasLife(t testing.TB, key string, seconds int) {
	t.Helper()
	want := time.Duration(seconds) * time.Second
	if got := p.TTL(t.Context(), key).Val(); got > want || got < want-30*time.Second {
		t.Errorf("%s lives %v, want %v", key, got, want)
	}
}

func TestPeerSendsToLayer(t *testing.T) {
	t.Parallel()
	s := sharedServer(t)
	l := open(t, s, Options{})
	p, ctx := newPeer(t, s, l), t.Context()
	sent := map[string]any{"text": "ü", "bytes": []byte{0, 255}, "n": int64(-5), "f": 1.5, "none": nil, "list": []any{true, "x"}}
	want := asgi.MustMessage(
		asgi.Field{Key: "text", Value: "ü"}, asgi.Field{Key: "bytes", Value: []byte{0, 255}}, asgi.Field{Key: "n", Value: -5},
		asgi.Field{Key: "f", Value: 1.5}, asgi.Field{Key: "none", Value: nil}, asgi.Field{Key: "list", Value: []any{true, "x"}})
	for channel, read := range map[string]string{"chat": "chat", "http.request.body?abc": "http.request.body?abc", "daphne.response.XXXXXXXXXX!abc": "daphne.response.XXXXXXXXXX!"} {
		if err := p.send(ctx, channel, sent); err != nil {
			t.Fatal(err)
		}
		d, err := l.Receive(ctx, nil, read)
		if err != nil || d.Channel != channel || !asgi.Equal(d.Message, want) {
			t.Errorf("received %s on %s, %v", fmt.Sprint(d.Message), d.Channel, err)
		}
		if volatile := channel != "chat"; d.Volatile != volatile {
			t.Errorf("%s: volatile is %v", channel, d.Volatile)
		}
	}
	if keys := p.Keys(ctx, p.prefix+"*").Val(); len(keys) > 1 { // one lease may be there
		t.Errorf("keys are left: %q", keys)
	}
}

func TestLayerSendsToPeer(t *testing.T) {
	t.Parallel()
	s := sharedServer(t)
	l := open(t, s, Options{Capacity: 2})
	p, ctx := newPeer(t, s, l), t.Context()
	for _, channel := range []string{"chat", "http.request.body?abc", "daphne.response.XXXXXXXXXX!abc"} {
		for range 2 {
			if err := l.Send(ctx, nil, channel, numbered(1)); err != nil {
				t.Fatal(err)
			}
		}
		list := p.prefix + local(channel)
		p.hasLife(t, list, 61)
		for _, id := range p.LRange(ctx, list, 0, -1).Val() {
			if len(id) != len(p.prefix)+32 || !strings.HasPrefix(id, p.prefix) {
				t.Errorf("the key of a body is %q", id)
			}
			p.hasLife(t, id, 60)
		}
		if channel != "http.request.body?abc" { // it has a capacity of its own
			if err := l.Send(ctx, nil, channel, numbered(2)); !errors.Is(err, asgi.ErrChannelFull) {
				t.Errorf("the third send to %s: %v, want ChannelFull", channel, err)
			}
			if n := p.Get(ctx, p.stats+local(channel)+":channel_full_count").Val(); n != "1" {
				t.Errorf("%s: channel_full_count is %q", channel, n)
			}
			p.hasLife(t, p.stats+local(channel)+":channel_full_count", 3600)
		}
		if n := p.Get(ctx, p.stats+local(channel)+":messages_count").Val(); n != "2" {
			t.Errorf("%s: messages_count is %q", channel, n)
		}
		got, m, err := p.receive(ctx, local(channel))
		if err != nil || got != channel || m["n"] != int64(1) {
			t.Errorf("the peer received %v on %s, %v", m, got, err)
		}
	}
	p.hasLife(t, p.stats+"#global#:messages_count", 86400)
	if n := p.Get(ctx, p.stats+"#global#:messages_count").Val(); n != "6" {
		t.Errorf("messages_count of all channels is %q", n)
	}
}

func TestBodyOfProcessSpecificMessageEndsWithItsChannel(t *testing.T) {
	t.Parallel()
	s := sharedServer(t)
	l := open(t, s, Options{})
	c := s.client(t)
	if err := l.Send(t.Context(), nil, "x!y", numbered(1)); err != nil {
		t.Fatal(err)
	}
	id := c.LIndex(t.Context(), l.opts.Prefix+"x!", 0).Val()
	if body := c.Get(t.Context(), id).Val(); body != "\x82\xa1n\x01\xb0__asgi_channel__\xa3x!y" {
		t.Errorf("the body is %q", body)
	}
}

func TestPeerAndLayerShareGroups(t *testing.T) {
	t.Parallel()
	s := sharedServer(t)
	l := open(t, s, Options{})
	p, ctx := newPeer(t, s, l), t.Context()
	box := &collector{}
	unbind, err := l.Bind("asgibox.response.AAAAAAAAAA!", box.deliver)
	if err != nil {
		t.Fatal(err)
	}
	defer unbind()
	p.groupAdd(ctx, "room", "daphne.response.BBBBBBBBBB!p")
	for _, channel := range []string{"asgibox.response.AAAAAAAAAA!a", "plain"} {
		if err := l.GroupAdd(ctx, nil, "room", channel); err != nil {
			t.Fatal(err)
		}
	}
	want := "[daphne.response.BBBBBBBBBB!p asgibox.response.AAAAAAAAAA!a plain]"
	if got := fmt.Sprint(p.groupChannels(ctx, "room")); got != want {
		t.Errorf("the peer sees %s", got)
	}
	if got, err := l.GroupChannels(ctx, nil, "room"); fmt.Sprint(got) != want {
		t.Errorf("the layer sees %s, %v", got, err)
	}
	p.hasLife(t, p.prefix+":group:room", 86400)
	score := p.ZScore(ctx, p.prefix+":group:room", "plain").Val()
	if age := float64(time.Now().UnixMicro())/1e6 - score; age < -1 || age > 60 {
		t.Errorf("the score is %f s old", age)
	}
	if err := p.sendGroup(ctx, "room", map[string]any{"n": int64(1)}); err != nil {
		t.Fatal(err)
	}
	if err := l.SendGroup(ctx, nil, "room", numbered(2)); err != nil {
		t.Fatal(err)
	}
	for n := int64(1); n <= 2; n++ {
		for _, list := range []string{"daphne.response.BBBBBBBBBB!", "plain"} {
			if _, m, err := p.receive(ctx, list); err != nil || m["n"] != n {
				t.Errorf("on %s the peer received %v, %v; want %d", list, m, err, n)
			}
		}
	}
	eventually(t, "the connection has both messages", func() bool { return box.count() == 2 })
	p.ZRem(ctx, p.prefix+":group:room", "plain")
	if err := l.GroupDiscard(ctx, nil, "room", "daphne.response.BBBBBBBBBB!p"); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(p.groupChannels(ctx, "room")); got != "[asgibox.response.AAAAAAAAAA!a]" {
		t.Errorf("after the discards the peer sees %s", got)
	}
}

// A collector is a bound function that keeps its deliveries.
type collector struct {
	mu  sync.Mutex // guards got
	got []asgi.Delivery
}

func (c *collector) deliver(d asgi.Delivery) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !d.Probe {
		c.got = append(c.got, d)
	}
	return nil
}

func (c *collector) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.got)
}

func TestBodiesThatCannotBeReadAreDropped(t *testing.T) {
	t.Parallel()
	s := sharedServer(t)
	log := &lines{}
	l := open(t, s, Options{Log: log.logger()})
	p, ctx := newPeer(t, s, l), t.Context()
	bad := []string{
		"\x81\xa1n\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", // NaN
		"\x81\xa1n\xcf\xff\xff\xff\xff\xff\xff\xff\xff", // 2^64-1
		"\x81\xc4\x01n\x01",                             // a byte string as a key
		"\x81\x01\x01",                                  // an integer as a key
		"\xc1", "", "gAAAAAB", "\x01",
	}
	for _, body := range bad {
		if err := p.sendBody(ctx, "c", body); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.send(ctx, "c", map[string]any{"n": int64(7)}); err != nil {
		t.Fatal(err)
	}
	d, err := l.Receive(ctx, nil, "c")
	if err != nil || d.Message.Int("n") != 7 {
		t.Fatalf("received %v, %v", d.Message, err)
	}
	if n := log.count("cannot be read"); n != len(bad) {
		t.Errorf("%d lines for %d bodies", n, len(bad))
	}
	for _, body := range []string{"\x81\xa1n\x01", "\x82\xa1n\x01\xb0__asgi_channel__\xa3y!z"} {
		if err := p.sendBody(ctx, "x!y", body); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.send(ctx, "x!y", map[string]any{"n": int64(8)}); err != nil {
		t.Fatal(err)
	}
	if d, ok, err := l.Poll(ctx, nil, "x!"); !ok || d.Message.Int("n") != 8 {
		t.Errorf("polled %v, %v, %v", d.Message, ok, err)
	}
}

func TestPeerSendsToDelay(t *testing.T) {
	t.Parallel()
	s := sharedServer(t)
	a := open(t, s, Options{})
	b := open(t, s, Options{Prefix: a.opts.Prefix, StatsPrefix: a.opts.StatsPrefix})
	p, ctx := newPeer(t, s, a), t.Context()
	const n = 20
	for i := range n {
		m := map[string]any{"channel": "c", "delay": int64(50), "content": map[string]any{"n": int64(i)}}
		if err := p.send(ctx, "asgi.delay", m); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[int64]int{}
	for len(seen) < n {
		d, err := b.Receive(ctx, nil, "c")
		if err != nil {
			t.Fatal(err)
		}
		seen[d.Message.Int("n")]++
	}
	if d, ok, err := a.Poll(ctx, nil, "c"); ok || err != nil {
		t.Errorf("one more message: %v, %v", d.Message, err)
	}
	eventually(t, "no lease and no record is left", func() bool { return len(p.Keys(ctx, p.prefix+"*").Val()) == 0 })
}

func TestFlushOfPeerKeepsState(t *testing.T) {
	t.Parallel()
	s := sharedServer(t)
	l := open(t, s, Options{})
	p, ctx := newPeer(t, s, l), t.Context()
	err := errors.Join(l.Set(ctx, nil, "k", "v", 0), l.Send(ctx, nil, "c", numbered(1)), l.GroupAdd(ctx, nil, "g", "x!y"),
		l.SendLater(ctx, nil, time.Now().Add(time.Hour), "c", numbered(2)))
	if err != nil {
		t.Fatal(err)
	}
	p.flush(ctx)
	if v, ok, err := l.Get(ctx, nil, "k"); v != "v" || !ok || err != nil {
		t.Errorf("the state has %v, %v, %v", v, ok, err)
	}
	if keys := p.Keys(ctx, p.prefix+"*").Val(); len(keys) != 0 {
		t.Errorf("keys are left: %q", keys)
	}
	if err := errors.Join(p.send(ctx, "c", map[string]any{}), l.Flush(ctx, nil)); err != nil {
		t.Fatal(err)
	}
	if keys := append(p.Keys(ctx, p.prefix+"*").Val(), p.Keys(ctx, p.stats+"*").Val()...); len(keys) != 0 {
		t.Errorf("after a flush of the layer, keys are left: %q", keys)
	}
}
