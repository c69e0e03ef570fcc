package inspector

import "testing"

func TestCloseReasonsNameTheCloser(t *testing.T) {
	for _, c := range []struct {
		code int
		by   string
		want string
	}{
		{1000, byClient, "closed by the client, normally"},
		{1001, byClient, "closed by the client, which went away: its page was left or its program ended"},
		{1005, byClient, "closed by the client, without a code"},
		{4001, byClient, "closed by the client, with the private code 4001"},
		{3005, byClient, "closed by the client, with the registered code 3005 of a library or framework"},
		{2999, byClient, "closed by the client, with the code 2999"},
		{1000, byApplication, "closed by the application, normally"},
		{1008, byApplication, "closed by the application, because of a policy violation"},
		{4001, byApplication, "closed by the application, with the private code 4001"},
		{4001, byHand, "closed by hand, from the inspector or the command line"},
		{1000, byServer, "closed by the server: it reached its maximum lifetime"},
		{1001, byServer, "closed by the server, which shut down"},
		{1002, byServer, "closed by the server: the client violated the WebSocket protocol"},
		{1007, byServer, "closed by the server: the client sent text that is not valid UTF-8"},
		{1009, byServer, "closed by the server: the client sent a message longer than --max-message"},
		{1011, byServer, "closed by the server: the handler failed or a reply was invalid; see the log"},
		{1013, byServer, "closed by the server: a queue was full, or the client read too slowly"},
		{1006, "", "lost without a close frame: network failure, crash, no pong, or failed handshake"},
		{1000, "", "closed, normally"},
		{4001, "", "closed, with the private code 4001"},
	} {
		if got := closeReason(c.code, c.by); got != c.want {
			t.Errorf("%d by %q: %q, want %q", c.code, c.by, got, c.want)
		}
	}
}
