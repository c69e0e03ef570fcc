package asgi

import (
	"slices"
	"testing"
)

// bare is a layer without extensions. front is a Partial layer that offers one.
type bare struct{ Layer }

type front struct {
	Layer
	Flusher
	Readers
	offers string
}

func (f front) Offers(extension string) bool { return extension == f.offers }

func TestExtensionsOfALayer(t *testing.T) {
	if got := Extensions(bare{}); len(got) != 0 {
		t.Errorf("a bare layer has %q", got)
	}
	l := front{offers: ExtReaders}
	if got := Extensions(l); !slices.Equal(got, []string{"readers"}) {
		t.Errorf("extensions are %q", got)
	}
	if _, ok := As[Readers](l); !ok {
		t.Error("As[Readers] returned false, though the layer offers it")
	}
	if f, ok := As[Flusher](l); ok || f != nil {
		t.Error("As[Flusher] returned true, though the layer does not offer it")
	}
	if Offers(l, "telepathy") {
		t.Error("the layer offers an extension that does not exist")
	}
}
