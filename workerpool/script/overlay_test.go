package script_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"asgibox/httpfront"
	"asgibox/workerpool/pages"
)

// overlayApp has a view for each kind of response.
const overlayApp = `
PAGE = "<!doctype html><html><body><p>BODY: é</body></html>"

def page(request): return PAGE
def upper(request): return PAGE.replace("</body>", "</BODY>")
def fragment(request): return "<p>a fragment</p>"
def text(request): return HttpResponse(PAGE, content_type="text/plain")
def stream(request): return StreamingHttpResponse([PAGE], content_type="text/html")
def large(request): return PAGE.replace("BODY", "x" * 300000)
def sent(request): return FileResponse("page.html")
def length(request): return HttpResponse(PAGE, headers={"content-length": str(len(bytes(PAGE)))})
def tagged(request): return HttpResponse(PAGE, headers={"etag": request.GET["etag"]})
def policy(request): return HttpResponse(PAGE, headers={"content-security-policy": request.GET["policy"]})
def meta(request): return PAGE.replace("<body>", "<meta HTTP-EQUIV=Content-Security-Policy content='x'><body>")
def header(request): return HttpResponse(PAGE, headers={request.GET["name"]: request.GET["value"]})
def consumer(message): message.reply({"status": 200, "headers": [["content-type", "text/html"]], "content": PAGE})

channel_routing = [view("/" + name, fn) for name, fn in {
    "page": page, "upper": upper, "fragment": fragment, "text": text, "stream": stream, "large": large, "sent": sent,
    "length": length, "tagged": tagged, "policy": policy, "meta": meta, "header": header,
}.items()] + [static("/static/", "static"), route("http.request", consumer)]
`

const (
	overlayTag  = `<script src="/app/__asgibox__/page.js"></script>`
	overlayFile = "<body>a file</body>"
)

func overlaySite(t *testing.T, o pages.Options) *site {
	t.Helper()
	return setup{pages: o, front: httpfront.Options{RootPath: "/app"}, files: map[string]string{
		"page.html": overlayFile, "static/page.html": overlayFile,
	}}.serve(t, overlayApp)
}

func TestOnlyCompleteDocumentsOfViewsGetTheOverlay(t *testing.T) {
	s := overlaySite(t, pages.Options{Overlay: true})
	for path, want := range map[string]bool{
		"/page": true, "/upper": true, "/large": true, "/sent": true, "/length": true, "/tagged?etag=x": true,
		"/fragment": false, "/text": false, "/stream": false, "/meta": false, "/static/page.html": false, "/consumer": false,
		"/header?name=content-encoding&value=br":         false,
		"/header?name=content-disposition&value=inline":  false,
		"/header?name=content-digest&value=x":            false,
		"/header?name=cache-control&value=no-store":      true,
		"/header?name=content-type&value=Text/HTML":      true,
		"/header?name=content-type&value=text/html5":     false,
		"/header?name=content-type&value=text/html;%20c": true,
	} {
		r := s.get(path)
		if got := strings.Contains(strings.ToLower(r.body), overlayTag+"</body>"); r.status != 200 || got != want || got != strings.Contains(r.body, "<script") {
			t.Errorf("%s: %t, %v", path, got, r)
		}
		if n, err := strconv.Atoi(r.header.Get("content-length")); path != "/stream" && path != "/large" && (err != nil || n != len(r.body)) {
			t.Errorf("%s: the length is %d, but the content has %d bytes", path, n, len(r.body))
		}
	}
	for _, path := range []string{"/page", "/length", "/sent", "/text"} {
		got, head := s.get(path).header.Get("content-length"), s.do("HEAD", path, "")
		if n := head.header.Get("content-length"); n != got && (path != "/sent" || n != "") || head.body != "" {
			t.Errorf("HEAD %s: the length is %q, and %q for GET", path, n, got)
		}
	}
	for tag, want := range map[string]string{`"a"`: `W/"a"`, `W/"b"`: `W/"b"`} {
		if got := s.get("/tagged?etag=" + tag).header.Get("etag"); got != want {
			t.Errorf("the ETag %s becomes %s", tag, got)
		}
	}
	sent := s.get("/sent")
	if tag := sent.header.Get("etag"); !strings.HasPrefix(tag, "W/") || sent.header.Get("accept-ranges") != "" {
		t.Errorf("a changed file has %v", sent.header)
	} else if r := s.get("/sent", "if-none-match", tag); r.status != 304 {
		t.Errorf("with its ETag: %v", r)
	}
}

func TestTheOverlayFollowsTheContentSecurityPolicy(t *testing.T) {
	s := overlaySite(t, pages.Options{Overlay: true})
	for policy, want := range map[string]string{
		"default-src 'self'":                            `page.js"></script>`,
		"img-src 'none'; DEFAULT-SRC *":                 `page.js"></script>`,
		"script-src 'self'; style-src 'none'":           `page.js"></script>`,
		"script-src 'nonce-r4nd'; connect-src 'self'":   `page.js" nonce="r4nd"></script>`,
		"script-src 'strict-dynamic' 'nonce-q'":         `page.js" nonce="q"></script>`,
		"default-src 'self', script-src 'nonce-z'":      `page.js" nonce="z"></script>`,
		"default-src 'none'":                            "",
		"script-src 'strict-dynamic' 'self'":            "",
		"script-src 'none'":                             "",
		"script-src 'self'; connect-src 'none'":         "",
		"default-src 'self'; script-src https://x.test": "",
		"script-src 'self'; script-src-elem 'none'":     "",
		"script-src 'nonce-a', script-src 'nonce-b'":    "",
		"sandbox": "",
		"default-src 'self'; sandbox allow-scripts":      "",
		"default-src 'self', default-src 'none'":         "",
		"script-src 'sha256-x'; default-src 'self'; x y": "",
	} {
		r := s.get("/policy?policy=" + strings.NewReplacer(" ", "%20", ";", "%3B").Replace(policy))
		if got := r.header.Get("content-security-policy"); got != policy {
			t.Errorf("the policy %q became %q", policy, got)
		}
		if has := strings.Contains(r.body, "<script"); has != (want != "") || !strings.Contains(r.body, want) {
			t.Errorf("%s: %s", policy, r.body)
		}
	}
}

func TestLivePagesNeedNoBody(t *testing.T) {
	s := overlaySite(t, pages.Options{Live: true})
	for dest, want := range map[string]bool{"document": true, "empty": false, "": false} {
		r := s.get("/fragment", "sec-fetch-dest", dest)
		if got := strings.HasSuffix(r.body, overlayTag); got != want || want != (r.body != "<p>a fragment</p>") {
			t.Errorf("%q: %v", dest, r)
		}
	}
	overlay := overlaySite(t, pages.Options{Overlay: true})
	if r := overlay.get("/fragment", "sec-fetch-dest", "document"); strings.Contains(r.body, "<script") {
		t.Errorf("without --live: %v", r)
	}
	if r := overlay.get("/__asgibox__/page.js"); !strings.Contains(r.body, `version = script.dataset.version || ""`) {
		t.Errorf("pages reload without --live: %v", r)
	}
}

func TestOpenPagesLearnWhyTheApplicationDoesNotLoad(t *testing.T) {
	const good = "def index(request): return 'x'\nchannel_routing = [view('/', index)]\n"
	s := setup{pages: pages.Options{Overlay: true}}.serve(t, good)
	for _, broken := range []string{
		"x = nothing\n" + good,
		"def on_reload(): fail('bad hook')\n" + good,
		good + "channel_routing = 1\n",
	} {
		if err := s.reload(broken); err == nil {
			t.Fatalf("it loads: %s", broken)
		}
		if r := s.get("/__asgibox__/state"); !strings.Contains(r.body, "app.star does not load; generation") || !strings.Contains(r.body, "app.star:1:") && !strings.Contains(r.body, "app.star:2:") {
			t.Errorf("%s: %v", broken, r)
		}
	}
	if err := s.reload(good); err != nil {
		t.Fatal(err)
	}
	if r := s.get("/__asgibox__/state"); strings.Contains(r.body, "does not load") {
		t.Errorf("after the fix: %v", r)
	}
	if fmt.Sprint(s.get("/__asgibox__/none").status) != "404" {
		t.Error("there is a page that nothing needs")
	}
}
