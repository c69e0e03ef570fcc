package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestTLSFlagCreatesACertificate(t *testing.T) {
	p := start(t, helloApp, "--tls")
	pem, err := os.ReadFile(filepath.Join(p.dir, ".asgibox", "dev-cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	r, err := (&http.Client{Transport: transport}).Get(p.url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil || string(body) != "hello" || r.ProtoMajor != 2 {
		t.Errorf("%v %s %s", err, r.Proto, body)
	}
	if !strings.HasPrefix(p.url, "https://") {
		t.Error(p.url)
	}
	expectText(t, mustFail(t, "run", "--tls", "--tls-cert", "a", "--tls-key", "b"), "give only one of them")
	expectText(t, mustFail(t, "run", "--tls-cert", "a"), "must be given together")
}

func TestUDPFlag(t *testing.T) {
	p := start(t, `
def receive(message):
    message.reply_channel.send({"data": b"got " + message["data"]})

channel_routing = {"udp.receive": receive}
`, "--udp", ":0") // without a host: only this machine
	c, err := net.Dial("udp", p.waitFor(`datagrams +(127\.0\.0\.1:\S+)`)[1])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("it")); err != nil {
		t.Fatal(err)
	}
	reply := make([]byte, 100)
	n, err := c.Read(reply)
	if err != nil || string(reply[:n]) != "got it" {
		t.Errorf("%q %v", reply[:n], err)
	}
}

// The environment variable for the flag of run is that of other commands, too.
func TestCommandsFindAControlServerOnAFreePort(t *testing.T) {
	t.Setenv("ASGIBOX_CONTROL", "127.0.0.1:0")
	p := start(t, helloApp)
	p.controlURL()
	if status, out := runCommand(t, "channels", "--store", filepath.Join(p.dir, ".asgibox", "channels.db")); status != 0 {
		t.Errorf("exit status %d: %s", status, out)
	}
	t.Setenv("ASGIBOX_CONTROL", "off")
	expectText(t, mustFail(t, "channels"), "the server has no control server")
}

func TestUnixSocketFlag(t *testing.T) {
	app := writeApp(t, helloApp)
	path := filepath.Join(filepath.Dir(app), "s")
	p := launch(t, filepath.Dir(app), "run", app, "-u", path, "--store", "memory")
	p.waitFor("open +unix:")
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	r, err := (&http.Client{Transport: transport}).Get("http://x/")
	if err != nil {
		t.Error(err)
	} else {
		r.Body.Close()
	}
	transport.CloseIdleConnections()
	p.stop()
}

func TestPortIsOpenWithAUnixSocketIfGiven(t *testing.T) {
	for name, args := range map[string][]string{"flag": {"-p", "0"}, "environment": nil} {
		t.Run(name, func(t *testing.T) {
			if args == nil {
				t.Setenv("ASGIBOX_PORT", "0")
			}
			app := writeApp(t, helloApp)
			dir := filepath.Dir(app)
			p := launch(t, dir, append([]string{"run", app, "-u", filepath.Join(dir, "s"), "--store", "memory", "--control", "off"}, args...)...)
			p.waitFor("stop +Ctrl-C")
			expectText(t, p.out.String(), "unix:")
			expectText(t, p.out.String(), "http://127.0.0.1:")
		})
	}
}

func TestAllBindAddressesShareThePort(t *testing.T) {
	if runtime.GOOS != "linux" {
		return // other systems have no address 127.0.0.2
	}
	p := start(t, helloApp, "-b", "127.0.0.1", "-b", "127.0.0.2")
	second := p.waitFor(`open +(http://127\.0\.0\.2:\d+)/`)[1]
	if !strings.HasSuffix(second, p.url[strings.LastIndex(p.url, ":"):]) {
		t.Errorf("%s and %s", p.url, second)
	}
	p.url = second
	if status, _ := p.get("/"); status != 200 {
		t.Error(status)
	}
}

func TestBindMayHaveBrackets(t *testing.T) {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		return // this machine has no IPv6
	}
	l.Close()
	p := start(t, helloApp, "--bind", "[::1]")
	if status, _ := p.get("/"); status != 200 {
		t.Error(status)
	}
}

func TestFDFlagServesAnInheritedSocket(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.(*net.TCPListener).File()
	if runtime.GOOS == "windows" {
		return // Windows cannot inherit a socket by its number
	}
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	// The program closes this descriptor.
	fd, err := dup(f)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	p := start(t, helloApp, "--fd", strconv.Itoa(fd))
	if status, _ := p.get("/"); status != 200 {
		t.Error(status)
	}
}
