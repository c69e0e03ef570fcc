// Command release builds the program for every system that is released, and
// writes the checksums of the binaries:
//
//	go run ./internal/release -version v1.2.3 -out dist
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
)

// targets are the systems and processors that are released.
var targets = []string{
	"darwin/amd64", "darwin/arm64", "linux/amd64", "linux/arm64", "windows/amd64", "windows/arm64",
}

// A builder builds the program for one target into a file.
type builder func(ctx context.Context, target, version, file string) error

// sums is the file of checksums, in the format of sha256sum.
const sums = "SHA256SUMS"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], build, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// run builds all targets into the directory that the arguments name, and
// prints the name of each file it writes.
func run(ctx context.Context, args []string, build builder, stdout io.Writer) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	version := flags.String("version", "", "version to stamp into the binaries, like v1.2.3 or v1.3.0-rc.1")
	out := flags.String("out", "dist", "directory for the binaries; must be empty or missing")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if !regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`).MatchString(*version) {
		return fmt.Errorf("-version %q: must look like v1.2.3 or v1.3.0-rc.1", *version)
	}
	if err := os.MkdirAll(*out, 0o755); err != nil {
		return err
	}
	switch old, err := os.ReadDir(*out); {
	case err != nil:
		return err
	case len(old) > 0:
		return fmt.Errorf("-out %s: the directory is not empty; empty it or name another one", *out)
	}
	var checksums strings.Builder
	for _, target := range targets {
		file := filepath.Join(*out, "asgibox-"+*version+"-"+strings.ReplaceAll(target, "/", "-"))
		if strings.HasPrefix(target, "windows/") {
			file += ".exe"
		}
		if err := build(ctx, target, *version, file); err != nil {
			return fmt.Errorf("build %s: %w", target, err)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		fmt.Fprintf(&checksums, "%x  %s\n", sha256.Sum256(data), filepath.Base(file))
		fmt.Fprintln(stdout, file)
	}
	file := filepath.Join(*out, sums)
	fmt.Fprintln(stdout, file)
	return os.WriteFile(file, []byte(checksums.String()), 0o644)
}

// build is the builder that runs the Go tool.
func build(ctx context.Context, target, version, file string) error {
	system, processor, _ := strings.Cut(target, "/")
	stamp := "-s -w -X asgibox/internal/command.release=" + version
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", stamp, "-o", file, "asgibox")
	cmd.Env = append(os.Environ(), "GOOS="+system, "GOARCH="+processor, "CGO_ENABLED=0")
	text, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, bytes.TrimSpace(text))
	}
	return err
}
