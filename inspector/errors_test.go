package inspector

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"asgibox/asgi"
	"asgibox/inspector/api"
	"asgibox/store"
)

// failure returns a failure of a handler.
func failure(place, message string) Failure {
	f := Failure{At: time.Unix(100, 0), Trace: 7, Message: text("hello")}
	f.Kind, f.Place, f.Text, f.Channel, f.Handler, f.Generation = api.ErrorOfHandler, place, message, "jobs", "work (app.star:3)", 1
	f.Explain = func() []api.ErrorPart {
		return []api.ErrorPart{{Text: message, Frames: []api.ErrorFrame{{File: "app.star", Line: 4}}}}
	}
	return f
}

// read decodes the response to a GET request into v.
func (b *bench) read(path string, v any) {
	b.Helper()
	status, body := b.get(path)
	if err := json.Unmarshal(body, v); status != 200 || err != nil {
		b.Fatalf("%s: %d %v in %s", path, status, err, body)
	}
}

func (b *bench) errors() (list api.Errors) {
	b.Helper()
	b.read("/api/errors", &list)
	return list
}

func TestErrorsAreGroupedByPlaceAndText(t *testing.T) {
	b := newBench(t, nil)
	for i := range 3 {
		f := failure("app.star:4", "no key")
		f.At, f.Trace, f.Generation = f.At.Add(time.Duration(i)*time.Second), asgi.TraceID(i+1), uint64(i+1)
		b.server.Failed(f)
	}
	b.server.Failed(failure("app.star:4", "no other key"))
	b.server.Failed(failure("app.star:5", "no key"))
	list := b.errors().Errors
	if len(list) != 3 {
		t.Fatalf("%+v", list)
	}
	first := list[0] // the newest
	if first.Count != 3 || first.Since != 1 || first.Generation != 3 || first.Last-first.First != 2000 || first.Trace != asgi.TraceID(3).String() {
		t.Errorf("%+v", first)
	}
	var full api.FullError
	b.read("/api/error?id="+first.ID, &full)
	if len(full.Failures) != 3 || full.Failures[0].Trace != first.Trace || full.Parts[0].Frames[0].Line != 4 || string(full.Content) != `{"text":"hello"}` {
		t.Errorf("%+v", full)
	}
	var byTrace api.FullError
	b.read("/api/error?trace="+asgi.TraceID(2).String(), &byTrace)
	if byTrace.ID != first.ID {
		t.Errorf("the error of a trace is %+v", byTrace)
	}
}

// The bounds are in docs/specification.md.
func TestTheListOfErrorsIsBounded(t *testing.T) {
	b := newBench(t, nil)
	for i := range 3 * maxErrors {
		f := failure(fmt.Sprintf("app.star:%d", i), "no key")
		f.At = f.At.Add(time.Duration(i) * time.Second)
		b.server.Failed(f)
	}
	list := b.errors()
	if len(list.Errors) != maxErrors || list.Dropped != 2*maxErrors || list.Errors[0].Place != "app.star:599" {
		t.Errorf("%d errors, %d dropped, the newest is %s", len(list.Errors), list.Dropped, list.Errors[0].Place)
	}
	for i := range maxErrors {
		f := failure(fmt.Sprintf("app.star:%d", i), strings.Repeat("x", 1000))
		f.At, f.Message = f.At.Add(time.Hour), text(strings.Repeat("x", MaxErrorMessage-1000))
		b.server.Failed(f)
		if b.server.errors.bytes > maxErrorBytes {
			t.Fatalf("%d bytes", b.server.errors.bytes)
		}
	}
	if n := len(b.errors().Errors); n < 20 || n > 40 {
		t.Errorf("%d errors with long messages", n)
	}
	f := failure("app.star:1", "too long")
	f.At, f.Message = f.At.Add(2*time.Hour), text(strings.Repeat("x", MaxErrorMessage+1))
	b.server.Failed(f)
	var full api.FullError
	b.read("/api/error?id="+b.errors().Errors[0].ID, &full)
	if !full.TooLong || full.Content != nil {
		t.Errorf("%+v", full)
	}
	b.mustCall("/api/errors/forget", object{}, nil)
	if list := b.errors(); len(list.Errors) != 0 || list.Dropped != 0 || b.server.errors.bytes != 0 {
		t.Errorf("%+v, %d bytes", list, b.server.errors.bytes)
	}
}

// Failures at a high rate cost little: their calls are not read.
func TestFrequentFailuresAreOnlyCounted(t *testing.T) {
	b := newBench(t, nil)
	explained := 0
	for i := range 1000 {
		f := failure("app.star:4", "no key")
		f.At = f.At.Add(time.Duration(i) * time.Millisecond)
		f.Explain = func() []api.ErrorPart { explained++; return nil }
		b.server.Failed(f)
	}
	if e := b.errors().Errors[0]; e.Count != 1000 || explained != 5 {
		t.Errorf("%d failures, explained %d times", e.Count, explained)
	}
}

func TestOnlyTheCurrentGenerationHasErrorsNow(t *testing.T) {
	b := newBench(t, nil)
	counts := func() api.ErrorCounts {
		t.Helper()
		var st api.Status
		b.read("/api/status", &st)
		return st.Errors
	}
	warning := failure("app.star:9", "careful")
	warning.Kind, warning.Warning, warning.Generation = api.ErrorOfLog, true, 0
	b.server.Loaded(api.Load{Generation: 1})
	b.server.Failed(failure("app.star:4", "no key"))
	b.server.Failed(warning)
	if c := counts(); c.Now != 1 || c.Warnings != 1 || c.Past != 0 {
		t.Errorf("at first: %+v", c)
	}
	broken := failure("app.star:1", "syntax")
	broken.Kind, broken.Generation = api.ErrorOfLoad, 2
	b.server.Failed(broken)
	b.server.Loaded(api.Load{Generation: 2, Error: "syntax"})
	if c := counts(); c.Now != 2 || c.Load == "" {
		t.Errorf("with a load that failed: %+v", c)
	}
	b.server.Loaded(api.Load{Generation: 2})
	if c := counts(); c.Now != 0 || c.Warnings != 0 || c.Past != 2 || c.Load != "" {
		t.Errorf("after the next load: %+v", c)
	}
	again := failure("app.star:4", "no key")
	again.Generation = 2
	b.server.Failed(again)
	if c := counts(); c.Now != 1 || c.Past != 1 {
		t.Errorf("after it occurred again: %+v", c)
	}
}

func TestTheMessageOfAnErrorIsSentAgain(t *testing.T) {
	b := newBench(t, nil)
	b.server.Failed(failure("app.star:4", "no key"))
	id := b.errors().Errors[0].ID
	var sent api.Sent
	b.mustCall("/api/errors/replay", object{"id": id}, &sent)
	d, ok, err := b.store.Poll(t.Context(), asgi.NewCause(0), "jobs")
	if err != nil || !ok || d.Message.Text("text") != "hello" || sent.Channel != "jobs" {
		t.Errorf("%+v, %v, %+v", d, err, sent)
	}
	b.mustCall("/api/errors/forget", object{"id": id}, nil)
	if status := b.call("/api/errors/replay", object{"id": id}, nil); status != 404 {
		t.Errorf("a replay of a forgotten error has the status %d", status)
	}
}

func TestAFailedMessageHasThatOutcome(t *testing.T) {
	h := newHistory(10, 1<<20)
	taken := func(id uint64, channel string) store.Event {
		v := sentEvent(id, asgi.TraceID(id), channel, "x")
		v.Kind = store.Taken
		return v
	}
	h.add([]store.Event{taken(1, "jobs"), taken(2, "jobs"), taken(3, "jobs")}, 0, batch{})
	_, next := h.newest(10, &filter{})
	h.add(nil, 0, batch{failures: []failedMessage{
		{id: 1, trace: 1, channel: "jobs", text: "no key", err: "e1"},
		{trace: 3, channel: "jobs", text: "no key", err: "e1"}, // of a worker in another process
	}})
	f, err := parseFilter("kind:failed")
	if err != nil {
		t.Fatal(err)
	}
	messages, _ := h.since(next, 10, f)
	if len(messages) != 2 || messages[0].ID != 1 || messages[1].ID != 3 || messages[0].Kind != "failed" || messages[0].Reason != "no key" || messages[0].Error != "e1" {
		t.Errorf("%+v", messages)
	}
	if f, _ = parseFilter("no.key"); f == nil {
		t.Fatal()
	}
	if f, _ = parseFilter(`"no key"`); !f.accepts(h.byID[1]) || f.accepts(h.byID[2]) {
		t.Error("a word does not find the text of the error")
	}
}

func TestWorkersInOtherProcessesReportTheirErrors(t *testing.T) {
	b := newBench(t, nil)
	report := object{"kind": "handler", "place": "app.star:4", "text": "no key", "channel": "jobs", "generation": 4, "worker": "w1", "trace": "7",
		"message": object{"text": "hello"}, "parts": []any{object{"text": "no key", "frames": []any{
			object{"file": "app.star", "line": 4, "editor": "vscode://file/app.star:4"},
			object{"file": "app.star", "line": 4, "editor": " JavaScript:alert(1)"},
			object{"file": "app.star", "line": 4, "editor": "java\tscript:alert(1)"},
			object{"file": "app.star", "line": 4, "editor": "\x01javascript:alert(1)"},
			object{"file": "app.star", "line": 4, "editor": "//evil.example/"},
		}}}}
	b.server.Loaded(api.Load{Generation: 9})
	b.mustCall("/api/errors", report, nil)
	e := b.errors().Errors[0]
	if e.Worker != "w1" || !e.Now || e.Generation != 4 || e.Trace != asgi.TraceID(7).String() {
		t.Errorf("%+v", e)
	}
	var full api.FullError
	b.read("/api/error?id="+e.ID, &full)
	if frames := full.Parts[0].Frames; string(full.Content) != `{"text":"hello"}` || frames[0].Editor != "vscode://file/app.star:4" ||
		slices.ContainsFunc(frames[1:], func(f api.ErrorFrame) bool { return f.Editor != "" }) {
		t.Errorf("%+v", full)
	}
	b.mustCall("/api/errors", object{"worker": "w1", "live": 5}, nil)
	if e := b.errors().Errors[0]; e.Now {
		t.Errorf("after a load: %+v", e)
	}
	for what, bad := range map[string]any{
		"a load error":      object{"kind": "load", "text": "x"},
		"no text":           object{"kind": "handler"},
		"a bad trace":       object{"kind": "handler", "text": "x", "trace": "xyz"},
		"a bad message":     object{"kind": "handler", "text": "x", "message": []any{1}},
		"too long a report": object{"kind": "handler", "text": strings.Repeat("x", maxReport)},
	} {
		if status := b.call("/api/errors", bad, nil); status != 400 {
			t.Errorf("%s: %d", what, status)
		}
	}
}
