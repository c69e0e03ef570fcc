package web

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"
)

// maxParts is the largest number of fields and files in one form. Each takes far
// more memory than its bytes.
const maxParts = 1000

const formFull = "cannot read the form"

// readForm caches the attributes POST and FILES. Both are empty if the body is
// not a form.
func (r *Request) readForm() error {
	fields, uploads := newMulti("POST"), newMulti("FILES")
	contentType, _ := headerValue(r.message, "content-type")
	kind, params, _ := mime.ParseMediaType(contentType)
	if kind == "application/x-www-form-urlencoded" || kind == "multipart/form-data" {
		body, err := r.readAll()
		if err != nil {
			return err
		}
		if kind == "multipart/form-data" {
			err = r.readParts(string(body), params["boundary"], fields, uploads)
		} else {
			err = r.readURLEncoded(string(body), fields)
		}
		if err != nil {
			return err
		}
	}
	r.cache("POST", fields)
	r.cache("FILES", uploads)
	return nil
}

func (r *Request) readURLEncoded(body string, fields *Multi) error {
	if strings.Count(body, "&") >= maxParts {
		return badRequest("the form has more than %d fields", maxParts)
	}
	if strings.ContainsAny(body, "%+") || !utf8.ValidString(body) { // it is copied
		if err := r.reserve(formFull, 3*len(body)); err != nil {
			return err
		}
	}
	fields.parseQuery(body)
	return nil
}

func (r *Request) readParts(body, boundary string, fields, uploads *Multi) error {
	if boundary == "" {
		return badRequest("the multipart form names no boundary")
	}
	if !strings.Contains(body, "--"+boundary+"--") {
		return badRequest("the form is broken: the closing boundary is missing") // the reader does not always notice
	}
	if err := r.reserve(formFull, len(body)); err != nil {
		return err
	}
	reader := multipart.NewReader(strings.NewReader(body), boundary)
	ahead := multipart.NewReader(strings.NewReader(body), boundary) // to know the length of a part
	for n := 0; ; n++ {
		part, err := reader.NextPart()
		if err == io.EOF {
			return nil
		}
		if err == nil && n == maxParts {
			return badRequest("the form has more than %d fields", maxParts)
		}
		if err == nil {
			err = r.addPart(part, ahead, fields, uploads)
		}
		if refused := new(RequestError); errors.As(err, &refused) {
			return refused
		}
		if err != nil {
			return badRequest("the form is broken: %s", strings.TrimPrefix(err.Error(), "multipart: "))
		}
	}
}

// fileField matches the header of a file, even of one without a name. A field
// may have the name "filename".
var fileField = regexp.MustCompile(`(?i);\s*filename[*=\s]`)

func (r *Request) addPart(part *multipart.Part, ahead *multipart.Reader, fields, uploads *Multi) error {
	same, err := ahead.NextPart()
	if err != nil {
		return err
	}
	length, err := io.Copy(io.Discard, same)
	if err != nil {
		return err
	}
	var data strings.Builder
	data.Grow(int(length))
	if _, err := io.Copy(&data, part); err != nil {
		return err
	}
	name := strings.ToValidUTF8(part.FormName(), "\uFFFD")
	if name == "" {
		return errors.New("a part has no name")
	}
	if part.FileName() == "" && !fileField.MatchString(part.Header.Get("Content-Disposition")) {
		text, err := r.validText(formFull, data.String())
		if err != nil {
			return err
		}
		fields.add(name, text)
		return nil
	}
	if part.FileName() == "" {
		return nil // an empty file field
	}
	kind := part.Header.Get("Content-Type")
	if kind == "" {
		kind = "application/octet-stream"
	}
	uploads.add(name, &upload{
		object: "file", content: starlark.Bytes(data.String()), kind: asText(kind),
		name: strings.ToValidUTF8(baseName(part.FileName()), "\uFFFD"),
	})
	return nil
}

// baseName returns a file's name without folders, in the syntax of any system.
func baseName(name string) string {
	return name[strings.LastIndexAny(name, `/\`)+1:]
}

// An upload is a file of a form.
type upload struct {
	object
	name, kind string
	content    starlark.Bytes
}

func (u *upload) AttrNames() []string {
	return []string{"content", "content_type", "name", "read", "size"}
}

func (u *upload) Attr(name string) (starlark.Value, error) {
	switch name {
	case "name":
		return starlark.String(u.name), nil
	case "content_type":
		return starlark.String(u.kind), nil
	case "size":
		return starlark.MakeInt(len(u.content)), nil
	case "content":
		return u.content, nil
	case "read":
		return method(name, func(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			return u.content, starlark.UnpackPositionalArgs(name, args, kwargs, 0)
		}), nil
	}
	return nil, nil
}
