package devcert

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestCertificateIsReusedBetweenRuns(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "tls")
	first, err := Load(folder)
	if err != nil || !first.New {
		t.Fatalf("first: %+v, %v", first, err)
	}
	second, err := Load(folder)
	if err != nil || second.New || !second.TLS.Leaf.Equal(first.TLS.Leaf) {
		t.Errorf("second: new %v, %v", second.New, err)
	}
	for _, name := range []string{"dev-key.pem", "dev-cert.pem"} {
		if info, err := os.Stat(filepath.Join(folder, name)); runtime.GOOS != "windows" && (err != nil || info.Mode().Perm() != 0o600) {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	more, err := Load(folder, "box.test")
	if err != nil || !more.New {
		t.Errorf("for another host: new %v, %v", more.New, err)
	}
}

func TestCertificateIsRenewedInTime(t *testing.T) {
	folder := t.TempDir()
	cert, key, err := generate(names, time.Now().Add(-lifetime+renewal/2))
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(folder, "dev-cert.pem"), cert, 0o600)
	os.WriteFile(filepath.Join(folder, "dev-key.pem"), key, 0o600)
	if c, err := Load(folder); err != nil || !c.New {
		t.Errorf("one that ends soon is reused: %v", err)
	}
	os.WriteFile(filepath.Join(folder, "dev-key.pem"), []byte("rubbish"), 0o600)
	if c, err := Load(folder); err != nil || !c.New {
		t.Errorf("a damaged one is not replaced: %v", err)
	}
}

func TestClientWithTheCertificateTrustsIt(t *testing.T) {
	c, err := Load(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	for _, host := range names {
		if _, err := c.TLS.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: roots}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	if len(c.Config().Certificates) != 1 || c.Config().MinVersion < tls.VersionTLS12 {
		t.Error("the configuration is not right")
	}
	if s := c.Explain(); !strings.Contains(s, c.Path) || !strings.Contains(s, "localhost") {
		t.Errorf("explained as %q", s)
	}
}

func TestErrorNamesTheFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, nil, 0o600)
	if _, err := Load(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("err = %v", err)
	}
}
