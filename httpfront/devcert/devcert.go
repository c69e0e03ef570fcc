// Package devcert makes a TLS certificate for development and stores it between
// runs. The certificate is valid only for names of this machine.
//
// It is self-signed, so clients must be configured to trust it: see
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
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	lifetime = 365 * 24 * time.Hour
	renewal  = 30 * 24 * time.Hour // time before the end at which Load makes a new one
)

// names are the hosts that every certificate is valid for.
var names = []string{"localhost", "127.0.0.1", "::1"}

// A Certificate is a certificate for development.
type Certificate struct {
	TLS  tls.Certificate
	Path string // PEM file of the certificate, for clients that must trust it
	New  bool   // Load has just made it
}

// Config returns the TLS configuration of a server.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{c.TLS}, MinVersion: tls.VersionTLS12}
}

// Explain returns a few lines for a terminal: what the certificate is and how to
// make clients trust it.
func (c *Certificate) Explain() string {
	made := "was reused"
	if c.New {
		made = "was made"
	}
	return fmt.Sprintf(`A development certificate %s: %s
It is valid for %s until %s. It is self-signed, so a browser
warns once. To trust it, use curl --cacert %[2]s … or import the file into
the browser. For other users set --tls-cert and --tls-key.
`, made, c.Path, strings.Join(hosts(c.TLS.Leaf), ", "), c.TLS.Leaf.NotAfter.Format("2 January 2006"))
}

// KeyFile is the name of the file with the private key.
const KeyFile = "dev-key.pem"

// Load returns the certificate in the folder. It makes a new one if there is
// none, or if it cannot be read, ends soon or is not valid for one of the hosts.
// Load makes the folder if necessary. Only the owner can read the files.
func Load(folder string, extraHosts ...string) (*Certificate, error) {
	want := slices.Concat(names, extraHosts)
	certPath, keyPath := filepath.Join(folder, "dev-cert.pem"), filepath.Join(folder, KeyFile)
	if pair, err := tls.LoadX509KeyPair(certPath, keyPath); err == nil && valid(pair.Leaf, want, time.Now()) {
		return &Certificate{TLS: pair, Path: certPath}, nil
	}
	certPEM, keyPEM, err := generate(want, time.Now())
	if err == nil {
		err = errors.Join(
			os.MkdirAll(folder, 0o755),
			replace(keyPath, keyPEM),
			replace(certPath, certPEM))
	}
	if err != nil {
		return nil, fmt.Errorf("make development certificate in %s: %w", folder, err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("make development certificate in %s: %w", folder, err)
	}
	return &Certificate{TLS: pair, Path: certPath, New: true}, nil
}

func valid(leaf *x509.Certificate, want []string, now time.Time) bool {
	if now.Add(renewal).After(leaf.NotAfter) || now.Before(leaf.NotBefore) {
		return false
	}
	return !slices.ContainsFunc(want, func(host string) bool { return leaf.VerifyHostname(host) != nil })
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

// replace replaces a file atomically. Only the owner can read the new file.
func replace(path string, content []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(content)
	err = errors.Join(err, tmp.Close())
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
