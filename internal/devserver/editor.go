package devserver

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"asgibox/inspector/api"
)

// An Editor is the form of the URLs that open a place in an editor. It contains
// {path} or {file}, and may contain {line} and {column}. In a query, {file} is
// the path; elsewhere {path} is the path with its slashes.
type Editor string

// EditorOff is the name of no editor.
const EditorOff = "off"

// editors are the forms of known editors.
var editors = func() map[string]Editor {
	forms := map[string]Editor{
		"emacs":    "emacs://open?url=file://{path}&line={line}&column={column}",
		"macvim":   "mvim://open?url=file://{path}&line={line}&column={column}",
		"nova":     "nova://open?path={file}&line={line}",
		"sublime":  "subl://open?url=file://{path}&line={line}&column={column}",
		"textmate": "txmt://open?url=file://{path}&line={line}&column={column}",
	}
	for _, name := range []string{"cursor", "vscode", "vscode-insiders", "vscodium", "windsurf", "zed"} {
		forms[name] = Editor(name + "://file{path}:{line}:{column}")
	}
	for _, name := range []string{"clion", "goland", "idea", "phpstorm", "pycharm", "rider", "rubymine", "rustrover", "webstorm"} {
		forms[name] = Editor(name + "://open?file={file}&line={line}&column={column}")
	}
	return forms
}()

// Editors returns the names of the known editors, sorted.
func Editors() []string { return slices.Sorted(maps.Keys(editors)) }

// editorForm matches a URL with a scheme that only other programs open.
var editorForm = regexp.MustCompile(`^([a-z][a-z0-9+.-]*):.*\{(path|file)\}`)

// ParseEditor returns the editor of a name or a form. An empty name selects the
// editor whose terminal the program runs in, according to the environment. If
// there is none, the editor is "".
func ParseEditor(name string, getenv func(string) string) (Editor, error) {
	if name == "" {
		name = terminalEditor(getenv)
	}
	if name == EditorOff {
		return "", nil
	}
	if e, ok := editors[name]; ok {
		return e, nil
	}
	form := editorForm.FindStringSubmatch(name)
	switch {
	case form == nil:
		return "", fmt.Errorf(`%q is none of %s, and not a form of URL like my-editor://open?file={file}&line={line}`, name, strings.Join(Editors(), ", "))
	case slices.Contains(api.PageSchemes, form[1]):
		return "", errors.New("a browser opens URLs with " + form[1] + ": itself; want the scheme of an editor")
	}
	return Editor(name), nil
}

// terminalEditor returns the name of the editor whose terminal this is, or "off".
func terminalEditor(getenv func(string) string) string {
	switch {
	case getenv("TERMINAL_EMULATOR") == "JetBrains-JediTerm":
		return "idea"
	case getenv("ZED_TERM") != "":
		return "zed"
	case getenv("TERM_PROGRAM") != "vscode":
		return EditorOff
	case getenv("CURSOR_TRACE_ID") != "":
		return "cursor"
	}
	return "vscode"
}

// URL returns the URL that opens a place, or "" without an editor. Path is
// absolute.
func (e Editor) URL(path string, line, col int) string {
	if e == "" {
		return ""
	}
	path = strings.ReplaceAll(path, `\`, "/")
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive of Windows
	}
	escaped := strings.NewReplacer("&", "%26", "=", "%3D", "+", "%2B", "'", "%27").Replace((&url.URL{Path: path}).EscapedPath())
	return strings.NewReplacer(
		"{path}", escaped,
		"{file}", queryEscape(strings.TrimPrefix(path, drivePrefix(path))),
		"{line}", strconv.Itoa(max(line, 1)),
		"{column}", strconv.Itoa(max(col, 1)),
	).Replace(string(e))
}

// queryEscape escapes a value of a query. Editors do not read a plus as a space.
func queryEscape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// drivePrefix returns the slash before a drive of Windows, or "".
func drivePrefix(path string) string {
	if len(path) > 2 && path[2] == ':' {
		return "/"
	}
	return ""
}
