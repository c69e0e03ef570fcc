package e2e

import (
	"bytes"
	"regexp"
	"sync"
	"time"
)

// transcript is what a program says, for tests that wait for a word.
type transcript struct {
	mu   sync.Mutex // guards the rest
	text bytes.Buffer
	more chan struct{} // closed when text has grown
}

func newTranscript() *transcript { return &transcript{more: make(chan struct{})} }

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.more)
	t.more = make(chan struct{})
	return t.text.Write(p)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

func (t *transcript) wait(pattern *regexp.Regexp) []string {
	deadline := time.After(patience)
	for {
		t.mu.Lock()
		found, more := pattern.FindStringSubmatch(t.text.String()), t.more
		t.mu.Unlock()
		if found != nil {
			return found
		}
		select {
		case <-more:
		case <-deadline:
			return nil
		}
	}
}
