package devserver

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/codec"
	"asgibox/inspector"
	"asgibox/inspector/api"
	"asgibox/workerpool/script/explain"
)

const (
	// maxReports is how many failures wait until the server has got them.
	// Further ones are only in the log.
	maxReports = 64
	// reportTimeout is how long the server may take for one.
	reportTimeout = 5 * time.Second
)

// remoteReports passes the failures of a worker to the inspector of its server,
// which is in another process.
type remoteReports struct {
	reporter    reporter
	generations atomic.Pointer[generations] // nil until they are made
	client      *api.Client
	queue       chan api.RemoteError
}

func newRemoteReports(control, token string, e Editor) (*remoteReports, error) {
	client, err := api.NewClient(control, token)
	if err != nil {
		return nil, err
	}
	client.Agent = agent()
	r := &remoteReports{client: client, queue: make(chan api.RemoteError, maxReports)}
	r.reporter = reporter{
		pass:   r.pass,
		link:   func(asgi.TraceID) string { return "" },
		editor: func(f explain.Frame) string { return r.generations.Load().editorURL(f, e) },
	}
	if token == "" { // otherwise other machines may read this log
		r.reporter.link = func(t asgi.TraceID) string { return client.Base + "/#/errors/" + t.String() }
	}
	return r, nil
}

// pass queues a failure if there is room.
func (r *remoteReports) pass(f inspector.Failure) {
	report := api.RemoteError{Error: f.Error, Detail: f.Detail}
	if f.Trace != 0 {
		report.Trace = f.Trace.String()
	}
	if f.Explain != nil {
		report.Parts = f.Explain()
	}
	if n := f.Message.Len(); n > 0 && f.Message.Size() <= inspector.MaxErrorMessage {
		report.Content = codec.AppendJSON(nil, f.Message)
	} else {
		report.TooLong = n > 0
	}
	r.add(report)
}

// loaded reports that a generation is live.
func (r *remoteReports) loaded(generation uint64) { r.add(api.RemoteError{Live: generation}) }

func (r *remoteReports) add(report api.RemoteError) {
	report.Worker = agent()
	select {
	case r.queue <- report:
	default:
	}
}

// run sends the reports until the context is done, and then those that wait. A
// report that the server does not take is only in the log of this process.
func (r *remoteReports) run(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case report := <-r.queue:
			r.send(report)
		case <-ctx.Done():
		}
	}
	for {
		select {
		case report := <-r.queue:
			if !r.send(report) {
				return
			}
		default:
			return
		}
	}
}

func (r *remoteReports) send(report api.RemoteError) bool {
	ctx, cancel := context.WithTimeout(context.Background(), reportTimeout)
	defer cancel()
	body, err := json.Marshal(report)
	if err != nil {
		return false
	}
	return r.client.Post(ctx, "/api/errors", json.RawMessage(body), nil) == nil
}
