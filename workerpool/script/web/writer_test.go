package web

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"asgibox/asgi"
)

func TestAResponseWriterSendsFewMessages(t *testing.T) {
	var got reply
	w := &responseWriter{sender: &Sender{Send: got.send, Piece: 10}, header: http.Header{"X-A": {"1", "2"}}}
	w.WriteHeader(100)
	w.WriteHeader(201)
	w.WriteHeader(500) // the first counts
	for range 7 {
		if _, err := io.WriteString(w, "four"); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	if got.status != 201 || got.header("x-a") != "1 | 2" || got.content != strings.Repeat("four", 7) || len(got.messages) != 3 {
		t.Errorf("got %+v", got)
	}
}

func TestAResponseWriterReturnsTheErrorOfTheSender(t *testing.T) {
	gone := errors.New("gone")
	w := &responseWriter{sender: &Sender{Send: func(asgi.Message) error { return gone }, Piece: 1}, header: http.Header{}}
	if _, err := io.WriteString(w, "two"); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
	if err := w.close(); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
}
