package web

import (
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/template/parse"
	"unicode/utf8"

	"asgibox/asgi"
	"asgibox/workerpool/script/explain"

	"go.starlark.net/starlark"
)

// maxTemplate is the size of the largest template, in bytes. The parser is
// recursive, and a stack overflow would end the process. Templates of this size
// cannot cause one.
const maxTemplate = 1 << 20

const (
	// maxTemplates is the size of the cache of templates, in bytes of text. A file may
	// have many names, and a client may choose one.
	maxTemplates = 32 << 20
	// templateBytes is about what a short template takes in the cache.
	templateBytes = 2 << 10
)

// templates caches the templates read so far, each with the templates that it
// includes. A generation reads each template only once, unless the cache gets full.
type templates struct {
	root *os.Root
	used func(name string) // called before a file is opened
	open func(name string) (*os.File, fs.FileInfo, error)

	mu   sync.Mutex // guards the fields below
	sets map[string]*pageTemplate
	text map[string]string
	size int // of both, about
}

// render implements render(template, context, status, content_type, headers).
func (e *Env) render(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var name string
	var context, status, headers starlark.Value = starlark.None, starlark.MakeInt(200), starlark.None
	contentType := htmlType
	err := starlark.UnpackArgs(b.Name(), args, kwargs, "template", &name, "context?", &context, "status?", &status,
		"content_type?", &contentType, "headers?", &headers)
	if err != nil {
		return nil, err
	}
	data, err := templateData(context)
	if err != nil {
		return nil, err
	}
	r := newResponse(200, contentType)
	if r.content, err = e.execute(name, data); err != nil {
		return nil, err
	}
	return r.finish(b, status, headers)
}

// Render returns the page that a template makes of a context.
func (e *Env) Render(name string, context asgi.Dict) (asgi.Bytes, error) {
	return e.execute(name, plainData(context))
}

func (e *Env) execute(name string, data any) (asgi.Bytes, error) {
	t, err := e.templates.get(name)
	if err != nil {
		return "", err
	}
	text, err := t.execute(data)
	if err != nil {
		return "", e.templates.explain(err, data)
	}
	return asgi.Bytes(text), nil
}

// Source returns the text of a template that was read, for package explain.
func (e *Env) Source(file string) (string, bool) {
	e.templates.mu.Lock()
	defer e.templates.mu.Unlock()
	text, ok := e.templates.text[file]
	return text, ok
}

// CheckTemplate reads and parses a template and those that it includes.
func (e *Env) CheckTemplate(name string) error {
	_, err := e.templates.get(name)
	return err
}

func (t *templates) get(name string) (*pageTemplate, error) {
	name, err := cleanPath(name)
	if err != nil {
		return nil, fmt.Errorf("render: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if made, ok := t.sets[name]; ok {
		return made, nil
	}
	if t.sets == nil || t.size > maxTemplates {
		t.sets, t.text, t.size = map[string]*pageTemplate{}, map[string]string{}, 0
	}
	set, err := t.loadLocked(name)
	if err != nil {
		return nil, err
	}
	made := &pageTemplate{parsed: set}
	t.sets[name] = made
	return made, nil
}

// loadLocked reads and parses a template and all templates that it includes,
// directly or not. Included templates are parsed first, so that definitions in
// the including template replace their blocks.
func (t *templates) loadLocked(name string) (*template.Template, error) {
	files, err := t.filesLocked(name)
	if err != nil {
		return nil, err
	}
	set := template.New(name).Option("missingkey=error")
	for _, f := range slices.Backward(files) {
		part := set
		if f != name {
			part = set.New(f)
		}
		if _, err := part.Parse(t.text[f]); err != nil {
			return nil, t.explainLocked(err, nil)
		}
	}
	for _, f := range files {
		t.size += len(t.text[f])
	}
	for _, part := range set.Templates() {
		if part.Tree != nil {
			guard{part.Tree}.list(part.Tree.Root)
		}
	}
	return set, nil
}

// filesLocked returns the files of a template, its own file first.
func (t *templates) filesLocked(name string) ([]string, error) {
	if err := t.readLocked(name); err != nil {
		return nil, fmt.Errorf("render: %w", err)
	}
	files, defined := []string{name}, map[string]bool{}
	var refs []reference
	for i := 0; i < len(files); i++ {
		trees, err := parseTree(files[i], t.text[files[i]])
		if err != nil {
			return nil, t.explainLocked(err, nil)
		}
		for _, tree := range trees {
			defined[tree.Name] = true
		}
		for _, tree := range trees {
			refs = includes(refs, tree.Root, files[i])
		}
		for _, ref := range refs {
			if defined[ref.name] || slices.Contains(files, ref.name) {
				continue
			}
			clean, err := cleanPath(ref.name)
			if err == nil {
				err = t.readLocked(clean)
			}
			if err != nil {
				return nil, t.referenceErrorLocked(ref, err.Error(), hintOf(err))
			}
			if clean != ref.name {
				return nil, t.referenceErrorLocked(ref, fmt.Sprintf("%q is not a clean path", ref.name), fmt.Sprintf("write %q", clean))
			}
			files = append(files, ref.name)
		}
		refs = refs[:0]
	}
	return files, nil
}

// referenceErrorLocked returns an error at the name in a reference.
func (t *templates) referenceErrorLocked(ref reference, message, hint string) error {
	e := &TemplateError{ref.file, ref.line, 0, message, hint}
	line := lineOf(t.text[ref.file], ref.line)
	if at := strings.Index(line, strconv.Quote(ref.name)); at >= 0 {
		e.Col = utf8.RuneCountInString(line[:at]) + 1
	}
	return e
}

// readLocked reads a template's file into text.
func (t *templates) readLocked(name string) error {
	t.used(name)
	f, _, err := t.open(name)
	if err != nil {
		return fileError(t.root, name, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxTemplate+1))
	if err != nil {
		return err
	}
	if len(data) > maxTemplate {
		return fmt.Errorf("%s is longer than %d bytes", name, maxTemplate)
	}
	text, line, err := explain.SourceText(data)
	if err != nil {
		return &TemplateError{name, line, 0, err.Error(), hintOf(err)}
	}
	if _, known := t.text[name]; !known {
		t.size += templateBytes + len(text)
	}
	t.text[name] = text
	return checkLanguage(name, text)
}

// checkLanguage fails if a template contains {% … %}, which belongs to other
// template languages and would be sent to the client unchanged.
func checkLanguage(name, text string) error {
	i := strings.Index(text, "{%")
	if i < 0 {
		return nil
	}
	before := text[:i]
	return &TemplateError{
		File: name, Line: 1 + strings.Count(before, "\n"), Col: i - strings.LastIndex(before, "\n"),
		Message: "templates have no {% … %}",
		hint:    `write {{range .rooms}} … {{end}}, {{if .user}} … {{else}} … {{end}}, {{template "base.html" .}}`,
	}
}

// parseTree parses one file. It does not check that functions exist.
func parseTree(name, text string) (map[string]*parse.Tree, error) {
	tree := parse.New(name)
	tree.Mode = parse.SkipFuncCheck
	trees := map[string]*parse.Tree{}
	_, err := tree.Parse(text, "", "", trees)
	return trees, err
}

// A reference is a {{template "name"}} in a file.
type reference struct {
	name, file string
	line       int
}

// includes appends the references in a part of a template to refs.
func includes(refs []reference, node parse.Node, file string) []reference {
	switch n := node.(type) {
	case *parse.ListNode:
		if n == nil {
			return refs
		}
		for _, inner := range n.Nodes {
			refs = includes(refs, inner, file)
		}
	case *parse.IfNode:
		refs = includes(includes(refs, n.List, file), n.ElseList, file)
	case *parse.RangeNode:
		refs = includes(includes(refs, n.List, file), n.ElseList, file)
	case *parse.WithNode:
		refs = includes(includes(refs, n.List, file), n.ElseList, file)
	case *parse.TemplateNode:
		refs = append(refs, reference{n.Name, file, n.Line})
	}
	return refs
}
