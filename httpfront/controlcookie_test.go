package httpfront

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"asgibox/asgi"
	"asgibox/internal/guard"
)

// The browser sends the cookie of the control server to every port of the host.
func TestMessagesNeverHoldTheControlServersToken(t *testing.T) {
	const token = "SECRETTOKEN"
	w := httptest.NewRecorder()
	guard.Handler(http.NotFoundHandler(), guard.Options{Token: token}).ServeHTTP(w, httptest.NewRequest("GET", "http://box.example/?token="+token, nil))
	cookie := w.Result().Cookies()[0]

	s := newMemServer(t, Options{})
	header := "Cookie: theme=dark; " + cookie.Name + "=" + cookie.Value
	check := func(m asgi.Message) {
		t.Helper()
		text := ""
		v, _ := m.Get(asgi.KeyHeaders)
		for _, h := range v.(asgi.List).All() {
			text += h.(asgi.List).Octets(0) + ": " + h.(asgi.List).Octets(1) + "\n"
		}
		if strings.Contains(text, token) || !strings.Contains(text, "theme=dark") {
			t.Errorf("the message is %s", text)
		}
	}
	c := s.dial()
	c.get("/", header)
	m := s.next("http.request")
	check(m)
	s.reply(m, msg{"status": 200})
	c.response().check(t, 200)

	s.dial().write(handshake + header + "\r\n\r\n")
	m = s.next("websocket.connect")
	check(m)
	s.reply(m, msg{"close": true})
}
