package demo

import (
	"bytes"
	"errors"
	"html/template"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"sync"

	"asgibox/internal/devserver"
	"asgibox/internal/guard"
)

// policy permits the pages to load and to embed only resources of this server.
// The editor adds styles.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"connect-src 'self' ws: wss:; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// tour is the handler of the tour.
type tour struct {
	config config
	stacks *stacks
	frame  *template.Template
	list   *template.Template
	mux    *http.ServeMux
	saving sync.Mutex // one edit at a time
}

func newTour(c config, all *stacks) (*tour, error) {
	t := &tour{config: c, stacks: all, mux: http.NewServeMux()}
	var err error
	if t.frame, err = template.ParseFS(files, "assets/tour.html"); err != nil {
		return nil, err
	}
	if t.list, err = template.ParseFS(files, "assets/list.html"); err != nil {
		return nil, err
	}
	for _, p := range pages {
		address := "GET " + p.Address()
		if p.Number == 1 {
			address = "GET /{$}"
			t.mux.Handle("GET /"+p.Name, http.RedirectHandler("/", http.StatusMovedPermanently))
		}
		t.mux.HandleFunc(address, func(w http.ResponseWriter, r *http.Request) { t.page(w, r, p) })
		t.mux.Handle(mountPath(p)+"/", t.application(p))
		t.mux.Handle("/inspector/"+p.Name+"/", http.StripPrefix("/inspector/"+p.Name, t.inspector(p)))
	}
	assets, err := fs.Sub(files, "assets")
	if err != nil {
		return nil, err
	}
	t.mux.Handle("GET /assets/", noCache(http.StripPrefix("/assets/", http.FileServerFS(assets))))
	t.mux.Handle("GET /pages/", noCache(http.FileServerFS(files)))
	t.mux.HandleFunc("GET /server", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]int{"pid": os.Getpid()})
	})
	t.mux.HandleFunc("GET /download/{page}", t.ofPage(t.download))
	t.mux.Handle("POST /edit/{page}/save", t.edits(t.ofPage(t.save)))
	t.mux.Handle("POST /edit/{page}/reset", t.edits(t.ofPage(t.reset)))
	t.mux.Handle("POST /kill", t.edits(t.kill))
	return t, nil
}

// ServeHTTP requires the token for everything, if there is one.
func (t *tour) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var h http.Handler = t.mux
	if t.config.Token != "" {
		h = t.guarded(h)
	}
	h.ServeHTTP(w, r)
}

// guarded applies the access rules of the control server.
func (t *tour) guarded(h http.Handler) http.Handler {
	return guard.Handler(h, guard.Options{Token: t.config.Token})
}

// edits guards a call that changes an application or ends the server.
func (t *tour) edits(f http.HandlerFunc) http.Handler {
	if t.config.ReadOnly {
		f = func(w http.ResponseWriter, _ *http.Request) {
			fail(w, http.StatusForbidden, errors.New("other machines can reach this tour, so it cannot be changed; start it with --allow-edit"))
		}
	}
	return t.guarded(f)
}

// ofPage passes the page in the path of a request to f.
func (t *tour) ofPage(f func(http.ResponseWriter, *http.Request, *page)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p := pageNamed(strings.TrimSuffix(r.PathValue("page"), ".zip"))
		if p == nil {
			fail(w, http.StatusNotFound, errors.New("there is no such page"))
			return
		}
		f(w, r, p)
	}
}

// view holds the values that the templates show.
type view struct {
	*page
	Pages     []*page
	Body      template.HTML
	Source    string
	ReadOnly  bool
	Inspector string // URL of the page's inspector, for people and programs
	Mount     string
}

// page serves a page of the tour.
func (t *tour) page(w http.ResponseWriter, r *http.Request, p *page) {
	if t.config.Token != "" && r.URL.Query().Has("token") { // the browser has the cookie already
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	source, err := t.stacks.source(p)
	if err != nil {
		fail(w, http.StatusInternalServerError, err)
		return
	}
	v := view{page: p, Pages: pages, Source: source, ReadOnly: t.config.ReadOnly, Mount: mountPath(p), Inspector: t.inspectorURL(p)}
	var text, b bytes.Buffer
	err = p.text.Execute(&text, v)
	v.Body = template.HTML(text.String()) // a template of ours has escaped it
	if err == nil {
		err = t.frame.Execute(&b, v)
	}
	t.write(w, b.Bytes(), err)
}

// write responds with a page of HTML.
func (t *tour) write(w http.ResponseWriter, html []byte, err error) {
	if err != nil {
		fail(w, http.StatusInternalServerError, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(html)
}

// inspectorURL returns the address of a page's inspector, without a slash at its
// end: on the control server, or on the tour if there is none.
func (t *tour) inspectorURL(p *page) string {
	if t.config.Inspector == "" {
		return t.config.URL + "/inspector/" + p.Name
	}
	return t.config.Inspector + "/" + p.Name
}

// application serves the application of a page. Its responses have the origin of
// the tour, so a page of another site must not choose what they contain. The
// protocol server itself checks the origin of WebSockets, and ServeHTTP the token.
func (t *tour) application(p *page) http.Handler {
	open := t.front(p)
	guarded := t.guarded(open)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" { // a header that scripts cannot set
			open.ServeHTTP(w, r)
		} else {
			guarded.ServeHTTP(w, r)
		}
	})
}

// front passes requests to the protocol server of a page.
func (t *tour) front(p *page) http.Handler {
	return t.withStack(p, func(m *devserver.Mounted, w http.ResponseWriter, r *http.Request) {
		inner := *r // the protocol server reads the target as the client sent it
		inner.RequestURI = strings.TrimPrefix(r.RequestURI, mountPath(p))
		m.Front().ServeHTTP(w, &inner)
	})
}

// inspector serves the inspector of a page, which has the access rules of a
// control server.
func (t *tour) inspector(p *page) http.Handler {
	return t.withStack(p, func(m *devserver.Mounted, w http.ResponseWriter, r *http.Request) {
		m.Control().ServeHTTP(w, r)
	})
}

// withStack returns a handler that starts the stack of a page at its first request.
func (t *tour) withStack(p *page, serve func(m *devserver.Mounted, w http.ResponseWriter, r *http.Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m, err := t.stacks.of(p)
		if err != nil {
			fail(w, http.StatusInternalServerError, err)
			return
		}
		serve(m, w, r)
	})
}

// control returns the handler of the control server: the inspectors of all pages
// and a list of them.
func (t *tour) control() http.Handler {
	mux := http.NewServeMux()
	for _, p := range pages {
		mux.Handle("/"+p.Name+"/", http.StripPrefix("/"+p.Name, t.inspector(p)))
	}
	mux.Handle("GET /{$}", t.guarded(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var b bytes.Buffer
		err := t.list.Execute(&b, view{Pages: pages})
		t.write(w, b.Bytes(), err)
	})))
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, files, "assets/tour.css")
	})
	return mux
}

// noCache makes browsers ask for the files again, which belong to one version.
func noCache(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		h.ServeHTTP(w, r)
	})
}
