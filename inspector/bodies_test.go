package inspector

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi/remote"
	"asgibox/store"
)

// TestLongBodiesWaitForEachOther has a client that stops within a body that
// needs all the memory.
func TestLongBodiesWaitForEachOther(t *testing.T) {
	text := strings.Repeat("x", 2*freeBody)
	send := func(text string) string {
		return fmt.Sprintf(`{"channel": "c", "message": {"text": "%s"}}`, text)
	}
	for _, path := range []string{"/layer/send", "/api/send"} {
		for _, stalled := range []string{fmt.Sprintf("Content-Length: %d\r\n\r\n", bodyMemory), "Transfer-Encoding: chunked\r\n\r\n9000\r\n"} {
			synctest.Test(t, func(t *testing.T) {
				layer := store.Memory(store.Options{})
				defer layer.Close(t.Context())
				h := remote.NewHandler(layer, remote.Options{})
				defer h.Close()
				s, err := New(Options{Layer: layer, Token: "secret", Remote: h})
				if err != nil {
					t.Fatal(err)
				}
				l := make(onPipe, 4)
				var running sync.WaitGroup
				running.Go(func() { _ = s.http.Serve(l) })
				began := time.Now()
				// post checks the status of a request and when its response comes.
				post := func(name, path, head, body string, status int, after time.Duration) {
					client, server := net.Pipe()
					l <- server
					running.Go(func() {
						_, _ = io.WriteString(client, "POST "+path+" HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret\r\n"+head+body)
					})
					running.Go(func() {
						defer client.Close()
						resp, err := http.ReadResponse(bufio.NewReader(client), nil)
						if err != nil {
							t.Error(err)
							return
						}
						reply, _ := io.ReadAll(resp.Body)
						if resp.StatusCode != status || time.Since(began) != after {
							t.Errorf("%s: %s after %v: %s; want %d after %v", name, resp.Status, time.Since(began), reply, status, after)
						}
					})
					synctest.Wait()
				}
				declared := func(body string) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body)) }
				post("a body that stops", "/api/playback", stalled, strings.Repeat(" ", freeBody+1), 408, silenceTimeout)
				post("a long body", path, declared(send(text)), send(text), 200, silenceTimeout)
				post("a long body of unknown length", path, "Transfer-Encoding: chunked\r\n\r\n",
					fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(send(text)), send(text)), 200, silenceTimeout)
				post("a short body", path, declared(send("x")), send("x"), 200, 0)
				time.Sleep(silenceTimeout + time.Second)
				close(l)
				_ = s.Shutdown(t.Context())
				running.Wait()
			})
		}
	}
}

// TestBodiesWaitForMemoryForALimitedTime uses up the memory.
func TestBodiesWaitForMemoryForALimitedTime(t *testing.T) {
	for _, shutdown := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			layer := store.Memory(store.Options{})
			defer layer.Close(t.Context())
			s, err := New(Options{Layer: layer})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Shutdown(t.Context()) }()
			full := &limitedBody{life: s.life, memory: s.bodies, length: bodyMemory}
			if err := full.hold(); err != nil {
				t.Fatal(err)
			}
			defer full.release()
			want := bodyTimeout
			if shutdown {
				want = time.Second
				time.AfterFunc(want, s.end)
			}
			began := time.Now()
			waiting := &limitedBody{life: s.life, memory: s.bodies, length: 2 * freeBody, read: freeBody}
			_, err = waiting.Read(make([]byte, 1))
			if e := remote.ErrorOf(err); e.Status() != 503 || time.Since(began) != want {
				t.Errorf("shutdown %v: %v after %v", shutdown, err, time.Since(began))
			}
		})
	}
}
