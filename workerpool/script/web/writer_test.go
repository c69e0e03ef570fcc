package web

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"asgibox/asgi"
)

func TestAnyHandlerInGoServesARequest(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Add("X-A", "1")
		w.Header().Add("X-A", "2")
		w.WriteHeader(201)
		w.WriteHeader(500) // the first counts
		fmt.Fprintf(w, "%s %s %s %s %s %s", r.Method, r.URL, r.Host, r.RemoteAddr, r.Header.Get("X-B"), body)
	})
	m := get("/a b?c=d", verb("POST"), headers("host", "example.org", "x-b", "b"), bodyField("one "), asgi.Field{Key: "body_channel", Value: "http.request.body?x"})
	var got reply
	if err := ServeHTTP(h, NewRequest(m, Hooks{More: inPieces("two")}), &Sender{Send: got.send}); err != nil {
		t.Fatal(err)
	}
	if got.status != 201 || got.header("x-a") != "1 | 2" || got.content != "POST /a%20b?c=d example.org 10.0.0.7:4321 b one two" {
		t.Errorf("got %+v", got)
	}
}

func TestAHandlerThatFlushes(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "one")
		w.(http.Flusher).Flush()
		io.WriteString(w, "two")
	})
	var got reply
	if err := ServeHTTP(h, NewRequest(get("/"), Hooks{}), &Sender{Send: got.send}); err != nil {
		t.Fatal(err)
	}
	if len(got.messages) != 2 || got.content != "onetwo" || got.messages[0].Bytes("content") != "one" {
		t.Errorf("got %+v", got)
	}
}

func TestAHandlerWhoseClientIsGone(t *testing.T) {
	gone := errors.New("gone")
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "one") })
	if err := ServeHTTP(h, NewRequest(get("/"), Hooks{}), &Sender{Send: func(asgi.Message) error { return gone }}); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
}
