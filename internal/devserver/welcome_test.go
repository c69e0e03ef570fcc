package devserver

import (
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

// A page of another site could make the user click a button that it cannot press.
func TestNoPageFramesTheWelcomePage(t *testing.T) {
	w := &welcome{Welcome: &Welcome{}, app: "app.star", choosing: true}
	for _, path := range []string{"/", "/rooms"} {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Accept", "text/html")
		res := httptest.NewRecorder()
		w.handler().ServeHTTP(res, r)
		if got := res.Header().Get("Content-Security-Policy"); got != "frame-ancestors 'none'" {
			t.Errorf("%s: the policy is %q", path, got)
		}
	}
}

// TestOtherMachinesDoNotLearnTheFolder checks the page on an address that they can reach.
func TestOtherMachinesDoNotLearnTheFolder(t *testing.T) {
	folder := t.TempDir()
	for _, choosing := range []bool{true, false} {
		for _, accept := range []string{"text/html", "*/*"} {
			w := &welcome{Welcome: &Welcome{}, app: filepath.Join(folder, "app.star"), choosing: choosing}
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Accept", accept)
			res := httptest.NewRecorder()
			w.handler().ServeHTTP(res, r)
			if got := res.Body.String(); strings.Contains(got, filepath.Base(folder)) != choosing || !strings.Contains(got, "app.star") {
				t.Errorf("choosing %v, %s: the page is %s", choosing, accept, got)
			}
		}
	}
}
