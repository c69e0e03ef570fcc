package redisstore

import (
	"testing"
	"time"
)

func TestSendWritesTheKeysOfTheWire(t *testing.T) {
	t.Parallel()
	s := sharedServer(t)
	l := open(t, s, Options{})
	c, p := s.client(t), l.opts.Prefix
	if err := l.Send(t.Context(), nil, "chat", numbered(1)); err != nil {
		t.Fatal(err)
	}
	ids := c.LRange(t.Context(), p+"chat", 0, -1).Val()
	if len(ids) != 1 || len(ids[0]) != len(p)+32 {
		t.Fatalf("the list has %q, want one key with the prefix and 32 digits", ids)
	}
	if body := c.Get(t.Context(), ids[0]).Val(); body != "\x81\xa1n\x01" {
		t.Errorf("the body is %q", body)
	}
	for key, want := range map[string]time.Duration{
		ids[0]:     60 * time.Second,
		p + "chat": 61 * time.Second,
		l.opts.StatsPrefix + "chat:messages_count":     3600 * time.Second,
		l.opts.StatsPrefix + "#global#:messages_count": 86400 * time.Second,
	} {
		if got := c.TTL(t.Context(), key).Val(); got > want || got < want-5*time.Second {
			t.Errorf("%s lives %v, want %v", key, got, want)
		}
	}
}
