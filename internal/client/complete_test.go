package client

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestProposedPathsHaveNoControlCharacters(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"connections":[{"channel":"web!c1","path":"/\u001b]0;x\u0007\n"}]}`)
	}))
	defer server.Close()
	cmd := newKill()
	cmd.SetContext(t.Context())
	if err := cmd.Flags().Set("control", server.URL); err != nil {
		t.Fatal(err)
	}
	names, _ := completeSockets(cmd, nil, "")
	if len(names) != 1 || !strings.HasPrefix(names[0], "web!c1\t/") || strings.ContainsAny(names[0], "\x1b\x07\n") {
		t.Errorf("the names are %q", names)
	}
}
