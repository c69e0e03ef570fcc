package store

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
)

// wantSessions checks which sessions exist, without using one.
func wantSessions(t testing.TB, s *Store, want string) {
	t.Helper()
	keys, err := s.Keys(t.Context(), nil, asgi.SessionPrefix)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.ReplaceAll(strings.Join(keys, " "), asgi.SessionPrefix, ""); got != want {
		t.Errorf("the sessions are %q, want %q", got, want)
	}
}

func setSession(t testing.TB, s *Store, name string, data any) {
	t.Helper()
	if err := s.Set(t.Context(), nil, asgi.SessionPrefix+name, data, time.Hour); err != nil {
		t.Fatal(err)
	}
}

func getSession(t testing.TB, s *Store, name string) {
	t.Helper()
	if _, ok, err := s.Get(t.Context(), nil, asgi.SessionPrefix+name); !ok || err != nil {
		t.Fatal(name, ok, err)
	}
}

func TestSessionsNeverSentBackAreDiscardedFirst(t *testing.T) {
	s := openMemory(t, Options{MaxSessions: 3})
	setSession(t, s, "login", 1)
	getSession(t, s, "login")
	for i := range 1000 {
		setSession(t, s, fmt.Sprintf("flood%03d", i), 1)
	}
	wantSessions(t, s, "flood998 flood999 login")
	setSession(t, s, "flood998", 2)
	setSession(t, s, "next", 1)
	wantSessions(t, s, "flood998 login next")
}

func TestTheLeastRecentlyUsedSessionIsDiscardedNext(t *testing.T) {
	s := openMemory(t, Options{MaxSessions: 3})
	for _, name := range []string{"a", "b", "c"} {
		setSession(t, s, name, 1)
		getSession(t, s, name)
	}
	getSession(t, s, "a")
	setSession(t, s, "b", 2)
	setSession(t, s, "d", 1) // every other session was sent back
	wantSessions(t, s, "a b d")
	getSession(t, s, "d")
	setSession(t, s, "e", 1)
	wantSessions(t, s, "b d e")
}

func TestSessionsAreLimitedInBytes(t *testing.T) {
	s := openMemory(t, Options{StateMemory: 10_000})
	setSession(t, s, "login", "text")
	getSession(t, s, "login")
	for i := range 100 {
		setSession(t, s, fmt.Sprint(i), make([]byte, 1000))
	}
	wantSessions(t, s, "93 94 95 96 97 98 99 login")
	setSession(t, s, "login", make([]byte, 9000)) // longer than the rest leaves room for
	wantSessions(t, s, "login")
	if err := s.Set(t.Context(), nil, "session/login", make([]byte, 10_000), 0); !errors.Is(err, asgi.ErrStateFull) {
		t.Errorf("err = %v", err)
	}
	wantSessions(t, s, "login")
}

func TestFullStateRefusesNewKeys(t *testing.T) {
	s := openMemory(t, Options{StateMemory: 10_000})
	ctx := t.Context()
	n := 0
	var err error
	for ; err == nil; n++ {
		err = s.Set(ctx, nil, fmt.Sprintf("state/%d", n), "text", 0)
	}
	if want := `state full: with "state/35" the values under "state/" would take more than 10000 bytes; delete some, or raise --state-memory`; err.Error() != want {
		t.Errorf("after %d keys: %v", n, err)
	}
	_, incr := s.Incr(ctx, nil, "state/n", 1)
	_, app := s.Append(ctx, nil, "state/0l", 1, 0)
	_, swap := s.Swap(ctx, nil, "state/new", asgi.Absent, 1)
	_, longer := s.Swap(ctx, nil, "state/0", "text", strings.Repeat("t", 5000))
	for i, err := range []error{incr, app, swap, longer} {
		if !errors.Is(err, asgi.ErrStateFull) {
			t.Errorf("call %d: %v", i, err)
		}
	}
	wantValue(t, s, "state/0", "text")
	if err := s.Set(ctx, nil, "state/0", "more", 0); err != nil {
		t.Errorf("a value of the same length: %v", err)
	}
	setSession(t, s, "a", 1) // has room of its own
	s.Delete(ctx, nil, "state/0")
	if err := s.Set(ctx, nil, "state/new", "text", 0); err != nil {
		t.Errorf("after a deletion: %v", err)
	}
}

func TestDiscardedSessionsAreLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := openMemory(t, Options{MaxSessions: 2, Log: slog.New(slog.NewTextHandler(&log, nil))})
		for i := range 180 {
			setSession(t, s, fmt.Sprintf("%03d", i), 1)
			time.Sleep(700 * time.Millisecond) // none at the moment of a log record
		}
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 3 || !strings.Contains(lines[0], "of_browsers=1 never_sent_back=1 of_udp_peers=0") || !strings.Contains(lines[1], "of_browsers=85 never_sent_back=85 of_udp_peers=0") {
			t.Errorf("the log is:\n%s", &log)
		}
	})
}

// setPeer sets the session of a UDP peer as a keeper does: a Get comes first.
func setPeer(t testing.TB, s *Store, name string, data any) {
	t.Helper()
	key := asgi.PeerPrefix + name
	if _, _, err := s.Get(t.Context(), nil, key); err != nil {
		t.Fatal(err)
	}
	if err := s.Set(t.Context(), nil, key, data, time.Hour, asgi.Volatile); err != nil {
		t.Fatal(err)
	}
}

func TestSessionsOfUDPPeersTakeNoRoomOfOtherConnections(t *testing.T) {
	s := openMemory(t, Options{StateMemory: 10_000})
	setPeer(t, s, "known", 1)
	setPeer(t, s, "known", "back")
	text := strings.Repeat("x", 1000)
	for i := range 1000 {
		setPeer(t, s, fmt.Sprintf("a!%03d", i), text)
	}
	wantValue(t, s, asgi.PeerPrefix+"known", "back")
	wantValue(t, s, asgi.PeerPrefix+"a!999", text)
	for _, key := range []string{asgi.ConnectionPrefix + "websocket.send.a!b", asgi.SessionPrefix + "a", asgi.StatePrefix + "a"} {
		if err := s.Set(t.Context(), nil, key, make([]byte, 8000), 0); err != nil {
			t.Error(err)
		}
	}
	keys, err := s.Keys(t.Context(), nil, asgi.ConnectionPrefix)
	if len(keys) < 5 || len(keys) > 12 || err != nil {
		t.Errorf("%d sessions of connections, %v", len(keys), err)
	}
}

func TestSessionsOfUDPPeersAreLimitedInNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := openMemory(t, Options{MaxSessions: 3, Log: slog.New(slog.NewTextHandler(&log, nil))})
		setSession(t, s, "login", 1)
		for i := range 10 {
			setPeer(t, s, fmt.Sprint(i), 1)
		}
		wantSessions(t, s, "login")
		keys, err := s.Keys(t.Context(), nil, asgi.PeerPrefix)
		if got := strings.ReplaceAll(strings.Join(keys, " "), asgi.PeerPrefix, ""); got != "7 8 9" || err != nil {
			t.Errorf("the sessions of UDP peers are %q, %v", got, err)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if !strings.Contains(log.String(), "of_browsers=0 never_sent_back=0 of_udp_peers=") {
			t.Errorf("the log is:\n%s", &log)
		}
	})
}

func TestSessionsOfAFileCountAsSentBack(t *testing.T) {
	path := newPath(t)
	s := openAt(t, path, Options{MaxSessions: 3})
	for _, name := range []string{"b", "a", "c"} {
		setSession(t, s, name, 1)
	}
	closeStore(t, s)
	s = openAt(t, path, Options{MaxSessions: 3})
	for i := range 10 {
		setSession(t, s, fmt.Sprintf("new%d", i), 1)
	}
	wantSessions(t, s, "a c new9")
	closeStore(t, s)
	s = openAt(t, path, Options{MaxSessions: 1})
	wantSessions(t, s, "a c new9")
	setSession(t, s, "last", 1)
	wantSessions(t, s, "last")
}

// fillValues sets values of 1,000 bytes, each under a prefix of its own, until one is
// refused. It returns how many were set.
func fillValues(t testing.TB, s *Store) int {
	t.Helper()
	for n := range 100 {
		switch err := s.Set(t.Context(), nil, fmt.Sprintf("p%d/key", n), make([]byte, 1000), 0); {
		case errors.Is(err, asgi.ErrStateFull):
			return n
		case err != nil:
			t.Fatal(err)
		}
	}
	t.Fatal("100 values of 1,000 bytes were set")
	return 0
}

func TestNewPrefixesDoNotMakeRoomForMoreValues(t *testing.T) {
	s := openMemory(t, Options{StateMemory: 10_000})
	if n := fillValues(t, s); n < 5 {
		t.Errorf("%d values were set", n)
	}
	for _, key := range []string{"state/a", "session/a", "channel/a"} { // have room of their own
		if err := s.Set(t.Context(), nil, key, "text", 0); err != nil {
			t.Error(err)
		}
	}
}

func TestAFileWithMoreValuesThanAllowedKeepsThem(t *testing.T) {
	path := newPath(t)
	s := openAt(t, path, Options{StateMemory: 50_000})
	n := fillValues(t, s)
	closeStore(t, s)
	s = openAt(t, path, Options{StateMemory: 10_000})
	if keys, err := s.Keys(t.Context(), nil, "p"); len(keys) != n || err != nil {
		t.Errorf("%d of %d values remain, %v", len(keys), n, err)
	}
	if err := s.Set(t.Context(), nil, "p0/key", make([]byte, 1001), 0); !errors.Is(err, asgi.ErrStateFull) {
		t.Errorf("a longer value: %v", err)
	}
	if err := s.Set(t.Context(), nil, "p0/key", make([]byte, 999), 0); err != nil {
		t.Errorf("a shorter value: %v", err)
	}
}

func TestSmallValuesCountWithTheirOverhead(t *testing.T) {
	s := openMemory(t, Options{StateMemory: 10_000})
	n := 0
	for ; s.Set(t.Context(), nil, fmt.Sprint(n), nil, 0) == nil; n++ {
	}
	if n > 10_000/200 {
		t.Errorf("%d values were set in 10,000 bytes", n)
	}
}
