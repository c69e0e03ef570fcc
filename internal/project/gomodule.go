package project

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// moduleLine matches the line of a go.mod that has the path of the module.
var moduleLine = regexp.MustCompile("(?m)^\\s*module\\s+[\"`]?([^\\s\"`]+)")

// folderOfPackage matches the name of a folder that an import path can have.
var folderOfPackage = regexp.MustCompile(`^[A-Za-z0-9_.~+][A-Za-z0-9_.~+-]*$`)

// GoPackage returns the import path that a Go package in the folder dir has. It
// is empty if no readable go.mod is in the folder or above it. The folder need not
// exist.
func GoPackage(dir string) (string, error) {
	folder, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	below := "" // the path from folder to dir
	for {
		name := filepath.Join(folder, "go.mod")
		if content, err := os.ReadFile(name); err == nil {
			m := moduleLine.FindSubmatch(content)
			if m == nil {
				return "", fmt.Errorf("%s names no module; add a line like: module app", name)
			}
			for name := range strings.SplitSeq(below, "/") {
				if name != "" && (!folderOfPackage.MatchString(name) || name == "vendor") {
					return "", fmt.Errorf("the module %s can have no package in a folder with the name %q; choose a name of ASCII letters, digits, - and _", m[1], name)
				}
			}
			return path.Join(string(m[1]), below), nil
		}
		above := filepath.Dir(folder)
		if above == folder {
			return "", nil
		}
		below, folder = path.Join(filepath.Base(folder), below), above
	}
}
