package redisstore

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSealIsFernet(t *testing.T) {
	s := newSeal("one")
	if key := base64.URLEncoding.EncodeToString(slices.Concat(s.sign, s.encrypt)); key != "dpLDrTVAu4A8Ags67mbNiIcSMjTqDG5xQ8Ct1z_0Me0=" {
		t.Errorf("the key is %s", key)
	}
	// The example of the Fernet specification.
	key, err := base64.URLEncoding.DecodeString("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=")
	if err != nil {
		t.Fatal(err)
	}
	example := seal{sign: key[:16], encrypt: key[16:]}
	plain, sent, ok := example.open([]byte("gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA=="))
	if !ok || string(plain) != "hello" || sent.Unix() != 499162800 {
		t.Errorf("opened %q of %v, %v", plain, sent, ok)
	}
	for n := range 40 {
		text := strings.Repeat("x", n)
		token, err := s.close([]byte(text), time.Now())
		if err != nil || !strings.HasPrefix(string(token), "gAAAAA") {
			t.Fatalf("token %s, %v", token, err)
		}
		if plain, _, ok := s.open(token); !ok || string(plain) != text {
			t.Errorf("opened %q", plain)
		}
		if _, _, ok := newSeal("two").open(token); ok {
			t.Error("another secret opens it")
		}
		token[len(token)/2] ^= 1
		if _, _, ok := s.open(token); ok {
			t.Error("a changed token is opened")
		}
	}
}

func TestPartsOfATokenAreNotOpened(t *testing.T) {
	s := newSeal("one")
	token, err := s.close([]byte("text"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for n := range token {
		for _, part := range [][]byte{token[:n], token[n:]} {
			if _, _, ok := s.open(part); ok && len(part) < len(token) {
				t.Errorf("%q is opened", part)
			}
		}
	}
}

func TestLayersWithTheSameSecretsUnderstandEachOther(t *testing.T) {
	t.Parallel()
	server := sharedServer(t)
	log := &lines{}
	a := open(t, server, Options{Keys: []string{"new", "old"}, Log: log.logger()})
	same := Options{Prefix: a.opts.Prefix, StatsPrefix: a.opts.StatsPrefix}
	same.Keys = []string{"old"}
	b := open(t, server, same)
	same.Keys = nil
	plain := open(t, server, same)
	ctx := t.Context()
	if err := b.Send(ctx, nil, "c", numbered(1)); err != nil {
		t.Fatal(err)
	}
	for key := range slices.Values(server.client(t).LRange(ctx, a.opts.Prefix+"c", 0, -1).Val()) {
		if body := server.client(t).Get(ctx, key).Val(); !strings.HasPrefix(body, "gAAAAA") {
			t.Errorf("the body is %q", body)
		}
	}
	if d, ok, err := a.Poll(ctx, nil, "c"); !ok || d.Message.Int("n") != 1 {
		t.Errorf("polled %v, %v, %v", d.Message, ok, err)
	}
	// Groups: each member has a body of its own.
	for _, member := range []string{"x!1", "x!2", "n"} {
		if err := b.GroupAdd(ctx, nil, "g", member); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.SendGroup(ctx, nil, "g", numbered(2)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"x!1", "x!2", "n"} {
		if d, ok, err := a.Poll(ctx, nil, want[:1]+strings.Repeat("!", strings.Count(want, "!"))); !ok || d.Channel != want || d.Message.Int("n") != 2 {
			t.Errorf("polled %v on %s, %v, %v; want it on %s", d.Message, d.Channel, ok, err, want)
		}
	}
	// A delayed message gets a new time when it is sent, and state is encrypted too.
	if err := b.SendLater(ctx, nil, time.Now().Add(20*time.Millisecond), "c", numbered(3)); err != nil {
		t.Fatal(err)
	}
	if d, err := a.Receive(ctx, nil, "c"); err != nil || d.Message.Int("n") != 3 {
		t.Errorf("received %v, %v", d.Message, err)
	}
	if n, err := b.Incr(ctx, nil, "n", 5); n != 5 || err != nil {
		t.Error(n, err)
	}
	if n, err := a.Incr(ctx, nil, "n", 1<<60); n != 5+1<<60 || err != nil {
		t.Error(n, err)
	}
	// What cannot be decrypted is dropped.
	if err := plain.Send(ctx, nil, "c", numbered(4)); err != nil {
		t.Fatal(err)
	}
	if err := b.Send(ctx, nil, "c", numbered(5)); err != nil {
		t.Fatal(err)
	}
	if d, ok, err := a.Poll(ctx, nil, "c"); !ok || d.Message.Int("n") != 5 || log.count("none of the secrets") != 1 {
		t.Errorf("polled %v, %v, %v\n%s", d.Message, ok, err, log)
	}
}
