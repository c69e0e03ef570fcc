package script

import (
	"asgibox/asgi"
	"asgibox/workerpool"
	"asgibox/workerpool/script/explain"
)

// ErrorPage draws a failure, for [workerpool.Options].
func (l *Loader) ErrorPage(f workerpool.Failure) workerpool.Page {
	e := l.Explain(f.Err)
	return workerpool.Page{ContentType: "text/plain; charset=utf-8", Content: asgi.Bytes(e.Text(false))}
}

// Explain explains an error of the application, with lines of its files as
// they were when it was loaded last.
func (l *Loader) Explain(err error) explain.Explanation {
	l.mu.Lock()
	s := l.last
	l.mu.Unlock()
	o := explain.Options{}
	if s != nil {
		o.Source = s.lookup
	}
	return explain.Error(err, o)
}
