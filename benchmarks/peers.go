package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A peer is a server that a user could choose instead.
type peer struct {
	command []string // PORT stands for the port
}

var peers = map[string]peer{
	"uvicorn": {[]string{"uvicorn", "--log-level", "warning", "--no-access-log", "--port", "PORT", "peer:application"}},
	"Daphne":  {[]string{"daphne", "-v", "0", "-p", "PORT", "peer:application"}},
	"Node":    {[]string{"node", "peer.js", "PORT"}},

	"uvicorn, Debian":                {[]string{debianPython, "-m", "uvicorn", "--log-level", "warning", "--no-access-log", "--port", "PORT", "peer:application"}},
	"uvicorn with Starlette, Debian": {[]string{debianPython, "-m", "uvicorn", "--log-level", "warning", "--no-access-log", "--port", "PORT", "starlette_hello:app"}},
	"gunicorn, Debian":               {[]string{debianPython, "-m", "gunicorn", "--log-level", "warning", "--workers", "2", "--threads", "8", "--bind", "127.0.0.1:PORT", "wsgi_hello:application"}},
}

// start starts the peer. It returns exec.ErrNotFound if it is not installed.
func (p peer) start(ctx context.Context) (*process, error) {
	need := p.command[0]
	if len(p.command) > 2 && p.command[1] == "-m" {
		need = "python:" + p.command[2]
	}
	if !installed(ctx, need) {
		return nil, exec.ErrNotFound
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	args := slices.Clone(p.command[1:])
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "PORT", port)
	}
	cmd := interruptible(ctx, p.command[0], args...)
	cmd.Dir = filepath.FromSlash("benchmarks/apps")
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	return startAt(cmd, "127.0.0.1:"+port)
}
