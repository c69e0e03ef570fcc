package devserver

import (
	"net"
	"testing"
)

func TestUsedControlPortIsReplacedByDefault(t *testing.T) {
	held, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	other, err := listenOrFree(held.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if other.Addr().String() == held.Addr().String() {
		t.Errorf("both listen on %s", other.Addr())
	}
}
