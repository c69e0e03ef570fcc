package script_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.starlark.net/starlark"
)

// stubs are the names that __builtins__.pyi declares for editors.
type stubs struct {
	names   map[string]string          // type of a variable, or "" for a function or class
	members map[string]map[string]bool // of a class
	dicts   map[string]bool            // classes that are dicts
}

var (
	stubClass    = regexp.MustCompile(`^class (\w+)(\(dict\b)?`)
	stubFunction = regexp.MustCompile(`^def (\w+)\(`)
	stubVariable = regexp.MustCompile(`^(\w+): (\w+)$`)
	stubMember   = regexp.MustCompile(`^    (?:def (\w+)\(|(\w+): )`)
)

func parseStubs(t *testing.T, file string) stubs {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := stubs{map[string]string{}, map[string]map[string]bool{}, map[string]bool{}}
	class := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		if m := stubClass.FindStringSubmatch(line); m != nil {
			class = m[1]
			s.names[class], s.members[class], s.dicts[class] = "", map[string]bool{}, m[2] != ""
		} else if m := stubFunction.FindStringSubmatch(line); m != nil {
			s.names[m[1]] = ""
		} else if m := stubVariable.FindStringSubmatch(line); m != nil {
			s.names[m[1]] = m[2]
		} else if m := stubMember.FindStringSubmatch(line); m != nil && class != "" {
			if name := m[1] + m[2]; !strings.HasPrefix(name, "__") {
				s.members[class][name] = true
			}
		}
	}
	return s
}

// stubExamples has an expression for a value of each class that has no name in
// applications.
var stubExamples = map[string]string{
	"Message":          `request.message`,
	"Session":          `request.session`,
	"Request":          `request`,
	"Multi":            `request.GET`,
	"Upload":           `request.FILES["file"]`,
	"_ResponseHeaders": `HttpResponse().headers`,
	"Error":            `attempt(fail)[1]`,
	"Match":            `re.match("", "")`,
	"HttpResult":       `http.get("http://" + request.headers["host"] + "/static/a")`,
	"Time":             `time.now()`,
	"Duration":         `time.second`,
	// Classes whose names are functions of applications.
	"Channel":      `Channel("a")`,
	"Group":        `Group("a")`,
	"HttpResponse": `HttpResponse()`,
}

// TestEditorsKnowEveryName checks that the stubs for editors declare exactly the
// names that applications can use, and their members.
func TestEditorsKnowEveryName(t *testing.T) {
	const file = "../../examples/editor/__builtins__.pyi"
	s := parseStubs(t, file)
	site := setup{files: map[string]string{"static/a": "a"}}.serve(t, `channel_routing = []`)
	names, err := site.loader.Names()
	if err != nil {
		t.Fatal(err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return starlark.Universe.Has(name) && name != "fail" })

	examples := maps.Clone(stubExamples)
	for _, name := range names {
		class, declared := s.names[name]
		if !declared {
			t.Errorf("%s does not declare %s", file, name)
		}
		if class != "" {
			examples[class] = name
		}
	}
	for name := range s.names {
		_, isClass := examples[name]
		if !isClass && !slices.Contains(names, name) && !slices.Contains(notInApplications, name) {
			t.Errorf("%s declares %s, which applications do not have", file, name)
		}
	}
	for class, members := range membersOf(t, site, examples) {
		if s.dicts[class] {
			members = slices.DeleteFunc(members, func(name string) bool {
				v, _ := (*starlark.Dict)(nil).Attr(name)
				return v != nil && !s.members[class][name]
			})
		}
		want, have := slices.Sorted(slices.Values(members)), slices.Sorted(maps.Keys(s.members[class]))
		if want = slices.Compact(want); !slices.Equal(have, want) {
			t.Errorf("%s declares %s with\n%v, but it has\n%v", file, class, have, want)
		}
	}
}

// notInApplications are names in the stubs that are not predeclared: the load
// statement, Starlark's functions that differ from Python's, and the type of routes.
var notInApplications = []string{"load", "type", "bytes", "_Route"}

// membersOf returns the members of the values of expressions.
func membersOf(t *testing.T, site *site, expressions map[string]string) map[string][]string {
	t.Helper()
	var app strings.Builder
	app.WriteString("def index(request):\n    return {\n")
	for name, expression := range expressions {
		fmt.Fprintf(&app, "        %q: dir(%s),\n", name, expression)
	}
	app.WriteString("    }\nchannel_routing = [view(\"/\", index), static(\"/static/\", \"static\")]\n")
	if err := site.reload(app.String()); err != nil {
		t.Fatal(err)
	}
	const form = "--x\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\na\r\n--x--\r\n"
	r := site.do("POST", "/", form, "content-type", "multipart/form-data; boundary=x")
	var members map[string][]string
	if err := json.Unmarshal([]byte(r.body), &members); err != nil {
		t.Fatalf("%v: %s", err, r)
	}
	return members
}
