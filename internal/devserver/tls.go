package devserver

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"asgibox/httpfront/devcert"
	"asgibox/internal/userfile"
)

// tlsConfig returns the TLS configuration that the options select: the given
// certificate, or a development certificate, which is generated once and
// reused. It returns nil without TLS.
func (s *server) tlsConfig() (*tls.Config, error) {
	o := s.options.TLS
	if o.Cert != "" {
		pair, err := keyPair(o.Cert, o.Key)
		if err != nil {
			return nil, fmt.Errorf("--tls-cert and --tls-key: %w", err)
		}
		return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
	}
	if !o.Development {
		return nil, nil
	}
	folder, err := dataFolder(s.app.Folder)
	if err != nil {
		return nil, err
	}
	var names []string // besides those of this machine
	for _, bind := range s.options.Listen.Binds {
		if ip := net.ParseIP(bind); ip == nil || !ip.IsUnspecified() {
			names = append(names, bind)
		}
	}
	cert, err := devcert.Load(folder, names...)
	if err != nil {
		return nil, err
	}
	if !s.options.Quiet {
		fmt.Fprintln(s.out, cert.Explain())
	}
	return cert.Config(), nil
}

// keyPair reads a certificate and its key.
func keyPair(cert, key string) (tls.Certificate, error) {
	certPEM, err := userfile.Read(cert)
	if err != nil {
		return tls.Certificate{}, err
	}
	keyPEM, err := userfile.Read(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(certPEM, keyPEM)
}

// The default path of the store is below the application's folder.
const (
	dataFolderName = ".asgibox"
	dataFileName   = "channels.db"
)

// dataFolder returns the folder for data in an application's folder, which it
// creates if necessary. Version control ignores the folder.
func dataFolder(folder string) (string, error) {
	folder = filepath.Join(folder, dataFolderName)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fmt.Errorf("cannot create the folder for data: %w (choose a file with --store PATH, or pass --store memory)", err)
	}
	ignore := filepath.Join(folder, ".gitignore")
	if _, err := os.Stat(ignore); errors.Is(err, os.ErrNotExist) {
		if err := os.WriteFile(ignore, []byte("*\n"), 0o600); err != nil {
			return "", fmt.Errorf("cannot write to the folder for data: %w", err)
		}
	}
	return folder, nil
}
