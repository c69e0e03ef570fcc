package gobuild

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// sources are the local packages that a program consists of: those of its module,
// of a workspace, and of modules that a folder replaces.
type sources struct {
	name     string // of the program's package
	packages []localPackage
}

// A localPackage has the fields of go list that say which files belong to it.
type localPackage struct {
	Dir           string
	Name          string
	Standard      bool
	EmbedPatterns []string
	Module        *struct {
		Main    bool
		Replace *struct{ Version string }
	}
}

func (p *localPackage) local() bool {
	return !p.Standard && (p.Module == nil || p.Module.Main || p.Module.Replace != nil && p.Module.Replace.Version == "")
}

// list finds the sources of the program. Mistakes in packages are not its errors.
func (b *Builder) list(ctx context.Context) (*sources, error) {
	out, err := b.run(ctx, "list", "-e", "-deps", "-json=Dir,Name,Standard,EmbedPatterns,Module", ".")
	if err != nil {
		return nil, err
	}
	found := &sources{}
	decoder := json.NewDecoder(bytes.NewReader(out))
	for {
		var p localPackage
		switch err := decoder.Decode(&p); {
		case errors.Is(err, io.EOF):
			return found, nil // the last package is the program's
		case err != nil:
			return nil, fmt.Errorf("the output of go list: %w", err)
		}
		found.name = p.Name
		if p.local() {
			found.packages = append(found.packages, p)
		}
	}
}

// Uses reports whether a change of a file, given by its absolute path, changes the
// program: the file belongs to a package of the last build, is embedded in one, or
// says which modules there are. During a build, and before the first one, all source
// files below the root count.
func (b *Builder) Uses(file string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if slices.Contains(moduleFiles, filepath.Base(file)) {
		return within(b.dir, filepath.Dir(file)) || b.sources != nil && b.sources.below(filepath.Dir(file))
	}
	if (b.building > 0 || b.sources == nil) && isSource(file) && within(file, b.root) {
		return true
	}
	return b.sources != nil && b.sources.have(file)
}

var moduleFiles = []string{"go.mod", "go.sum", "go.work", "go.work.sum"}

// sourceSuffixes are those of files that the go command compiles.
var sourceSuffixes = []string{".go", ".c", ".cc", ".cpp", ".cxx", ".m", ".h", ".hh", ".hpp", ".hxx", ".f", ".F", ".for", ".f90", ".s", ".S", ".sx", ".swig", ".swigcxx", ".syso"}

// isSource reports whether a file may belong to a package.
func isSource(file string) bool {
	return slices.Contains(sourceSuffixes, filepath.Ext(file)) && !strings.HasSuffix(file, "_test.go")
}

// below reports whether a package is in a folder or below it.
func (s *sources) below(folder string) bool {
	return slices.ContainsFunc(s.packages, func(p localPackage) bool { return within(p.Dir, folder) })
}

// have reports whether a file belongs to a package.
func (s *sources) have(file string) bool {
	return slices.ContainsFunc(s.packages, func(p localPackage) bool {
		return isSource(file) && filepath.Dir(file) == p.Dir || p.embeds(file)
	})
}

// embeds reports whether a pattern of a go:embed directive matches a file, or a
// folder that it is in.
func (p *localPackage) embeds(file string) bool {
	name, err := filepath.Rel(p.Dir, file)
	if err != nil || len(p.EmbedPatterns) == 0 {
		return false
	}
	for name = filepath.ToSlash(name); name != "." && name != ".." && name != "/"; name = path.Dir(name) {
		for _, pattern := range p.EmbedPatterns {
			if ok, _ := path.Match(strings.TrimPrefix(pattern, "all:"), name); ok {
				return true
			}
		}
	}
	return false
}

// within reports whether a path is a folder or below it.
func within(name, folder string) bool {
	rest, err := filepath.Rel(folder, name)
	return err == nil && filepath.IsLocal(rest)
}
