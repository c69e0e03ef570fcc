package redisstore

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/store"
)

func TestAKeyOfAWrongTypeStopsNoOtherDelayedMessages(t *testing.T) {
	t.Parallel()
	s := sharedServer(t)
	log := &lines{}
	l := open(t, s, Options{Log: log.logger()})
	if err := s.client(t).Set(t.Context(), l.listKey("bad"), "x", time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	due := time.Now()
	for _, channel := range []string{"bad", "good"} {
		if err := l.SendLater(t.Context(), nil, due, channel, numbered(1)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Receive(t.Context(), nil, "good"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the log names the bad channel", func() bool { return log.count("channel=bad") > 0 })
	if n := log.count("refused a call"); n > 0 {
		t.Errorf("the log reports the key twice:\n%s", log)
	}
	if err := s.client(t).Del(t.Context(), l.listKey("bad")).Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Receive(t.Context(), nil, "bad"); err != nil {
		t.Fatal(err)
	}
}

func TestADelayedMessageThatCannotBeReadLeavesNothing(t *testing.T) {
	t.Parallel()
	s := sharedServer(t)
	l := open(t, s, Options{Keys: []string{"secret"}})
	c, record := s.client(t), l.delayKey()+":1"
	now := strconv.FormatInt(time.Now().UnixMicro(), 10)
	if err := c.HSet(t.Context(), record, "channel", "c", "body", "junk", "due", now).Err(); err != nil {
		t.Fatal(err)
	}
	if err := c.Do(t.Context(), "zadd", l.delayKey(), now, "1").Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "no key is left", func() bool { return c.Exists(t.Context(), l.delayKey(), record).Val() == 0 })
}

// The bodies of delayed messages stay in Redis while their channel is full.
func TestAFullChannelCostsNoReadingOfDelayedMessages(t *testing.T) {
	t.Parallel()
	needServer(t)
	for _, keys := range [][]string{nil, {"secret"}} {
		t.Run(fmt.Sprint(len(keys), " secrets"), func(t *testing.T) {
			t.Parallel()
			s := startServer(t)
			var calls atomic.Int64
			l := open(t, s, Options{
				Keys: keys, ChannelCapacity: []store.PatternCapacity{{Pattern: "c", Capacity: 1}},
				Observe: func(kind string, _ time.Duration, _ error) {
					if kind == "due" {
						calls.Add(1)
					}
				},
			})
			const size, count = 500_000, 8
			if err := l.Send(t.Context(), nil, "c", numbered(1)); err != nil {
				t.Fatal(err)
			}
			for range count {
				if err := l.SendLater(t.Context(), nil, time.Now(), "c", large(size)); err != nil {
					t.Fatal(err)
				}
			}
			before := calls.Load()
			eventually(t, "the messages are tried several times", func() bool { return calls.Load() > before+4*count })
			info := parseInfo(s.client(t).Info(t.Context(), "stats").Val())
			if sent, err := strconv.Atoi(info["total_net_output_bytes"]); err != nil || sent > size {
				t.Errorf("Redis has sent %d bytes, %v", sent, err)
			}
			for i := range count + 1 {
				d, err := l.Receive(t.Context(), nil, "c")
				if err != nil || i > 0 && len(d.Message.Text("text")) != size {
					t.Fatalf("message %d: %v", i, err)
				}
			}
		})
	}
}

// A message that was moved to the lease of this process is not left there if a call
// fails.
func TestALeaseIsEmptiedAfterAFailure(t *testing.T) {
	t.Parallel()
	s := sharedServer(t)
	p := startProxy(t, s)
	l := open(t, s, Options{Hosts: []Host{p.host()}})
	peer, ctx := newPeer(t, s, l), t.Context()
	if err := peer.send(ctx, "elsewhere", map[string]any{"channel": "c", "delay": int64(1), "content": map[string]any{"n": int64(7)}}); err != nil {
		t.Fatal(err)
	}
	if err := peer.LMove(ctx, l.listKey("elsewhere"), l.leaseKey(l.id), "left", "right").Err(); err != nil {
		t.Fatal(err)
	}
	line := l.delay.hosts[l.hosts[0]].line
	eventually(t, "the delay server is connected", func() bool { return line.id.Load() != 0 })
	p.cut()
	if d, err := l.Receive(ctx, nil, "c"); err != nil || d.Message.Int("n") != 7 {
		t.Errorf("received %v, %v", d.Message, err)
	}
}

func TestNotesOfDelayedMessagesDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{}
		d := &delayHost{sooner: make(chan time.Duration, 1)}
		s := &delayServer{hosts: map[*host]*delayHost{h: d}}
		var noting sync.WaitGroup
		for i := range 8 {
			noting.Go(func() {
				for n := range 1000 {
					s.within(h, time.Duration(i*1000+n))
				}
			})
		}
		noting.Wait()
		if first := <-d.sooner; first != 0 {
			t.Errorf("the first message is due after %v, want 0", first)
		}
	})
}
