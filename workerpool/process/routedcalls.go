package process

import (
	"context"
	"errors"

	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/internal/logkey"
	"asgibox/workerpool"
	"asgibox/workerpool/pages"
	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/session"
)

// jobCalls are the calls of a handler of a routed application that the layer does not
// have. It belongs to one job.
type jobCalls struct {
	app     *routed
	job     *workerpool.Job
	ctx     context.Context
	browser *session.Browser // nil until the handler uses it
}

// handlerCalls are all calls of jobCalls by name.
var handlerCalls = map[string]func(*jobCalls, asgi.Fields) (asgi.Fields, error){
	"render":               (*jobCalls).render,
	"file/check":           (*jobCalls).checkFile,
	"file/send":            (*jobCalls).sendFile,
	"session/channel":      (*jobCalls).channelSession,
	"session/save_channel": (*jobCalls).saveChannelSession,
	"session/http":         (*jobCalls).browserSession,
	"session/save_http":    (*jobCalls).saveBrowserSession,
	"session/cycle":        (*jobCalls).cycle,
	"put_back":             (*jobCalls).putBack,
	"unanswered":           (*jobCalls).unanswered,
}

// do makes a call, and reports whether there is one of this name.
func (c *jobCalls) do(name string, args asgi.Fields) (result asgi.Fields, known bool, err error) {
	call := handlerCalls[name]
	if call == nil {
		return nil, false, nil
	}
	result, err = call(c, args)
	return result, true, err
}

// cause returns the cause of the job.
func (c *jobCalls) cause() *asgi.Cause { return c.job.Cause }

// saving returns a context for saving sessions. Cancelling the handler does not cancel
// it, so that changes made before are saved.
func (c *jobCalls) saving() context.Context { return context.WithoutCancel(c.ctx) }

// render makes a page of a template. Its errors are results, because they have a place.
func (c *jobCalls) render(args asgi.Fields) (asgi.Fields, error) {
	page, err := c.app.env.Render(find[string](args, "template"), find[asgi.Dict](args, "context"))
	if err != nil {
		return failed(err), nil
	}
	return asgi.Fields{{Key: "content", Value: page}}, nil
}

// failed describes an error to the handler, which raises it.
func failed(err error) asgi.Fields {
	x := explain.Of(err)
	e := asgi.Fields{{Key: "message", Value: x.Message}, {Key: "hint", Value: x.Hint}}
	if at, ok := x.Place(); ok {
		e = append(e, asgi.Field{Key: "file", Value: at.File}, asgi.Field{Key: "line", Value: at.Line}, asgi.Field{Key: "col", Value: at.Col})
	}
	return asgi.Fields{{Key: "failed", Value: e}}
}

// checkFile checks that a file can be sent.
func (c *jobCalls) checkFile(args asgi.Fields) (asgi.Fields, error) {
	name, kind, err := c.app.env.CheckFile(c.app.inFolder(find[string](args, "path")))
	if err != nil {
		return failed(err), nil
	}
	return asgi.Fields{{Key: "path", Value: name}, {Key: "content_type", Value: kind}}, nil
}

// sendFile responds with a file.
func (c *jobCalls) sendFile(args asgi.Fields) (asgi.Fields, error) {
	s := sender(c.ctx, c.job)
	request := c.job.Delivery.Message
	if edit := c.app.opts.Pages.Editor(request); edit != nil {
		s.Edit = edit
	}
	err := c.app.env.SendFile(request, find[string](args, "path"), int(find[int64](args, "status")), find[asgi.List](args, "headers"), s)
	return nil, err
}

// channelSession returns the session of the connection.
func (c *jobCalls) channelSession(asgi.Fields) (asgi.Fields, error) {
	c.job.UseSession()
	data, err := c.app.loader.sessions.Channel(c.ctx, c.cause(), c.job.ReplyChannel())
	return asgi.Fields{{Key: "data", Value: data}}, err
}

func (c *jobCalls) saveChannelSession(args asgi.Fields) (asgi.Fields, error) {
	now := find[asgi.Dict](args, "new")
	c.job.NoteStored(now)
	if c.job.Disconnected(c.job.ReplyChannel()) {
		return nil, nil // nothing would delete it
	}
	c.job.UseSession()
	return nil, c.app.loader.sessions.SaveChannel(c.saving(), c.cause(), c.job.ReplyChannel(), now)
}

// open returns the session of the browser.
func (c *jobCalls) open() (*session.Browser, error) {
	if c.browser != nil {
		return c.browser, nil
	}
	b, record, err := c.app.loader.sessions.Open(c.ctx, c.cause(), c.job.Delivery.Channel, c.job.Delivery.Message)
	if err != nil {
		return nil, err
	}
	if record {
		c.job.UseSession()
	}
	c.browser = b
	return b, nil
}

// browserSession returns the session of the browser.
func (c *jobCalls) browserSession(asgi.Fields) (asgi.Fields, error) {
	b, err := c.open()
	if err != nil {
		return nil, err
	}
	return asgi.Fields{{Key: "data", Value: b.Saved()}}, nil
}

// saveBrowserSession saves the session of the browser, and returns its cookie.
func (c *jobCalls) saveBrowserSession(args asgi.Fields) (asgi.Fields, error) {
	b, err := c.open()
	if err != nil {
		return nil, err
	}
	now := find[asgi.Dict](args, "new")
	c.job.NoteStored(now)
	cookie, err := b.Save(c.saving(), c.cause(), find[asgi.Dict](args, "old"), now, c.job.Replied())
	switch {
	case errors.Is(err, session.ErrRenewed), errors.Is(err, session.ErrTooLate):
		c.app.log.Warn(err.Error(), logkey.Channel, c.job.ReplyChannel(), logkey.Generation, c.app.generation)
		return nil, nil
	case err != nil:
		return nil, err
	case c.job.Delivery.Channel != asgi.HTTPRequest:
		c.job.UseSession()
		return nil, nil
	}
	c.job.SetCookie(cookie)
	return asgi.Fields{{Key: "cookie", Value: asgi.Bytes(cookie)}}, nil
}

// cycle gives the session of the browser a new id when it is saved.
func (c *jobCalls) cycle(asgi.Fields) (asgi.Fields, error) {
	b, err := c.open()
	if err != nil {
		return nil, err
	}
	save, err := b.Cycle(c.job.Replied())
	if err != nil {
		return nil, remote.Errorf(remote.BadRequest, "%v", err)
	}
	return asgi.Fields{{Key: "save", Value: save}}, nil
}

// putBack puts the message of the job back.
func (c *jobCalls) putBack(asgi.Fields) (asgi.Fields, error) {
	return nil, c.job.ConsumeLater(c.ctx)
}

// unanswered reports whether the handler has neither replied nor arranged a later
// reply.
func (c *jobCalls) unanswered(asgi.Fields) (asgi.Fields, error) {
	return asgi.Fields{{Key: "unanswered", Value: c.job.Unanswered()}, {Key: "open", Value: c.job.PassedOn()}}, nil
}

// edit adds the scripts of pages to the complete response of a view.
func (c *jobCalls) edit(m asgi.Message) (asgi.Message, error) {
	return editPage(c.app.opts.Pages, c.job.Delivery.Message, m)
}

// editPage adds the scripts of pages to a complete response.
func editPage(p *pages.Pages, request, m asgi.Message) (asgi.Message, error) {
	edit := p.Editor(request)
	if edit == nil || !m.Has(asgi.KeyStatus) {
		return m, nil
	}
	v, _ := m.Get(asgi.KeyHeaders)
	headers, _ := v.(asgi.List)
	headers, content := edit(headers, asgi.Bytes(m.Octets(asgi.KeyContent)))
	m, err := m.With(asgi.KeyHeaders, headers)
	if err != nil {
		return m, err
	}
	return m.With(asgi.KeyContent, content)
}
