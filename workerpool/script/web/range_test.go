package web

import (
	"strings"
	"testing"
)

// TestRangesFollowRFC9110 requests ranges of the ten digits and of an empty
// file.
func TestRangesFollowRFC9110(t *testing.T) {
	env := folder(t, map[string]string{"static/ten": "0123456789", "static/empty": "", "static/many": strings.Repeat("a", 1000)})
	const all = "0123456789"
	for _, c := range []struct {
		file, header string
		status       int64
		content      string
		contentRange string
	}{
		{"ten", "bytes=2-4", 206, "234", "bytes 2-4/10"},
		{"ten", "BYTES=0-1", 206, "01", "bytes 0-1/10"},
		{"ten", "bytes= 8- ", 206, "89", "bytes 8-9/10"},
		{"ten", "bytes=-3", 206, "789", "bytes 7-9/10"},
		{"ten", "bytes=,0-0,", 206, "0", "bytes 0-0/10"},
		{"ten", "bytes=0-0,90-", 206, "0", "bytes 0-0/10"},
		{"ten", "bytes=0-18446744073709551616", 206, all, "bytes 0-9/10"},
		{"ten", "bytes=-18446744073709551616", 206, all, "bytes 0-9/10"},
		{"ten", "bytes=-0", 416, "", "bytes */10"},
		{"ten", "bytes=10-", 416, "", "bytes */10"},
		{"ten", "bytes=18446744073709551616-", 416, "", "bytes */10"},
		{"ten", "items=0-5", 200, all, ""},
		{"ten", "0-5", 200, all, ""},
		{"ten", "bytes=4-2", 200, all, ""},
		{"ten", "bytes=+1-2", 200, all, ""},
		{"ten", "bytes=1", 200, all, ""},
		{"ten", "bytes =0-1", 200, all, ""},
		{"ten", "bytes=", 200, all, ""},
		{"ten", "bytes=, ,", 200, all, ""},
		{"empty", "bytes=-5", 200, "", ""},
		{"empty", "bytes=0-", 200, "", ""},
	} {
		got := serveStatic(t, env, get("/static/"+c.file, headers("range", c.header)))
		if got.status != c.status || got.header("content-range") != c.contentRange || c.status != 416 && got.content != c.content {
			t.Errorf("%s of %s: got %d %q %v", c.header, c.file, got.status, got.content, got.headers)
		}
		file, err := respond(t, env, `view = lambda request: FileResponse("static/`+c.file+`")`, get("/", headers("range", c.header)))
		if err != nil || file.status != c.status || file.header("content-range") != c.contentRange {
			t.Errorf("%s of FileResponse(%s): got %d %v, %v", c.header, c.file, file.status, file.headers, err)
		}
	}
	got := serveStatic(t, env, get("/static/ten", headers("range", "bytes=0-1,8-9")))
	if got.status != 206 || !strings.Contains(got.content, "bytes 8-9/10") {
		t.Errorf("two ranges: got %d %q", got.status, got.content)
	}
	for n, status := range map[int]int64{maxRanges: 206, maxRanges + 1: 200} {
		got = serveStatic(t, env, get("/static/many", headers("range", "bytes="+strings.Repeat("0-0,", n))))
		if got.status != status {
			t.Errorf("%d ranges: got %d, want %d", n, got.status, status)
		}
	}
	got = serveStatic(t, env, get("/static/ten", verb("HEAD"), headers("range", "bytes=0-1")))
	if got.status != 200 || got.header("content-length") != "10" {
		t.Errorf("HEAD: got %d %v; only GET has ranges", got.status, got.headers)
	}
}
