package devserver

import (
	"path"
	"slices"
)

// watchPatterns are the patterns of --watch. A pattern with a slash matches
// paths relative to the application's folder, another one names in any folder.
type watchPatterns []string

func (all watchPatterns) match(file string) bool {
	return slices.ContainsFunc(all, func(pattern string) bool {
		for _, name := range []string{file, path.Base(file)} {
			if ok, _ := path.Match(pattern, name); ok { // the flag has checked the pattern
				return true
			}
		}
		return false
	})
}
