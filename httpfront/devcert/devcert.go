// Package devcert makes a TLS certificate for development, for the names that
// lead to this machine only, and keeps it between runs.
//
// It is signed by itself, so clients have to be told to trust it: see
// [Certificate.Explain].
package devcert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	lifetime = 365 * 24 * time.Hour
	renewal  = 30 * 24 * time.Hour // before the end
)

// names are what the certificate is always good for.
var names = []string{"localhost", "127.0.0.1", "::1"}

// A Certificate is one for development, and where it is kept.
type Certificate struct {
	TLS  tls.Certificate
	Path string // of the certificate in PEM, for clients that are to trust it
	New  bool   // it was made by this call
}

// Config is what a server needs.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{c.TLS}, MinVersion: tls.VersionTLS12}
}

// Explain says, in a few lines for a terminal, what the certificate is and how
// to make clients trust it.
func (c *Certificate) Explain() string {
	made := "is used again"
	if c.New {
		made = "was made"
	}
	return fmt.Sprintf(`A certificate for development %s: %s
It is good for %s until %s and signed by itself, so a browser
warns once. To trust it:  curl --cacert %[2]s …   or import the file into
the browser. For anybody but yourself use --tls-cert and --tls-key.
`, made, c.Path, list(c.TLS.Leaf), c.TLS.Leaf.NotAfter.Format("2 January 2006"))
}

func list(leaf *x509.Certificate) string {
	s := ""
	for _, n := range hosts(leaf) {
		if s != "" {
			s += ", "
		}
		s += n
	}
	return s
}

// Load answers the certificate that the folder keeps, or makes one: where
// there is none, where it cannot be read, where it ends soon and where it is
// not good for one of the hosts. The folder is made if need be; the key in it
// is readable by its owner only.
func Load(folder string, more ...string) (*Certificate, error) {
	want := slices.Concat(names, more)
	certPath, keyPath := filepath.Join(folder, "dev-cert.pem"), filepath.Join(folder, "dev-key.pem")
	if pair, err := tls.LoadX509KeyPair(certPath, keyPath); err == nil && serves(pair.Leaf, want, time.Now()) {
		return &Certificate{TLS: pair, Path: certPath}, nil
	}
	certPEM, keyPEM, err := generate(want, time.Now())
	if err == nil {
		err = errors.Join(
			os.MkdirAll(folder, 0o755),
			replace(keyPath, keyPEM, 0o600),
			replace(certPath, certPEM, 0o644))
	}
	if err != nil {
		return nil, fmt.Errorf("making a certificate for development in %s: %w", folder, err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("making a certificate for development in %s: %w", folder, err)
	}
	return &Certificate{TLS: pair, Path: certPath, New: true}, nil
}

func serves(leaf *x509.Certificate, want []string, now time.Time) bool {
	if now.Add(renewal).After(leaf.NotAfter) || now.Before(leaf.NotBefore) {
		return false
	}
	for _, name := range want {
		if leaf.VerifyHostname(name) != nil {
			return false
		}
	}
	return true
}

func generate(hosts []string, now time.Time) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "asgibox, for development on this machine"},
		NotBefore:    now.Add(-time.Hour), // clocks differ
		NotAfter:     now.Add(lifetime),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},

		BasicConstraintsValid: true,
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), nil
}

func hosts(leaf *x509.Certificate) []string {
	h := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		h = append(h, ip.String())
	}
	return h
}

// replace writes a file whole or not at all, with that mode from the start.
func replace(path string, content []byte, mode fs.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(content)
	err = errors.Join(err, tmp.Chmod(mode), tmp.Close())
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
