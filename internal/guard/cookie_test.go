package guard

import (
	"net/http"
	"slices"
	"testing"
)

func TestTheTokensCookieIsRemoved(t *testing.T) {
	for _, c := range []struct{ cookies, want []string }{
		{[]string{"asgibox_control=SECRET"}, nil},
		{[]string{"a=1; asgibox_control=SECRET; b=2"}, []string{"a=1; b=2"}},
		{[]string{"asgibox_control=SECRET; b=2"}, []string{"b=2"}},
		{[]string{"a=1;asgibox_control =SECRET"}, []string{"a=1"}},
		{[]string{"a=1", "asgibox_control=SECRET", "b=2"}, []string{"a=1", "b=2"}},
		{[]string{"asgibox_control=SECRET; a=1; asgibox_control=SECRET"}, []string{"a=1"}},
		{[]string{"asgibox_control_8001=SECRET; asgibox_control_=SECRET; a=1"}, []string{"a=1"}},
		{[]string{"asgibox_controls=x; x=asgibox_control"}, []string{"asgibox_controls=x; x=asgibox_control"}},
		{[]string{"a= 1 ;b"}, []string{"a= 1 ;b"}},
		{nil, nil},
	} {
		h := http.Header{"Accept": {"*/*"}}
		if c.cookies != nil {
			h["Cookie"] = slices.Clone(c.cookies)
		}
		RemoveCookie(h)
		if _, has := h["Cookie"]; !slices.Equal(h["Cookie"], c.want) || has != (c.want != nil) || h.Get("Accept") == "" {
			t.Errorf("%q: %q, want %q", c.cookies, h, c.want)
		}
	}
}
