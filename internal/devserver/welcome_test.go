package devserver

import (
	"net/http/httptest"
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
