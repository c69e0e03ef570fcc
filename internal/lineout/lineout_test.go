package lineout

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// An output takes what is written once it is read.
type output struct {
	read chan struct{} // closed: it is read
	err  error

	mu   sync.Mutex // guards text
	text strings.Builder
}

func newOutput() *output { return &output{read: make(chan struct{})} }

func (o *output) Write(b []byte) (int, error) {
	<-o.read
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(b)
	return len(b), o.err
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func TestALineIsWrittenWhenWriteReturns(t *testing.T) {
	o := newOutput()
	o.err = errors.New("full")
	close(o.read)
	w := New(o, nil, nil)
	if n, err := w.Write([]byte("a\n")); n != 2 || err != o.err {
		t.Errorf("%d, %v", n, err)
	}
	if got := o.String(); got != "a\n" {
		t.Errorf("%q", got)
	}
}

func TestManyWritersLoseNothing(t *testing.T) {
	o := newOutput()
	w := New(o, nil, func(n int) { t.Errorf("%d lines are missing", n) })
	var writers sync.WaitGroup
	for i := range 100 {
		writers.Go(func() { fmt.Fprintf(w, "<%d>\n", i) })
	}
	close(o.read)
	writers.Wait()
	for i := range 100 {
		if got := strings.Count(o.String(), fmt.Sprintf("<%d>\n", i)); got != 1 {
			t.Errorf("line %d is there %d times", i, got)
		}
	}
}

func TestAnOutputThatIsNotReadHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, missing := newOutput(), 0
		var w *Writer
		w = New(o, nil, func(n int) {
			missing += n
			fmt.Fprintln(w, "missing")
		})
		line := []byte(strings.Repeat("x", 99) + "\n")
		began := time.Now()
		for range 2 * maxKept / len(line) {
			_, _ = w.Write(line)
		}
		if took := time.Since(began); took != patience {
			t.Errorf("it took %v, want %v", took, patience)
		}
		close(o.read)
		synctest.Wait()
		if got := o.String(); missing == 0 || len(got) < maxKept/2 || len(got) > maxKept+2*len(line) || !strings.HasSuffix(got, "x\nmissing\n") {
			t.Errorf("%d lines are missing, and %d bytes were written: …%q", missing, len(got), got[max(0, len(got)-20):])
		}
		if fmt.Fprintln(w, "after"); !strings.HasSuffix(o.String(), "missing\nafter\n") {
			t.Error("the output is not used again")
		}
	})
}

// TestAFullPipeHoldsUpNobody checks that a pipe is written to directly only while it
// has room.
func TestAFullPipeHoldsUpNobody(t *testing.T) {
	r, f, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	w := New(f, f, nil)
	const lines = 5000 // more than a pipe holds, less than is kept
	for i := range lines {
		fmt.Fprintf(w, "%100d\n", i)
	}
	s := bufio.NewScanner(r)
	for i := range lines {
		if want := fmt.Sprintf("%100d", i); !s.Scan() || s.Text() != want {
			t.Fatalf("got %q, want %q", s.Text(), want)
		}
	}
	_ = f.Close()
	_ = r.Close()
}
