package httpfront

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// ownPages serves requests for the server itself. A request for …/wait ends when
// its client has left.
func ownPages(left chan<- string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/wait") {
			<-r.Context().Done()
			left <- r.RemoteAddr
			return
		}
		w.Header().Set("X-Seen", r.Header.Get("X-A")+" "+r.Host+" "+r.URL.RawQuery)
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, r.Method)
	})
}

func TestRequestsForTheServerItselfDoNotReachTheLayerOrTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{Own: ownPages(nil)})
		c := s.dial()
		for range 2 { // the connection stays open
			c.get("/__asgibox__/x?y=%20", "X-A: b")
			r := c.response().check(t, http.StatusTeapot)
			if got := r.Header.Get("X-Seen"); got != "b h y=%20" || r.body != "GET" || r.ContentLength != 3 {
				t.Errorf("%v %q", r.Header, r.body)
			}
		}
		c.write("HEAD /__asgibox__/x HTTP/1.1\r\nHost: h\r\n\r\n")
		if r := c.responseTo("HEAD").check(t, http.StatusTeapot); r.body != "" || r.ContentLength != 4 {
			t.Errorf("HEAD: %v %q", r.Header, r.body)
		}
		c.write("POST /__asgibox__/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx")
		c.response().check(t, http.StatusRequestEntityTooLarge)
		if len(s.seen) > 0 {
			t.Errorf("an event is reported: %+v", <-s.seen)
		}
		c = s.dial()
		c.get("/other")
		if m := s.next("http.request"); m.Text("path") != "/other" {
			t.Errorf("the layer got %v", m)
		}
	})
}

func TestRequestsForTheServerItselfEndWithTheirClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := make(chan string, 1)
		s := newMemServer(t, Options{Own: ownPages(left)})
		c := s.dial()
		c.get("/__asgibox__/wait")
		time.Sleep(time.Hour)
		if len(left) > 0 {
			t.Fatal("the request ended by itself")
		}
		c.Close()
		if by := <-left; by != "192.0.2.7:4711" {
			t.Errorf("it came from %s", by)
		}
		s.dial().get("/__asgibox__/wait")
		synctest.Wait()
		s.front.kill() // as a shutdown does in the end
		<-left
	})
}

// TestRequestsForTheServerItselfAreBounded has more clients that wait than may, with
// usual and with long heads, which share their memory with those of other requests.
func TestRequestsForTheServerItselfAreBounded(t *testing.T) {
	const length = 60 << 10
	for long, most := range map[string]int{"": maxOwn, strings.Repeat("a", length): headsMemory / (2*length - usualHead)} {
		synctest.Test(t, func(t *testing.T) {
			left := make(chan string, maxOwn)
			s := newMemServer(t, Options{Own: ownPages(left)})
			target := "/__asgibox__/wait?" + long
			var clients []*client
			for range most {
				c := s.dial()
				c.get(target)
				clients = append(clients, c)
			}
			synctest.Wait()
			if n := int(s.front.own.Load()); n < most*9/10 || n > most {
				t.Errorf("%d requests run, not about %d", n, most)
			}
			refused := s.dial()
			refused.get(target)
			refused.response().check(t, 503)
			c := s.dial()
			c.get("/other")
			s.reply(s.next("http.request"), msg{"status": 200})
			c.response().check(t, 200)
			for _, c := range clients {
				c.Close()
			}
			time.Sleep(2 * watchDelay)
			synctest.Wait()
			if n, heads := s.front.own.Load(), s.front.heads.Load(); n != 0 || heads != 0 {
				t.Errorf("%d requests and %d bytes of heads still count", n, heads)
			}
		})
	}
}

func TestWithoutOwnPagesTheApplicationGetsTheirRequests(t *testing.T) {
	for _, c := range []struct {
		options Options
		events  int
	}{
		{Options{}, 1},
		{Options{Workerless: true}, 0},
		{Options{Workerless: true, NoDetails: true}, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newMemServer(t, c.options)
			client := s.dial()
			client.get("/__asgibox__/x")
			s.reply(s.next("http.request"), msg{"status": 200})
			client.response().check(t, 200)
			synctest.Wait()
			if len(s.seen) != c.events {
				t.Errorf("%+v: %d events", c.options, len(s.seen))
			}
		})
	}
}
