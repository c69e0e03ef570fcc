package httpfront

import "testing"

// TestASocketThatHasEndedJoinsNoGroup checks that a handler that adds a socket to a
// group does not leave it there if the client has left meanwhile.
func TestASocketThatHasEndedJoinsNoGroup(t *testing.T) {
	b := newNetServer(t, Options{}, false)
	client := b.socket(t)
	ended := b.front.conns.drain()[0].channel
	client.Close()
	if !eventually(func() bool { return b.front.Sockets() == 0 }) {
		t.Fatal("the socket did not end")
	}
	if err := b.layer.GroupAdd(t.Context(), nil, "all", ended); err != nil {
		t.Fatal(err)
	}
	if members, err := b.layer.GroupChannels(t.Context(), nil, "all"); err != nil || len(members) > 0 {
		t.Errorf("the group has %q, %v", members, err)
	}
}
