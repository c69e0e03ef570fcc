package asgi

import (
	"slices"
	"testing"
)

// bare is a layer without extensions; front has some methods of one.
type bare struct{ Layer }

type front struct {
	Layer
	Flusher
	Readers
	offers string
}

func (f front) Offers(extension string) bool { return extension == f.offers }

func TestExtensionsAreWhatALayerOffers(t *testing.T) {
	if got := Extensions(bare{}); len(got) != 0 {
		t.Errorf("a bare layer has %q", got)
	}
	l := front{offers: ExtReaders}
	if got := Extensions(l); !slices.Equal(got, []string{"readers"}) {
		t.Errorf("extensions are %q", got)
	}
	if _, ok := As[Readers](l); !ok {
		t.Error("it is no Readers")
	}
	if f, ok := As[Flusher](l); ok || f != nil {
		t.Error("it is a Flusher, which it does not offer")
	}
	if Offers(l, "telepathy") {
		t.Error("it offers what there is not")
	}
}
