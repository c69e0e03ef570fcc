package devserver

import (
	"asgibox/asgi"
	"asgibox/workerpool"
	"asgibox/workerpool/pages"
	"asgibox/workerpool/script"
)

// A loader loads the generations of an application. Names of files are relative to
// the application's folder.
type loader interface {
	workerpool.Loader
	// Uses reports whether a change of the file needs a new generation.
	Uses(name string) bool
	// Serves reports whether the application serves the file to browsers.
	Serves(name string) bool
}

// newLoader returns the loader of the application on the layer.
func (g *generations) newLoader(o *Options, layer asgi.Layer) loader {
	if o.newLoader != nil {
		return o.newLoader(g.pages)
	}
	scripts := o.Script
	scripts.Follow, scripts.Locals, scripts.Pages = g.follow, !o.Pages.Production, g.pages
	scripts.Layer, scripts.Log = layer, g.log
	scripts.Private, scripts.Secret = privateFiles(g.app.Folder, o), isSecret
	return script.NewLoader(g.app.Path, scripts)
}

// newPages returns the pages about the application. Only clients on this machine
// may see its variables and where its files are.
func newPages(app Application, o *Options, events poolEvents) *pages.Pages {
	p := o.Pages
	p.App, p.Folder = app.short(), app.Folder
	if events.local {
		p.Locals, p.Inspector = true, events.inspect
		if o.Editor != "" {
			p.Editor = o.Editor.URL
		}
	}
	return pages.New(p)
}
