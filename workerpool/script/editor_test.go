package script_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"asgibox/examples/stubtest"

	"go.starlark.net/starlark"
)

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
	stubs := stubtest.Application(t)
	site := setup{files: map[string]string{"static/a": "a"}}.serve(t, `channel_routing = []`)
	names, err := site.loader.Names()
	if err != nil {
		t.Fatal(err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return starlark.Universe.Has(name) && name != "fail" })
	values := maps.Clone(stubExamples)
	for _, name := range names {
		class, declared := stubs.Names[name]
		if !declared {
			t.Errorf("the stubs do not declare %s", name)
		}
		if class != "" {
			values[class] = name
		}
	}
	for name := range stubs.Names {
		_, isClass := values[name]
		if !isClass && !slices.Contains(names, name) && !slices.Contains(notInApplications, name) {
			t.Errorf("the stubs declare %s, which applications do not have", name)
		}
	}
	for class, members := range membersOf(t, site, values) {
		declared := stubs.Members[class]
		if stubs.Dicts[class] {
			members = slices.DeleteFunc(members, func(name string) bool {
				v, _ := (*starlark.Dict)(nil).Attr(name)
				return v != nil && !slices.Contains(declared, name)
			})
		}
		slices.Sort(members)
		if members = slices.Compact(members); !slices.Equal(members, declared) {
			t.Errorf("the stubs declare %s with\n%v, but it has\n%v", class, declared, members)
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
