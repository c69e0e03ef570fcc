package client

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"asgibox/asgi/remote"
	"asgibox/inspector/api"
	"asgibox/internal/command"
	"asgibox/internal/userfile"
)

// testSuffix ends the names of files that the command test runs.
const testSuffix = "_test.star"

// recordTest keeps the server recording until the context ends, and then writes
// a file of tests.
func (c *client) recordTest(name string, filter []string) error {
	if err := checkTestFile(name); err != nil {
		return err
	}
	var status api.Status
	if err := c.Get(c.ctx, "/api/status", nil, &status); err != nil {
		return err
	}
	fmt.Fprintln(c.errOut, "recording a test; press Ctrl-C to write it")
	err := c.Lines(c.ctx, "/api/tail", recordQuery(filter), nil, func([]byte) error { return nil })
	if refusal := (*remote.Error)(nil); errors.As(err, &refusal) {
		return err
	}
	if c.ctx.Err() == nil {
		return fmt.Errorf("%s is not written, because the server ended; end record first", name)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), 10*time.Second)
	defer cancel()
	var test api.Test
	if err := c.Post(ctx, "/api/test", map[string]any{"since": int64(status.Now * 1000), "filter": recordQuery(filter).Get("filter")}, &test); err != nil {
		return err
	}
	if err := writeTest(name, test.Text); err != nil {
		return err
	}
	for _, gap := range test.Gaps {
		fmt.Fprintf(c.errOut, "note: %s\n", gap)
	}
	return c.report(map[string]any{"tests": test.Tests, "gaps": test.Gaps}, "%s in %s; to run: asgibox test %s", command.Count(test.Tests, "test"), name, testArguments(name, test.App))
}

// checkTestFile checks that the name can be that of a new file of tests.
func checkTestFile(name string) error {
	if !strings.HasSuffix(name, testSuffix) {
		return fmt.Errorf("%s: the name of a file of tests must end with %s", name, testSuffix)
	}
	if _, err := os.Lstat(name); err == nil {
		return fmt.Errorf("%s exists; name a new file, or delete this one first", name)
	}
	info, err := os.Stat(filepath.Dir(name))
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a folder", filepath.Dir(name))
	}
	return nil
}

// writeTest writes a new file.
func writeTest(name, text string) error {
	f, err := userfile.Write(name, os.O_EXCL, userfile.Private)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// testArguments returns the arguments of the command test that run a file.
func testArguments(name, app string) string {
	if app == "" {
		return name + " --app FILE, with the file of the application"
	}
	folder, err := filepath.Abs(filepath.Dir(name))
	if err != nil || filepath.Join(folder, "app.star") == app {
		return name
	}
	if here, err := filepath.Abs("."); err == nil {
		if relative, err := filepath.Rel(here, app); err == nil && len(relative) < len(app) {
			app = relative
		}
	}
	return name + " --app " + app
}
