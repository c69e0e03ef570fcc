package process

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSocketDocumentListsTheCallsOfChildren checks that docs/layer-socket.md has the
// calls that are not those of the layer.
func TestSocketDocumentListsTheCallsOfChildren(t *testing.T) {
	page, err := os.ReadFile("../../docs/layer-socket.md")
	if err != nil {
		t.Fatal(err)
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]bool{"hello": true}
	choice := regexp.MustCompile(`(?s)switch f\.call \{\n(.*?)\n\t\}`)
	name := regexp.MustCompile(`(?:case |, |f\.call == )"([a-z_0-9]+)"`)
	for _, source := range sources {
		text, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		parts := regexp.MustCompile(`f\.call == "[a-z_0-9]+"`).FindAllString(string(text), -1)
		for _, m := range choice.FindAllStringSubmatch(string(text), -1) {
			parts = append(parts, m[1])
		}
		for _, part := range parts {
			for _, m := range name.FindAllStringSubmatch(part, -1) {
				calls[m[1]] = true
			}
		}
	}
	for call := range handlerCalls {
		calls[call] = true
	}
	if !calls["ready"] || !calls["cancel"] {
		t.Fatalf("the calls are not found in the source: %v", calls)
	}
	for call := range calls {
		if !strings.Contains(string(page), "`"+call+"`") {
			t.Errorf("the call %s is missing", call)
		}
	}
}
