package reload

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

// manualWatcher is a watcher in a synctest bubble that gets its events from a
// test.
type manualWatcher struct {
	*testWatcher
	events chan fsnotify.Event
	errs   chan error
	at     chan time.Time // times of the reports
}

func watchManually(t *testing.T, o Options, events bool, test func(d *manualWatcher)) {
	o.Root, o.Poll = t.TempDir(), true
	if err := os.WriteFile(filepath.Join(o.Root, "app.star"), []byte("one"), 0o644); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		d := &manualWatcher{testWatcher: &testWatcher{TB: t, dir: o.Root, reports: make(chan []string, 9)}, at: make(chan time.Time, 9)}
		if events {
			d.events = make(chan fsnotify.Event)
			w.options.Rescan = time.Hour
		}
		d.errs = make(chan error)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			done <- w.run(ctx, d.events, d.errs, func(files []string) {
				d.reports <- files
				d.at <- time.Now()
			})
		}()
		test(d)
		cancel()
		<-done
	})
}

// save replaces the file by renaming, so that no scan finds it empty, and sends
// an event.
func (d *manualWatcher) save(content string) {
	d.saveAs("app.star", content)
	d.event("app.star")
}

// saveAs replaces a file by renaming, without an event.
func (d *manualWatcher) saveAs(name, content string) {
	d.write(name+".tmp", content)
	d.rename(name+".tmp", name)
}

// event sends an event for a file.
func (d *manualWatcher) event(name string) {
	d.events <- fsnotify.Event{Name: d.path(name), Op: fsnotify.Write}
}

func TestAReportComesAfterAMomentOfQuiet(t *testing.T) {
	watchManually(t, Options{}, true, func(d *manualWatcher) {
		for _, content := range []string{"two", "three"} {
			start := time.Now()
			d.save(content[:1])
			time.Sleep(5 * time.Millisecond)
			d.save(content)
			if took := (<-d.at).Sub(start); took != 17*time.Millisecond {
				d.Errorf("reported after %v", took)
			}
			d.expect("app.star")
			time.Sleep(time.Second)
		}
	})
}

func TestASteadyWriterDelaysTheReportAtMostTenTimes(t *testing.T) {
	watchManually(t, Options{}, true, func(d *manualWatcher) {
		start := time.Now()
		for i := 0; len(d.at) == 0; i++ {
			d.save("line " + time.Duration(i).String())
			time.Sleep(5 * time.Millisecond)
		}
		if took := (<-d.at).Sub(start); took != 120*time.Millisecond {
			d.Errorf("reported after %v", took)
		}
	})
}

func TestAnEmptiedFileIsReportedOnlyIfItStaysEmpty(t *testing.T) {
	watchManually(t, Options{}, true, func(d *manualWatcher) {
		start := time.Now()
		d.save("")
		time.Sleep(100 * time.Millisecond)
		d.save("two")
		if took := (<-d.at).Sub(start); took != 112*time.Millisecond {
			d.Errorf("reported after %v", took)
		}
		time.Sleep(time.Second)
		d.save("")
		start = time.Now()
		if took := (<-d.at).Sub(start); took < 200*time.Millisecond || took > 250*time.Millisecond {
			d.Errorf("an empty file was reported after %v", took)
		}
	})
}

func TestASlowTickFindsWhatEventsMissed(t *testing.T) {
	watchManually(t, Options{Rescan: 2 * time.Second}, false, func(d *manualWatcher) {
		start := time.Now()
		d.write("app.star", "two")
		if took := (<-d.at).Sub(start); took != 2012*time.Millisecond {
			d.Errorf("reported after %v", took)
		}
		d.expect("app.star")
	})
}

func TestEmptiedFilesDelayOtherReportsForALimitedTime(t *testing.T) {
	watchManually(t, Options{}, true, func(d *manualWatcher) {
		var other [30]string
		for i := range other {
			other[i] = fmt.Sprintf("other%d.star", i)
			d.saveAs(other[i], "one")
		}
		d.event(other[0])
		<-d.at
		<-d.reports
		start := time.Now()
		d.save("two")
		for i, name := range other {
			if len(d.at) > 0 {
				break
			}
			d.saveAs(name, "") // expected to be filled again soon
			if i > 0 {
				d.saveAs(other[i-1], "one")
			}
			d.event(name)
			time.Sleep(100 * time.Millisecond)
		}
		if took := (<-d.at).Sub(start); took < 400*time.Millisecond || took > 700*time.Millisecond {
			d.Errorf("reported after %v", took)
		}
		d.expect("app.star")
	})
}

func TestAFileInAnEventIsReadEvenIfItsTimeAndSizeAreTheSame(t *testing.T) {
	watchManually(t, Options{}, true, func(d *manualWatcher) {
		old := time.Now().Add(-time.Hour)
		for _, content := range []string{"two", "six"} {
			d.write("app.star", content)
			d.do(os.Chtimes(d.path("app.star"), old, old))
			d.event("app.star")
			d.expect("app.star")
			<-d.at
		}
	})
}

func TestLostEventsCauseAScan(t *testing.T) {
	watchManually(t, Options{}, true, func(d *manualWatcher) {
		start := time.Now()
		d.saveAs("app.star", "two")
		d.errs <- fsnotify.ErrEventOverflow
		if took := (<-d.at).Sub(start); took != 12*time.Millisecond {
			d.Errorf("reported after %v", took)
		}
		d.expect("app.star")
	})
}
