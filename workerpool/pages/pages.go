// Package pages makes the pages about an application that every host of
// applications shares: pages about failures, the script that open pages have, and
// the state that they poll.
package pages

import (
	"path/filepath"
	"strings"
	"sync"

	"asgibox/asgi"
	"asgibox/workerpool/script/explain"
)

// Options configure [Pages]. With the zero value, pages have nothing that only the
// author of the application may see.
type Options struct {
	// App names the application in messages.
	App string
	// Folder is the folder to which the files of frames are relative.
	Folder string
	// Live adds a small script to HTML pages that reloads them when the
	// application changes. They show errors of a load too.
	Live bool
	// Overlay adds a small script to HTML documents that shows errors of a load
	// while the old application continues.
	Overlay bool
	// Production keeps errors from clients: error pages show only the status,
	// and the pages that open error pages poll do not exist.
	Production bool
	// Locals shows the variables of each call on error pages, if the Host of the
	// request is a loopback name or missing.
	Locals bool
	// Editor returns a URL that opens a place in an editor, or "". Path is
	// absolute, line counts from 1, and col does too, or is 0 if it is unknown.
	Editor func(path string, line, col int) string
	// Inspector returns the URL that shows the failure of a trace, or "".
	Inspector func(asgi.TraceID) string
}

// Pages are the pages about one application. Its methods may be called from any
// goroutine.
type Pages struct {
	opts Options

	mu      sync.Mutex // guards the rest
	current uint64
	failed  int           // number of failed loads
	changes int           // number of changes of served files
	events  int           // number of changes of the state
	error   *pageError    // of the last load, if it failed
	drained bool          // the server stops: no page may wait
	changed chan struct{} // closed when the state changes
}

// New returns the pages about an application that is not loaded yet.
func New(o Options) *Pages { return &Pages{opts: o, changed: make(chan struct{})} }

// editorURL returns a URL that opens the place of a frame in an editor, or "".
func (p *Pages) editorURL(f explain.Frame) string {
	if p.opts.Editor == nil {
		return ""
	}
	return p.EditorURL(f, p.opts.Editor)
}

// EditorURL returns the URL that opens the place of a frame, or "" if its file is
// neither in the folder of the application nor has an absolute path. URL makes it
// of an absolute path, the line and the column.
func (p *Pages) EditorURL(f explain.Frame, url func(path string, line, col int) string) string {
	path := filepath.FromSlash(f.File)
	if !filepath.IsAbs(path) {
		if !filepath.IsLocal(path) || strings.HasPrefix(path, "<") {
			return ""
		}
		var err error
		if path, err = filepath.Abs(filepath.Join(p.opts.Folder, path)); err != nil {
			return ""
		}
	}
	return url(path, f.Line, f.Col)
}
