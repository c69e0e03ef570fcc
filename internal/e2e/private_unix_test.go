//go:build !windows

package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The store lies where static serves files, and links give every private file
// another name.
func TestPrivateFilesAreNeverServed(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	write("data/store.db.damaged-20200101-000000", "SECRET")
	write(".asgibox/dev-key.pem", "SECRET")
	write(".asgibox/channels.db", "SECRET")
	write(".env", "PASSWORD=SECRET")
	write("helpers.txt", "secret = \"SECRET\"\n")
	write("public.txt", "public")
	write("app.star", `load("helpers.txt", "secret")
def file(request):
    return FileResponse(request.GET["name"])
def page(request):
    return render(request.GET["name"])
def including(request):
    return render("including-" + request.GET["name"])
channel_routing = [view("/file", file), view("/page", page), view("/including", including), static("/", ".")]
# SECRET
`)
	p := startIn(t, dir, "app.star", "--store", filepath.Join(dir, "data", "store.db"), "--access-log", filepath.Join(dir, "data", "access.txt"))
	p.waitFor(`generation 1`)
	served := []string{"helpers.txt", "app.star", ".env", ".asgibox/channels.db", ".asgibox/dev-key.pem"}
	for _, name := range []string{"store.db", "store.db.run", "store.db.damaged-20200101-000000", "access.txt"} {
		served = append(served, "data/"+name)
	}
	for i, name := range served {
		hard, soft := fmt.Sprintf("hard%d.txt", i), fmt.Sprintf("soft%d.txt", i)
		if err := errors.Join(os.Link(filepath.Join(dir, name), filepath.Join(dir, hard)), os.Symlink(name, filepath.Join(dir, soft))); err != nil {
			t.Fatal(err)
		}
		for _, alias := range []string{name, hard, soft} {
			if status, body := p.get("/" + alias); status != 404 {
				t.Errorf("static serves %s as %s: %d %.40q", name, alias, status, body)
			}
			if status, body := p.get("/file?name=" + alias); status != 500 || !strings.Contains(body, "never sent to clients") {
				t.Errorf("FileResponse serves %s as %s: %d %.40q", name, alias, status, body)
			}
			if status, body := p.get("/page?name=" + alias); status != 500 || !strings.Contains(body, "never sent to clients") {
				t.Errorf("render shows %s as %s: %d %.40q", name, alias, status, body)
			}
		}
		write("including-"+hard, fmt.Sprintf("{{template %q .}}", soft))
		if status, body := p.get("/including?name=" + hard); status != 500 || !strings.Contains(body, "never sent to clients") {
			t.Errorf("a template includes %s: %d %.40q", name, status, body)
		}
	}
	for _, path := range []string{"/public.txt", "/file?name=public.txt", "/page?name=public.txt"} {
		if status, body := p.get(path); status != 200 || body != "public" {
			t.Errorf("%s: %d %q", path, status, body)
		}
	}
}

// A worker and a server with another store do not know the path of the store.
func TestStoresOfOtherProcessesAreNeverServed(t *testing.T) {
	const app = `
def file(request):
    return FileResponse(request.GET["name"])
channel_routing = [view("/file", file), static("/", ".")]
`
	const key = "-----BEGIN EC PRIVATE KEY-----\nQUJD\n-----END EC PRIVATE KEY-----\n"
	dir := filepath.Dir(writeApp(t, app))
	storeFile := filepath.Join(dir, "data", "store.db")
	p := startIn(t, dir, "app.star", "--no-workers", "--store", storeFile)
	for name, text := range map[string]string{
		"data/store.db.damaged-20200101-000000": string(make([]byte, 4096+16)) + "\xed\xda\x0c\xed",
		"data/key.pem":                          "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n" + key,
		"data/bag.txt":                          "Bag Attributes\r\n  friendlyName: x\r\n" + strings.ReplaceAll(key, "\n", "\r\n"),
		"public.json":                           `{"pid": 5}`,
		"cert.pem":                              "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n",
		"about-keys.html":                       "<p>A key begins with\n-----BEGIN EC PRIVATE KEY-----\n",
	} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p.worker("--store", storeFile)
	another := startIn(t, p.dir, "app.star", "--store", "memory")
	for _, server := range []*program{p, another} {
		for _, name := range []string{"store.db", "store.db.run", "store.db.damaged-20200101-000000", "key.pem", "bag.txt"} {
			if status, body := server.get("/data/" + name); status != 404 {
				t.Errorf("static serves %s: %d %.40q", name, status, body)
			}
			if status, body := server.get("/file?name=data/" + name); status != 500 || !strings.Contains(body, "never sent to clients") {
				t.Errorf("FileResponse serves %s: %d %.40q", name, status, body)
			}
		}
		for _, name := range []string{"public.json", "cert.pem", "about-keys.html"} {
			if status, body := server.get("/" + name); status != 200 {
				t.Errorf("%s: %d %q", name, status, body)
			}
		}
	}
}
