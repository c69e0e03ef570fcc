package demo

import (
	"embed"
	"html/template"
	"io/fs"
	"strings"
)

// A page is one idea of the tour. The folder pages/NAME has its application
// app.star, its text text.html, and its buttons play.js.
type page struct {
	Number      int // from 1
	Name, Title string
	Flags       []string // of asgibox run, for the page's application; few workers fit on the page
	Prev, Next  *page    // nil at the ends

	original string // the application as it is embedded
	text     *template.Template
}

// Address returns the path of the page. The first page is the root.
func (p *page) Address() string {
	if p.Number == 1 {
		return "/"
	}
	return "/" + p.Name
}

// Command returns the command that serves the downloaded application.
func (p *page) Command() string {
	return strings.Join(append([]string{"asgibox run app.star"}, p.Flags...), " ")
}

//go:embed pages assets
var files embed.FS

var fewWorkers = []string{"--workers", "4"}

// pages are the pages of the tour in their order.
var pages = numbered([]*page{
	{Name: "four-lines", Title: "Four lines", Flags: fewWorkers},
	{Name: "request", Title: "Request and response", Flags: fewWorkers},
	{Name: "reply-channels", Title: "Reply channels", Flags: fewWorkers},
	{Name: "streaming", Title: "Streaming and long poll", Flags: fewWorkers},
	{Name: "events", Title: "Server-sent events", Flags: fewWorkers},
	{Name: "handshake", Title: "WebSocket handshake", Flags: fewWorkers},
	{Name: "order", Title: "Order per connection", Flags: fewWorkers},
	{Name: "groups", Title: "Groups", Flags: fewWorkers},
	{Name: "jobs", Title: "Background jobs", Flags: fewWorkers},
	{Name: "delay", Title: "Delay", Flags: fewWorkers},
	{Name: "capacity", Title: "Capacity and backpressure", Flags: []string{"--workers", "1", "--channel-capacity", "http.request=3"}},
	{Name: "expiry", Title: "Expiry", Flags: []string{"--workers", "4", "--expiry", "5s"}},
	{Name: "durability", Title: "Durability", Flags: fewWorkers},
	{Name: "chaos", Title: "At most once", Flags: []string{"--workers", "4", "--chaos", "numbered:drop=30%"}},
	{Name: "any-language", Title: "Any language", Flags: fewWorkers},
})

// numbered reads the files of the pages and links each with its neighbours.
func numbered(all []*page) []*page {
	for i, p := range all {
		p.Number = i + 1
		if i > 0 {
			p.Prev, all[i-1].Next = all[i-1], p
		}
		p.original = embedded("pages/" + p.Name + "/app.star")
		p.text = template.Must(template.New(p.Name).Parse(embedded("pages/" + p.Name + "/text.html")))
	}
	return all
}

// embedded returns the content of an embedded file.
func embedded(name string) string {
	b, err := fs.ReadFile(files, name)
	if err != nil {
		panic(err) // cannot happen: a test opens every page
	}
	return string(b)
}

// pageNamed returns the page with the name, or nil.
func pageNamed(name string) *page {
	for _, p := range pages {
		if p.Name == name {
			return p
		}
	}
	return nil
}
