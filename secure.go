package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"asgibox/httpfront/devcert"
)

// secure sets up TLS where flags ask for it: with the certificate that they
// name, or with one for development that is kept between runs.
func (s *server) secure() error {
	o := s.options
	if o.tlsCert != "" {
		pair, err := tls.LoadX509KeyPair(o.tlsCert, o.tlsKey)
		if err != nil {
			return fmt.Errorf("--tls-cert and --tls-key: %w", err)
		}
		o.front.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
		return nil
	}
	if !o.tls {
		return nil
	}
	folder, err := s.folder()
	if err != nil {
		return err
	}
	var names []string // besides those of this machine
	for _, bind := range o.listen.binds {
		if ip := net.ParseIP(bind); ip == nil || !ip.IsUnspecified() {
			names = append(names, bind)
		}
	}
	cert, err := devcert.Load(folder, names...)
	if err != nil {
		return err
	}
	o.front.TLS = cert.Config()
	if !o.quiet {
		fmt.Fprintln(s.stderr, cert.Explain())
	}
	return nil
}

// folder is where a run keeps what it must find again, beside the
// application; version control leaves it alone.
func (s *server) folder() (string, error) {
	folder := filepath.Join(filepath.Dir(s.app), ".asgibox")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fmt.Errorf("cannot make a folder for what is kept: %w (choose a place with --store PATH, or --store memory)", err)
	}
	ignore := filepath.Join(folder, ".gitignore")
	if _, err := os.Stat(ignore); errors.Is(err, os.ErrNotExist) {
		if err := os.WriteFile(ignore, []byte("*\n"), 0o600); err != nil {
			return "", fmt.Errorf("cannot write in the folder for what is kept: %w", err)
		}
	}
	return folder, nil
}
