package web

import (
	"errors"
	"io"
	"iter"
	"mime"
	"mime/multipart"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"
)

const (
	// maxFields is the largest number of fields and files of a form, fields of a query
	// string, and cookies. Each takes far more memory than its bytes.
	maxFields = 1000
	// maxPartHead is how many bytes of headers a part of a form may have. Each header
	// takes far more memory and time than its bytes.
	maxPartHead = 4 << 10
	// maxBoundary is how many bytes a boundary may have, by RFC 2046.
	maxBoundary = 70
)

const formFull = "cannot read the form"

// readForm caches the attributes POST and FILES. Both are empty if the body is
// not a form.
func (r *Request) readForm() error {
	fields, uploads := newMulti("POST"), newMulti("FILES")
	contentType, _ := headerValue(r.message, "content-type")
	var err error
	switch kind, params, _ := mime.ParseMediaType(contentType); kind {
	case "multipart/form-data":
		err = r.readParts(params["boundary"], fields, uploads)
	case "application/x-www-form-urlencoded":
		err = r.readURLEncoded(fields)
	}
	if err != nil {
		return err
	}
	r.cache("POST", fields)
	r.cache("FILES", uploads)
	return nil
}

// A counter counts a separator in a text while it grows.
type counter struct {
	separator string
	most      int // which a form may have
	n, next   int // separators that begin before the index next
}

func (c *counter) check(text string) error {
	c.n += strings.Count(text[c.next:], c.separator)
	c.next = max(c.next, len(text)-len(c.separator)+1)
	if c.n > c.most {
		return badRequest("the form has more than %d fields", maxFields)
	}
	return nil
}

// formBody returns the body of a form with at most so many separators.
func (r *Request) formBody(separator string, most int) (string, error) {
	c := counter{separator: separator, most: most}
	body, err := r.readChecked(c.check)
	if err != nil {
		return "", err
	}
	return string(body), c.check(string(body)) // it may have been read before
}

// tooManyFields reports whether a text has more than maxFields fields. A separator may
// end it.
func tooManyFields(text, separator string) bool {
	return strings.Count(strings.TrimSuffix(text, separator), separator) >= maxFields
}

func (r *Request) readURLEncoded(fields *Multi) error {
	body, err := r.formBody("&", maxFields)
	if err != nil {
		return err
	}
	if tooManyFields(body, "&") {
		return badRequest("the form has more than %d fields", maxFields)
	}
	if strings.ContainsAny(body, "%+") || !utf8.ValidString(body) { // it is copied
		if err := r.reserve(formFull, 3*len(body)); err != nil {
			return err
		}
	}
	fields.parseQuery(body)
	return nil
}

func (r *Request) readParts(boundary string, fields, uploads *Multi) error {
	if boundary == "" {
		return badRequest("the multipart form names no boundary")
	}
	if len(boundary) > maxBoundary {
		return badRequest("the form is broken: the boundary has more than %d bytes", maxBoundary)
	}
	delimiter := "\n--" + boundary
	body, err := r.formBody(delimiter, maxFields+1) // one ends the form, and one may begin it
	if err != nil {
		return err
	}
	if !strings.Contains(body, "--"+boundary+"--") {
		return badRequest("the form is broken: the closing boundary is missing") // the reader does not always notice
	}
	if hasLongHead(body, delimiter) {
		return badRequest("the form is broken: a part has more than %d bytes of headers", maxPartHead)
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
		if err == nil && n == maxFields {
			return badRequest("the form has more than %d fields", maxFields)
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

// hasLongHead reports whether a part has too many bytes of headers. What stands before
// the first part and after the last counts as parts.
func hasLongHead(body, delimiter string) bool {
	for part := range parts(body, delimiter) {
		head := part[:min(len(part), maxPartHead)]
		if len(head) == maxPartHead && !strings.Contains(head, "\n\r\n") && !strings.Contains(head, "\n\n") {
			return true
		}
	}
	return false
}

// parts yields what stands before, between and after the delimiters of a form. A line
// that only begins like a delimiter is content.
func parts(body, delimiter string) iter.Seq[string] {
	return func(yield func(string) bool) {
		start := 0
		for i := 0; ; {
			n := strings.Index(body[i:], delimiter)
			if n < 0 {
				yield(body[start:])
				return
			}
			end := i + n + len(delimiter)
			if rest := body[end:]; rest == "" || strings.ContainsRune("\r\n \t-", rune(rest[0])) {
				if !yield(body[start : i+n]) {
					return
				}
				start = end
			}
			i = end
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
