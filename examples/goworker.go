package examples

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

//go:embed go-worker/README.md go-worker/main.go go-worker/page.html
//go:embed go-worker/asgibox/frame.go go-worker/asgibox/layer.go
var goWorker embed.FS

// goWorkerFolder has a worker in Go, which runs here too. Its package asgibox
// needs no other package of this module.
const goWorkerFolder = "go-worker"

// Go is the template of a worker in Go. Its files are those of [GoFiles].
var Go = Template{"go", "a worker in Go: a page, and a WebSocket that everyone hears"}

// GoFiles returns the contents of the files of a worker in Go by path. Their
// folder has the import path pkg, which is not empty. If newModule is set, the
// files make the folder a module of that path.
func GoFiles(pkg string, newModule bool) (map[string][]byte, error) {
	files := map[string][]byte{}
	if newModule {
		files["go.mod"] = []byte("module " + pkg + "\n\ngo 1.22\n")
	}
	err := fs.WalkDir(goWorker, goWorkerFolder, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := goWorker.ReadFile(name)
		here := `"asgibox/examples/` + goWorkerFolder + `/asgibox"`
		there := `"` + path.Join(pkg, "asgibox") + `"`
		files[strings.TrimPrefix(name, goWorkerFolder+"/")] = []byte(strings.ReplaceAll(string(content), here, there))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("template %s: %w", Go.Name, err)
	}
	return files, nil
}
