package e2e

import (
	"bytes"
	"regexp"
	"sync"
	"time"
)

// transcript stores the output of a program and lets a test wait for a line.
type transcript struct {
	mu   sync.Mutex // guards the rest
	text bytes.Buffer
	more chan struct{} // closed and replaced by each write
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

// wait waits until the output matches and returns the match and its groups, or
// nil after patience.
func (t *transcript) wait(pattern *regexp.Regexp) []string {
	deadline := time.After(patience)
	for {
		t.mu.Lock()
		match, more := pattern.FindStringSubmatch(t.text.String()), t.more
		t.mu.Unlock()
		if match != nil {
			return match
		}
		select {
		case <-more:
		case <-deadline:
			return nil
		}
	}
}
