package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// A peer is a server that a user could choose instead.
type peer struct {
	command []string // PORT stands for the port
}

var peers = map[string]peer{
	"uvicorn": {[]string{"uvicorn", "--log-level", "warning", "--no-access-log", "--port", "PORT", "peer:application"}},
	"Daphne":  {[]string{"daphne", "-v", "0", "-p", "PORT", "peer:application"}},
	"Node":    {[]string{"node", "peer.js", "PORT"}},
}

// start starts the peer. It returns exec.ErrNotFound if it is not installed.
func (p peer) start(ctx context.Context) (*process, error) {
	if _, err := exec.LookPath(p.command[0]); err != nil {
		return nil, exec.ErrNotFound
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	args := slices.Clone(p.command[1:])
	args[slices.Index(args, "PORT")] = port
	cmd := interruptible(ctx, p.command[0], args...)
	cmd.Dir = filepath.FromSlash("benchmarks/apps")
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	return startAt(cmd, "127.0.0.1:"+port)
}
