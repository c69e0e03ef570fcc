package remote

import (
	"os"
	"strings"
	"testing"
)

// TestDocumentListsEveryCallAndKind checks that docs/layer-http.md is complete.
func TestDocumentListsEveryCallAndKind(t *testing.T) {
	b, err := os.ReadFile("../../docs/layer-http.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for name, c := range calls {
		if !strings.Contains(text, "`"+Prefix+name+"`") {
			t.Errorf("the call %s is missing", name)
		}
		for _, key := range c.keys {
			if !strings.Contains(text, "`"+key+"`") {
				t.Errorf("%s: the key %s is missing", name, key)
			}
		}
	}
	for _, row := range errorTable {
		if !strings.Contains(text, "`"+row.kind+"`") {
			t.Errorf("the error %s is missing", row.kind)
		}
	}
}

// TestSocketDocumentListsEveryCall checks that docs/layer-socket.md is complete.
func TestSocketDocumentListsEveryCall(t *testing.T) {
	b, err := os.ReadFile("../../docs/layer-socket.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for name, c := range calls {
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("the call %s is missing", name)
		}
		for _, key := range c.keys {
			if !strings.Contains(text, "`"+key+"`") {
				t.Errorf("%s: the key %s is missing", name, key)
			}
		}
	}
}
