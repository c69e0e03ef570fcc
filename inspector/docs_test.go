package inspector

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func document(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("../docs/inspector.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheDocumentNamesEveryMetric(t *testing.T) {
	text := document(t)
	descs := make(chan *prometheus.Desc, 100)
	(&metrics{}).Describe(descs)
	calls := NewLayerCalls()
	calls.durations.Describe(descs)
	calls.errors.Describe(descs)
	close(descs)
	known := map[string]bool{}
	for d := range descs {
		name := regexp.MustCompile(`asgibox_[a-z_]+`).FindString(d.String())
		known[name] = true
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("%s is not in docs/inspector.md", name)
		}
	}
	for _, name := range regexp.MustCompile(`asgibox_[a-z_]+`).FindAllString(text, -1) {
		if !known[name] {
			t.Errorf("docs/inspector.md names %s, which does not exist", name)
		}
	}
}

func TestTheDocumentNamesEveryFilterTerm(t *testing.T) {
	text := document(t)
	for key := range filterKeys {
		if !strings.Contains(text, "| `"+key+":") {
			t.Errorf("%s: is not in docs/inspector.md", key)
		}
	}
	for key := range requestKeys {
		if !strings.Contains(text, "| `"+key+":") {
			t.Errorf("%s: is not in docs/inspector.md", key)
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(text, -1) {
		if !strings.Contains(m[1], ":") || strings.HasPrefix(m[1], "asgibox") {
			continue
		}
		_, err := parseFilter(m[1])
		if _, asRequest := parseRequestFilter(m[1]); err != nil && asRequest != nil {
			t.Errorf("docs/inspector.md: %v; as a filter of requests: %v", err, asRequest)
		}
	}
}

func TestTheDocumentNamesEveryView(t *testing.T) {
	text := document(t)
	script, err := pageFiles.ReadFile("page/js/app.js")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(script), "const titles = {")
	list, _, _ := strings.Cut(rest, "}")
	titles := regexp.MustCompile(`: "([A-Z][a-z]+)"`).FindAllStringSubmatch(list, -1)
	if len(titles) != 11 {
		t.Fatalf("%d views", len(titles))
	}
	for _, m := range titles {
		if !strings.Contains(text, "| "+m[1]+" |") {
			t.Errorf("the view %s is not in docs/inspector.md", m[1])
		}
	}
}

func TestThePageLoadsOnlyItsOwnFiles(t *testing.T) {
	b := newBench(t, nil)
	_, html := b.get("/")
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(string(html), -1) {
		if strings.HasPrefix(m[1], "#") {
			continue
		}
		if strings.Contains(m[1], "//") {
			t.Errorf("the page loads %s", m[1])
		} else if status, _ := b.get("/" + m[1]); status != 200 {
			t.Errorf("%s: status %d", m[1], status)
		}
	}
}
