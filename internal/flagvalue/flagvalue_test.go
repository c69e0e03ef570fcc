package flagvalue

import (
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90": 90 * time.Second, "90s": 90 * time.Second, "1m30s": 90 * time.Second,
		"0": 0, "0.5": 500 * time.Millisecond, "250ms": 250 * time.Millisecond, "-1": Forever,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%s is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "x", "-2", "-1s", "NaN", "Inf", "1e300", "1 m", "1ns", "0.0001", "87601h", "315360001"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%s is %v", text, got)
		}
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int{
		"65536": 65536, "64k": 65536, "64KiB": 65536, "64 kb": 65536, "1MiB": 1 << 20, "1m": 1 << 20, "1.5g": 3 << 29, "0": 0,
	} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("%s is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "k", "-1", "1x", "1e9", "0x10", "1_000", "99999999g", "1 2k", "1025g"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%s is %v", text, got)
		}
	}
}

func TestParseSetting(t *testing.T) {
	if got, err := ParseSetting("a=b=c"); err != nil || got != (Setting{"a", "b=c"}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{"", "a", "=b"} {
		if got, err := ParseSetting(text); err == nil {
			t.Errorf("%s is %v", text, got)
		}
	}
}

func TestDefaultsAreWrittenShort(t *testing.T) {
	for want, d := range map[string]time.Duration{"2m": 2 * time.Minute, "24h": 24 * time.Hour, "1m30s": 90 * time.Second, "-1": Forever, "10s": 10 * time.Second, "0s": 0} {
		if got := (Duration{To: &d, Zero: true}).String(); got != want {
			t.Errorf("%v is written as %s", d, got)
		}
	}
	for want, n := range map[string]int{"1MiB": 1 << 20, "64KiB": 1 << 16, "1000": 1000, "2GiB": 2 << 30, "0": 0} {
		if got := (Size[int]{&n}).String(); got != want {
			t.Errorf("%v is written as %s", n, got)
		}
	}
}

func TestFlagsRefuseInvalidValues(t *testing.T) {
	d, n, c := time.Second, 7, "full"
	for text, v := range map[string]interface{ Set(string) error }{
		"-1":    Duration{To: &d},
		"0":     Duration{To: &d},
		"0k":    Size[int]{&n},
		"6":     Number{&n, 7, 9},
		"10":    Number{&n, 7, 9},
		"seven": Number{&n, 0, 9},
		"some":  Choice{&c, []string{"full", "none"}},
		"x":     List[Setting]{Parse: ParseSetting},
	} {
		if v.Set(text) == nil {
			t.Errorf("%T accepts %s", v, text)
		}
	}
	if d != time.Second || n != 7 || c != "full" {
		t.Errorf("a refused value was stored: %v, %v, %v", d, n, c)
	}
	if err := (Duration{To: &d, Forever: true}).Set("-1"); err != nil || d != Forever {
		t.Error(err)
	}
}

func TestListAppendsValues(t *testing.T) {
	var to []Setting
	l := List[Setting]{To: &to, Parse: ParseSetting}
	if l.Set("a=1") != nil || l.Set("b=2") != nil || len(to) != 2 {
		t.Error(to)
	}
	if got := l.Split("a=1,b=2"); len(got) != 2 {
		t.Error(got)
	}
	l.Separator = " "
	if got := l.Split("a=1,b=2 c=3"); len(got) != 2 {
		t.Error(got)
	}
}

func FuzzDuration(f *testing.F) {
	for _, seed := range []string{"90", "1m30s", "-1", "1e9", "0.1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDuration(text)
		if err != nil {
			return
		}
		if d < 0 && d != Forever {
			t.Fatalf("%q is %v", text, d)
		}
		if again, err := ParseDuration((Duration{To: &d, Zero: true}).String()); err != nil || again != d {
			t.Fatalf("%q is %v, which is written and parsed as %v, %v", text, d, again, err)
		}
	})
}

func FuzzSize(f *testing.F) {
	for _, seed := range []string{"65536", "64k", "1MiB", "1.5 g"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := ParseSize(text)
		if err != nil {
			return
		}
		if again, err := ParseSize((Size[int]{&n}).String()); err != nil || again != n {
			t.Fatalf("%q is %v, which is written and parsed as %v, %v", text, n, again, err)
		}
	})
}
