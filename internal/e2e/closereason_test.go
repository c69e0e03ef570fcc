package e2e

import "testing"

func TestAFailedHandlersPlaceIsSentToClientsOnThisMachineOnly(t *testing.T) {
	const app = `
def receive(message):
    fail("no")
channel_routing = {"websocket.receive": receive}
`
	for bind, want := range map[string]string{
		"127.0.0.1": "the application failed at app.star:3",
		"0.0.0.0":   "the application failed",
	} {
		p := start(t, app, "--store", "memory", "--control", "off", "--bind", bind)
		s := p.dial("/")
		s.send("x")
		if end := s.waitClosed(); end.Code != 1011 || end.Reason != want {
			t.Errorf("bound to %s: closed with %v", bind, end)
		}
	}
}
