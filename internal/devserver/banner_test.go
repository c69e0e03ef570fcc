package devserver

import (
	"net"
	"slices"
	"strings"
	"testing"
)

// addressed is a listener of which only the address is used.
type addressed struct {
	net.Listener
	addr net.Addr
}

func (l addressed) Addr() net.Addr { return l.addr }

func at(ip string) net.Listener {
	return addressed{addr: &net.TCPAddr{IP: net.ParseIP(ip), Port: 8000}}
}

func TestTheBannerShowsNetworkAddressesIfTheServerIsBoundToThem(t *testing.T) {
	own, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, a := range own {
		if n := a.(*net.IPNet); n.IP.IsGlobalUnicast() {
			want = append(want, browserURL("https", &net.TCPAddr{IP: n.IP, Port: 8000}))
		}
	}
	if got := networkURLs([]net.Listener{at("::")}, true); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for _, url := range networkURLs([]net.Listener{at("0.0.0.0")}, false) {
		if strings.Contains(url, "[") {
			t.Errorf("%s for IPv4 only", url)
		}
	}
	if got := networkURLs([]net.Listener{at("127.0.0.1"), at("192.0.2.7")}, false); len(got) > 0 {
		t.Errorf("one address each: %q", got)
	}

	s := &server{app: StarlarkFile("app.star"), urls: []string{"http://localhost:8000/"}, networkURLs: []string{"http://192.0.2.7:8000/"}, dataFile: MemoryStore}
	s.launch = &launcher{about: [2]string{"python", "a\x1b[31m\u202eb"}}
	if text := s.bannerText("\x1b[2J"); strings.ContainsAny(text, "\x1b\u202e") {
		t.Errorf("the banner has control characters: %q", text)
	}
	s.launch = nil
	s.control.Store(&control{listener: at("127.0.0.1")})
	rows := strings.Fields(s.bannerText(""))
	for _, want := range [][2]string{{"open", s.urls[0]}, {"network", s.networkURLs[0]}, {"inspector", "http://127.0.0.1:8000/"}} {
		if i := slices.Index(rows, want[0]); i < 0 || rows[i+1] != want[1] {
			t.Errorf("%s is not %s: %q", want[0], want[1], rows)
		}
	}
}
