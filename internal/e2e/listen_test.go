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
	"strings"
	"testing"
	"time"

	"asgibox/internal/cli"
)

func TestTLSMakesACertificateAndKeepsIt(t *testing.T) {
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
	expectText(t, refused(t, "run", "--tls", "--tls-cert", "a", "--tls-key", "b"), "give only one of them")
	expectText(t, refused(t, "run", "--tls-cert", "a"), "must be given together")
}

func TestDatagramsReachTheApplication(t *testing.T) {
	p := start(t, `
def receive(message):
    message.reply_channel.send({"data": b"got " + message["data"]})

channel_routing = {"udp.receive": receive}
`, "--udp", "127.0.0.1:0")
	c, err := net.Dial("udp", p.saw(`datagrams +(\S+)`)[1])
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
	answer := make([]byte, 100)
	n, err := c.Read(answer)
	if err != nil || string(answer[:n]) != "got it" {
		t.Errorf("%q %v", answer[:n], err)
	}
}

func TestAUnixSocketServes(t *testing.T) {
	dir := dirWith(t, t.TempDir(), helloApp)
	path := filepath.Join(dir, "s")
	p := &program{TB: t, dir: dir, out: newTranscript()}
	ctx, cancel := context.WithCancel(t.Context())
	status := make(chan int)
	go func() {
		status <- cli.Run(ctx, []string{"run", filepath.Join(dir, "app.star"), "-u", path, "--store", "memory"}, strings.NewReader(""), p.out, p.out)
	}()
	p.saw("open +unix:")
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
	cancel()
	<-status
}

// TestAPortThatWasAskedForIsOpenBesideAUnixSocket, by flag or environment.
func TestAPortThatWasAskedForIsOpenBesideAUnixSocket(t *testing.T) {
	for name, args := range map[string][]string{"flag": {"-p", "0"}, "environment": nil} {
		t.Run(name, func(t *testing.T) {
			if args == nil {
				t.Setenv("ASGIBOX_PORT", "0")
			}
			dir := dirWith(t, t.TempDir(), helloApp)
			args = append([]string{"run", filepath.Join(dir, "app.star"), "-u", filepath.Join(dir, "s"), "--store", "memory", "--control", "off"}, args...)
			p := &program{TB: t, dir: dir, out: newTranscript()}
			ctx, cancel := context.WithCancel(t.Context())
			status := make(chan int)
			go func() { status <- cli.Run(ctx, args, strings.NewReader(""), p.out, p.out) }()
			defer func() {
				cancel()
				<-status
			}()
			p.saw("stop +Ctrl-C")
			expectText(t, p.out.String(), "unix:")
			expectText(t, p.out.String(), "http://127.0.0.1:")
		})
	}
}

func TestSeveralAddressesShareTheirPort(t *testing.T) {
	if runtime.GOOS != "linux" {
		return // elsewhere 127.0.0.2 is not this machine
	}
	p := start(t, helloApp, "-b", "127.0.0.1", "-b", "127.0.0.2")
	second := p.saw(`open +(http://127\.0\.0\.2:\d+)/`)[1]
	if !strings.HasSuffix(second, p.url[strings.LastIndex(p.url, ":"):]) {
		t.Errorf("%s and %s", p.url, second)
	}
	p.url = second
	if status, _ := p.get("/"); status != 200 {
		t.Error(status)
	}
}

func TestAnInheritedSocketServes(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.(*net.TCPListener).File()
	if runtime.GOOS == "windows" {
		return // which hands no sockets down so
	}
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	// The number is the program's from now on.
	fd, err := dup(f)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	p := start(t, helloApp, "--fd", itoa(fd))
	if status, _ := p.get("/"); status != 200 {
		t.Error(status)
	}
}
