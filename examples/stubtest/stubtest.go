// Package stubtest reads the stubs that tell editors the names of the API, for
// tests that compare them with the API.
package stubtest

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"asgibox/examples"
)

// Stubs are names that the stubs declare.
type Stubs struct {
	// Names has the type of each variable, and "" for a function or a class.
	Names map[string]string
	// Members has the sorted members of each class, without those of Python
	// itself.
	Members map[string][]string
	// Dicts has the classes that are dicts, too.
	Dicts map[string]bool
}

// Application returns the names for applications.
func Application(t testing.TB) Stubs {
	t.Helper()
	application, _ := halves(t)
	return parse(application)
}

// Tests returns the names that only tests of applications have.
func Tests(t testing.TB) Stubs {
	t.Helper()
	_, tests := halves(t)
	return parse(tests)
}

func halves(t testing.TB) (application, tests string) {
	t.Helper()
	files, err := examples.Templates[0].Files()
	if err != nil {
		t.Fatal(err)
	}
	application, tests, found := strings.Cut(string(files["__builtins__.pyi"]), "\n# Tests")
	if !found {
		t.Fatal("the stubs have no part for tests")
	}
	return application, tests
}

var (
	class    = regexp.MustCompile(`^class (\w+)(\(dict\b)?`)
	function = regexp.MustCompile(`^def (\w+)\(`)
	variable = regexp.MustCompile(`^(\w+): (\w+)$`)
	member   = regexp.MustCompile(`^    (?:def (\w+)\(|(\w+): )`)
)

func parse(text string) Stubs {
	s := Stubs{map[string]string{}, map[string][]string{}, map[string]bool{}}
	inside := "" // the class
	for line := range strings.SplitSeq(text, "\n") {
		if m := class.FindStringSubmatch(line); m != nil {
			inside = m[1]
			s.Names[inside], s.Members[inside], s.Dicts[inside] = "", nil, m[2] != ""
		} else if m := function.FindStringSubmatch(line); m != nil {
			s.Names[m[1]] = ""
		} else if m := variable.FindStringSubmatch(line); m != nil {
			s.Names[m[1]] = m[2]
		} else if m := member.FindStringSubmatch(line); m != nil && inside != "" {
			if name := m[1] + m[2]; !strings.HasPrefix(name, "__") {
				s.Members[inside] = append(s.Members[inside], name)
			}
		}
	}
	for _, members := range s.Members {
		slices.Sort(members)
	}
	return s
}
