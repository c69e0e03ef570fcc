package httpfront

import (
	"fmt"
	"testing"
	"testing/synctest"

	"asgibox/asgi"
)

// TestResponseWithoutABodyIsCompleteAtOnce streams responses whose content is not
// sent. Their later parts come too late, so that the handler ends, and the
// connection serves the next request.
func TestResponseWithoutABodyIsCompleteAtOnce(t *testing.T) {
	for _, c := range []struct {
		method string
		status int
		ends   bool
	}{
		{"HEAD", 200, true}, {"HEAD", 404, true}, {"GET", 204, true}, {"GET", 205, true}, {"GET", 304, true}, {"POST", 204, true},
		{"GET", 200, false}, {"GET", 206, false},
	} {
		t.Run(fmt.Sprint(c.method, c.status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemServer(t, Options{})
				client := s.dial()
				client.write(c.method + " / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
				m := s.next("http.request")
				s.reply(m, msg{"status": c.status, "content": "x", "more_content": true})
				synctest.Wait()
				part := asgi.Delivery{Channel: m.Text("reply_channel"), Message: fields(t, msg{"content": "x", "more_content": c.ends})}
				if gone := s.front.deliver(part) == asgi.ErrGone; gone != c.ends {
					t.Errorf("the next part was too late: %v", gone)
				}
				client.responseTo(c.method).check(t, c.status)
				s.next("http.disconnect")
				client.get("/next")
				s.reply(s.next("http.request"), msg{"status": 200})
				client.response().check(t, 200)
			})
		})
	}
}

// TestRefusedHandshakeHasContentOnlyIfItsStatusAllowsIt uses responses that an
// application sends instead of accepting a WebSocket.
func TestRefusedHandshakeHasContentOnlyIfItsStatusAllowsIt(t *testing.T) {
	for status, want := range map[int]string{
		204: "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
		205: "HTTP/1.1 205 Reset Content\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
		304: "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n",
		403: "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno",
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newMemServer(t, Options{})
			c, app := s.connect()
			app.reply(msg{"close": true, "response": msg{"status": status, "content": "no"}})
			if got := c.raw(1000); got != want {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}
