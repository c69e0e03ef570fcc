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

func TestBrokenFormsAreRequestErrors(t *testing.T) {
	many := strings.Repeat("a=1&", maxParts+1)
	parts := strings.Repeat("--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n", maxParts+1) + "--XX--\r\n"
	for what, m := range map[string]asgi.Message{
		"cut short":          formData(multipartBody[:len(multipartBody)-20]),
		"no boundary":        get("/", headers("content-type", "multipart/form-data"), bodyField("x")),
		"no name":            formData("--XX\r\nContent-Disposition: form-data\r\n\r\nx\r\n--XX--\r\n"),
		"too many fields":    urlencoded(many),
		"too many parts":     formData(parts),
		"nothing like parts": formData("hello"),
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
