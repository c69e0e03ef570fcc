package guard

import "testing"

func TestTheTokensCookieIsRemoved(t *testing.T) {
	for _, c := range []struct{ header, want string }{
		{"asgibox_control=SECRET", ""},
		{"a=1; asgibox_control=SECRET; b=2", "a=1; b=2"},
		{"asgibox_control=SECRET; b=2", "b=2"},
		{"a=1;asgibox_control =SECRET", "a=1"},
		{"asgibox_control=SECRET; a=1; asgibox_control=SECRET", "a=1"},
		{"asgibox_control_8001=SECRET; asgibox_control_=SECRET; a=1", "a=1"},
		{"asgibox_controls=x; x=asgibox_control", "asgibox_controls=x; x=asgibox_control"},
		{"a= 1 ;b", "a= 1 ;b"},
		{"", ""},
	} {
		if got := RemoveCookie(c.header); got != c.want {
			t.Errorf("%q: %q, want %q", c.header, got, c.want)
		}
	}
}
