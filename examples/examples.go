// Package examples has the applications that asgibox new copies. Each runs where
// it is, too: asgibox run examples/chat/app.star.
package examples

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// The pattern of a folder leaves out files whose names begin with a dot or an
// underscore, such as the data of an application that runs here.
//
//go:embed api chat hello jobs longpoll poll sse
//go:embed editor/__builtins__.pyi editor/.vscode/settings.json
var embedded embed.FS

// editorFolder has the files that make editors complete and check the API. They
// are part of every template.
const editorFolder = "editor"

// A Template is an application to start from.
type Template struct {
	Name    string
	Summary string
}

// Templates are sorted from the simplest to the largest.
var Templates = []Template{
	{"hello", "a page that greets its visitors and counts them"},
	{"poll", "votes, whose results every browser sees at once over a WebSocket"},
	{"longpoll", "a notice board by long polling"},
	{"sse", "a thermometer by server-sent events"},
	{"api", "a JSON API with users, sessions and a login"},
	{"jobs", "work in the background that reports its progress"},
	{"chat", "a chat with rooms, a history, and a list of the people in each room"},
}

// Files returns the contents of the template's files by path.
func (t Template) Files() (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, folder := range []string{t.Name, editorFolder} {
		err := fs.WalkDir(embedded, folder, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || path.Ext(name) == ".py" { // the same application in Python
				return err
			}
			content, err := embedded.ReadFile(name)
			files[strings.TrimPrefix(name, folder+"/")] = content
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("template %s: %w", t.Name, err)
		}
	}
	return files, nil
}
