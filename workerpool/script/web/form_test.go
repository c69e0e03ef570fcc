package web

import (
	"errors"
	"strings"
	"testing"

	"asgibox/asgi"
)

func urlencoded(body string) asgi.Message {
	return get("/", verb("POST"), headers("content-type", "application/x-www-form-urlencoded; charset=utf-8"), bodyField(body))
}

func TestURLEncodedForm(t *testing.T) {
	checkEval(t, urlencoded("name=J%C3%B6rg&tag=a&tag=b"), [][2]string{
		{`request.POST["name"]`, `"Jörg"`},
		{`request.POST.getlist("tag")`, `["a", "b"]`},
		{`request.FILES`, `{}`},
		{`request.body`, `b"name=J%C3%B6rg&tag=a&tag=b"`},
	})
}

const multipartBody = "--XX\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nCaf\xc3\xa9\r\n" +
	"--XX\r\nContent-Disposition: form-data; name=\"doc\"; filename=\"C:\\\\tmp\\\\a b.txt\"\r\nContent-Type: text/plain\r\n\r\nline\r\nline\r\n" +
	"--XX\r\nContent-Disposition: form-data; name=\"doc\"; filename=\"2.bin\"\r\n\r\n\x00\xff\r\n" +
	"--XX\r\nContent-Disposition: form-data; name=\"none\"; filename=\"\"\r\nContent-Type: application/octet-stream\r\n\r\n\r\n" +
	"--XX--\r\n"

func formData(body string) asgi.Message {
	return get("/", verb("POST"), headers("content-type", "multipart/form-data; boundary=XX"), bodyField(body))
}

func TestUploads(t *testing.T) {
	checkEval(t, formData(multipartBody), [][2]string{
		{`request.POST`, `{"title": "Café"}`},
		{`request.FILES.keys()`, `["doc"]`},
		{`request.FILES["doc"].name`, `"a b.txt"`},
		{`request.FILES["doc"].content_type`, `"text/plain"`},
		{`request.FILES["doc"].size`, `10`},
		{`request.FILES["doc"].read()`, `b"line\r\nline"`},
		{`request.FILES["doc"].content`, `b"line\r\nline"`},
		{`[f.name for f in request.FILES.getlist("doc")]`, `["a b.txt", "2.bin"]`},
		{`request.FILES.getlist("doc")[1].content_type`, `"application/octet-stream"`},
	})
}

const partHead = "Content-Disposition: form-data; name=\"a\"\r\n"

var longHead = partHead + strings.Repeat("a: b\r\n", maxPartHead/6)

func TestBrokenFormsAreRequestErrors(t *testing.T) {
	many := strings.Repeat("a=1&", maxFields+1)
	parts := strings.Repeat("--XX\r\n"+partHead+"\r\n1\r\n", maxFields+1) + "--XX--\r\n"
	for what, m := range map[string]asgi.Message{
		"cut short":          formData(multipartBody[:len(multipartBody)-20]),
		"no boundary":        get("/", headers("content-type", "multipart/form-data"), bodyField("x")),
		"no name":            formData("--XX\r\nContent-Disposition: form-data\r\n\r\nx\r\n--XX--\r\n"),
		"too many fields":    urlencoded(many),
		"too many parts":     formData(parts),
		"nothing like parts": formData("hello"),
		"long headers":       formData("--XX\r\n" + longHead + "\r\n1\r\n--XX--\r\n"),
		"later long headers": formData(multipartBody[:len(multipartBody)-4] + "\r\n" + longHead + "\r\n1\r\n--XX--\r\n"),
	} {
		_, err := respond(t, folder(t, nil), "def view(request):\n  return request.POST\n", m)
		var wrong *RequestError
		if !errors.As(err, &wrong) || wrong.Status != 400 {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

func TestABodyThatIsNotAFormHasNoFields(t *testing.T) {
	checkEval(t, get("/", headers("content-type", "application/json"), bodyField(`a=1`)), [][2]string{{`request.POST`, `{}`}})
}

// TestALongFormIsRefusedBeforeAllHasArrived reads forms that never end.
func TestALongFormIsRefusedBeforeAllHasArrived(t *testing.T) {
	for kind, field := range map[string]string{
		"application/x-www-form-urlencoded": "a&",
		"multipart/form-data; boundary=XX":  "--XX\r\n" + partHead + "\r\n1\r\n",
	} {
		m := get("/", headers("content-type", kind), asgi.Field{Key: "body_channel", Value: "http.request.body?x"})
		read := 0
		r := NewRequest(m, Hooks{More: func() (asgi.Bytes, error) {
			if read++; read > 3*maxFields*len(field) {
				t.Fatalf("%s: the form is not refused", kind)
			}
			at := (read - 1) % len(field)
			return asgi.Bytes(field[at : at+1]), nil
		}})
		for range 2 {
			_, err := r.Attr("POST")
			var wrong *RequestError
			if !errors.As(err, &wrong) || wrong.Status != 400 || !strings.Contains(err.Error(), "more than 1000 fields") {
				t.Errorf("%s: got %v", kind, err)
			}
		}
	}
}

func TestARequestMayHaveAThousandFields(t *testing.T) {
	part := "--XX\r\n" + partHead + "\r\n1\r\n"
	for what, c := range map[string]struct {
		attr string
		make func(n int) asgi.Message
	}{
		"a form":                    {"POST", func(n int) asgi.Message { return urlencoded("a" + strings.Repeat("&a", n-1)) }},
		"parts":                     {"POST", func(n int) asgi.Message { return formData(strings.Repeat(part, n) + "--XX--\r\n") }},
		"parts after an empty line": {"POST", func(n int) asgi.Message { return formData("\r\n" + strings.Repeat(part, n) + "--XX--\r\n") }},
		"a query string":            {"GET", func(n int) asgi.Message { return get("/?a" + strings.Repeat("&a", n-1)) }},
		"a form that ends in &":     {"POST", func(n int) asgi.Message { return urlencoded(strings.Repeat("a&", n)) }},
		"a query that ends in &":    {"GET", func(n int) asgi.Message { return get("/?" + strings.Repeat("a&", n)) }},
		"cookies that end in ;":     {"COOKIES", func(n int) asgi.Message { return get("/", headers("cookie", strings.Repeat("a=1; ", n))) }},
		"cookies":                   {"COOKIES", func(n int) asgi.Message { return get("/", headers("cookie", "a=1"+strings.Repeat("; a=1", n-1))) }},
	} {
		if _, err := NewRequest(c.make(1000), Hooks{}).Attr(c.attr); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		_, err := NewRequest(c.make(1001), Hooks{}).Attr(c.attr)
		var wrong *RequestError
		if !errors.As(err, &wrong) || wrong.Status != 400 || !strings.Contains(err.Error(), "more than 1000") {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

// TestALineThatBeginsLikeTheBoundaryIsContent: it does not make a long text a head, and does
// not make a long head short.
func TestALineThatBeginsLikeTheBoundaryIsContent(t *testing.T) {
	long := "hello\r\n--XXL " + strings.Repeat("word ", 1000)
	v, err := NewRequest(formData("--XX\r\n"+partHead+"\r\n"+long+"\r\n--XX--\r\n"), Hooks{}).Attr("POST")
	if err != nil || !strings.Contains(v.String(), "word word") {
		t.Errorf("got %.80v, %v", v, err)
	}
	head := strings.Repeat("a: "+strings.Repeat("b", 1000)+"\r\n--XXL: b\r\n", 10)
	_, err = NewRequest(formData("--XX\r\n"+partHead+head+"\r\n1\r\n--XX--\r\n"), Hooks{}).Attr("POST")
	if err == nil || !strings.Contains(err.Error(), "more than 4096 bytes of headers") {
		t.Errorf("a long head: %v", err)
	}
}
