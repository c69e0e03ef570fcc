package web

import (
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"time"

	"asgibox/asgi"
	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

// Cookies iterates over the values of the cookies with a name in a request or
// handshake. It skips malformed cookies, which another program may have set.
func Cookies(m asgi.Message, name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for n, v := range cookies(m) {
			if n == name && !yield(v) {
				return
			}
		}
	}
}

// cookies iterates over the cookies of a message. If several cookies have the
// same name, the first one counts, because it has the longest path.
func cookies(m asgi.Message) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for _, line := range headerValues(m, "cookie") {
			if !parseCookies(line, yield) {
				return
			}
		}
	}
}

func parseCookies(line string, yield func(name, value string) bool) bool {
	for pair := range strings.SplitSeq(line, ";") {
		name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || name == "" {
			continue
		}
		if n := len(value); n > 1 && value[0] == '"' && value[n-1] == '"' {
			value = value[1 : n-1]
		}
		if !yield(asText(name), asText(value)) {
			return false
		}
	}
	return true
}

// setCookie implements response.set_cookie.
func (r *Response) setCookie(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if r.frozen {
		return nil, errFrozen
	}
	c := http.Cookie{Path: "/"}
	var value, maxAge, expires starlark.Value = starlark.String(""), starlark.None, starlark.None
	var sameSite string
	err := starlark.UnpackArgs("set_cookie", args, kwargs, "name", &c.Name, "value?", &value, "max_age?", &maxAge, "expires?", &expires,
		"path?", &c.Path, "domain?", &c.Domain, "secure?", &c.Secure, "httponly?", &c.HttpOnly, "samesite?", &sameSite)
	if err != nil {
		return nil, err
	}
	if c.Value, err = cookieValue(value); err != nil {
		return nil, err
	}
	if err := cookieAge(&c, maxAge, expires); err != nil {
		return nil, err
	}
	if err := cookieSite(&c, sameSite); err != nil {
		return nil, err
	}
	if err := checkCookie(&c); err != nil {
		return nil, fmt.Errorf("set_cookie: %w", err)
	}
	r.headers = append(r.headers, header{"set-cookie", c.String()})
	return starlark.None, nil
}

// maxCookie is how many bytes of a cookie's name and value a browser accepts
// (RFC 6265bis, section 5.6).
const maxCookie = 4096

// checkCookie returns an error for a cookie that a browser would ignore or never
// send back.
func checkCookie(c *http.Cookie) error {
	if c.Path != "" && c.Path[0] != '/' {
		return fmt.Errorf("the path is %q; it must begin with /", c.Path)
	}
	for i := range len(c.Path) {
		// A browser escapes these in a URL, so that no URL has this path.
		if b := c.Path[i]; b <= ' ' || b >= 0x7f || strings.IndexByte("\"#;<>?\\^`{}", b) >= 0 {
			return explain.Hintf("write quote(path) here", "the path contains %q, which no URL's path contains", firstRune(c.Path[i:]))
		}
	}
	if (&http.Cookie{Name: c.Name}).Valid() != nil {
		return fmt.Errorf("the name is %q; use letters, digits, - and _", c.Name)
	}
	if (&http.Cookie{Name: c.Name, Domain: c.Domain}).Valid() != nil {
		return fmt.Errorf("the domain is %q; it must be a host like example.org", c.Domain)
	}
	if n := len(c.Name) + len(c.Value); n > maxCookie {
		return fmt.Errorf("the name and the value have %d bytes; browsers accept at most %d", n, maxCookie)
	}
	if strings.HasPrefix(c.Name, "__Secure-") && !c.Secure {
		return explain.Hintf("write secure=True", "a cookie with the name %s must be secure", c.Name)
	}
	if strings.HasPrefix(c.Name, "__Host-") && (!c.Secure || c.Path != "/" || c.Domain != "") {
		return explain.Hintf(`write secure=True, path="/" and no domain`, "a cookie with the name %s must be secure, for all paths, and for this host only", c.Name)
	}
	if err := c.Valid(); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "http: "))
	}
	return nil
}

// cookieValue returns the value as text. It fails if a cookie cannot contain the
// text, because the browser would change it.
func cookieValue(v starlark.Value) (string, error) {
	switch v.(type) {
	case starlark.String, starlark.Int:
	default:
		return "", fmt.Errorf("set_cookie: the value is %s; it must be text", value.An(v))
	}
	s, err := value.Text(v)
	if err != nil {
		return "", fmt.Errorf("set_cookie: %w", err)
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '"' || c == ',' || c == ';' || c == '\\' {
			return "", explain.Hintf("write quote(value) here, and unquote(value) to read it",
				"set_cookie: the value contains %q, which is not allowed in a cookie", firstRune(s[i:]))
		}
	}
	return s, nil
}

func firstRune(s string) string {
	for _, r := range s {
		return string(r)
	}
	return ""
}

func cookieAge(c *http.Cookie, maxAge, expires starlark.Value) error {
	if maxAge != starlark.None {
		seconds, err := starlark.AsInt32(maxAge)
		if err != nil {
			return fmt.Errorf("set_cookie: max_age: %w (in seconds)", err)
		}
		if c.MaxAge = seconds; seconds <= 0 {
			c.MaxAge = -1 // net/http writes 0, which deletes the cookie
		}
	}
	if expires == starlark.None {
		return nil
	}
	seconds, ok := starlark.AsFloat(expires)
	if !ok {
		return fmt.Errorf("set_cookie: expires is %s; it must be a time in seconds since 1970", value.An(expires))
	}
	c.Expires = time.Unix(int64(seconds), 0).UTC()
	return nil
}

func cookieSite(c *http.Cookie, site string) error {
	switch strings.ToLower(site) {
	case "":
	case "lax":
		c.SameSite = http.SameSiteLaxMode
	case "strict":
		c.SameSite = http.SameSiteStrictMode
	case "none":
		c.SameSite, c.Secure = http.SameSiteNoneMode, true // browsers require Secure
	default:
		return fmt.Errorf(`set_cookie: samesite is %q; it must be "Lax", "Strict" or "None"`, site)
	}
	return nil
}

// deleteCookie implements response.delete_cookie.
func (r *Response) deleteCookie(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if r.frozen {
		return nil, errFrozen
	}
	c := http.Cookie{Path: "/", MaxAge: -1}
	if err := starlark.UnpackArgs("delete_cookie", args, kwargs, "name", &c.Name, "path?", &c.Path, "domain?", &c.Domain); err != nil {
		return nil, err
	}
	c.Secure = strings.HasPrefix(c.Name, "__Secure-") || strings.HasPrefix(c.Name, "__Host-") // browsers require it
	if err := checkCookie(&c); err != nil {
		return nil, fmt.Errorf("delete_cookie: %w", err)
	}
	r.headers = append(r.headers, header{"set-cookie", c.String()})
	return starlark.None, nil
}
