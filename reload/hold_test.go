package reload

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

// saveAs saves a file as save does, without an event.
func (d *dry) saveAs(name, content string) {
	d.write(name+".tmp", content)
	d.rename(name+".tmp", name)
}

// event sends the event of a write to a file.
func (d *dry) event(name string) {
	d.events <- fsnotify.Event{Name: d.path(name), Op: fsnotify.Write}
}

func TestFilesThatKeepBeingEmptiedDelayOtherReportsOnlySoLong(t *testing.T) {
	dryWatch(t, Options{}, true, func(d *dry) {
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
	dryWatch(t, Options{}, true, func(d *dry) {
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
