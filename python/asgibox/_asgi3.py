"""Runs an ASGI 3 application on one event loop.

The server sends the events of all connections over one socket. Each connection
is a task that calls the application. This module turns frames of the socket
into scopes and events, and the events of the application into frames.

Nothing here waits for an answer of the server, except a sender whose client
does not read. What tasks write during one turn of the event loop is sent
together.

Frames from the server, by the first key of the head. T is the number of the
connection, unique on the socket.

    http T            a request: "method", "path", "raw" (the path as in the URL, if
                      it differs), "query", "shared", "body"; "more": true if the
                      body has more pieces
    body T            the next piece of the body: "content", "more"
    gone T            the client has left; for a WebSocket, closed follows later
    websocket T       a WebSocket: "path", "raw", "query", "shared"; "resumed": true
                      if it is open already
    text T, bytes T   a message of the client: "content"
    closed T          the WebSocket has ended: "code"
    room T            there is room for more pieces or messages
    cancel T          the task must end
    yield T           hand the WebSocket over; "force": true if the task need not
                      wait in receive()
    ping N            sent back as pong N

Frames to the server:

    start T           the begin of a response: "status", "headers", "content", "more"
    piece T           the next piece of it: "content", "more"
    wait T            the application waits in receive(). "off": true if it stopped
    accept T          accepts the WebSocket: "subprotocol", "headers"
    deny T            refuses it with a response: "status", "headers", "content"
    text T, bytes T   a message to the client: "content"
    close T           closes or refuses the WebSocket: "code", "reason"
    taken T           receive() has returned the last event of the WebSocket
    yielded T         the WebSocket is handed over, and its task counts no more.
                      "lost": true if the task did not wait in receive()
    done T            the application has returned; "error" if it failed
    pong N

"ack": true in start, piece, text and bytes asks for a room frame. "done": true
in start and piece stands for a done frame that follows.

Headers are a byte string: names and values with line feeds between them. "shared" is
a byte string: a JSON dict with further parts of the scope, a line feed, and the headers.
Most requests of a client have the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import struct
import sys
import traceback
from typing import Any, Awaitable, Callable, Dict, Iterable, List, MutableMapping, Optional, Tuple

from ._check import brief
from ._text import lone_surrogate

Event = MutableMapping[str, Any]
Application = Callable[[Event, Callable[[], Awaitable[Event]], Callable[[Event], Awaitable[None]]], Awaitable[None]]
Headers = Iterable[Tuple[bytes, bytes]]

# How much a connection may send until it waits for the server, in bytes.
_WINDOW = 64 << 10
# What a piece or message counts besides its content, in bytes.
_OVERHEAD = 512
# The longest piece of a response in one frame, in bytes.
_PIECE = 256 << 10

# How many calls of receive() and send() an application may ignore that say that its
# client has left. After as many again, it is cancelled again.
_PATIENCE = 100

# The longest headers of a response, in bytes. A frame may be 64 KiB longer than its
# content.
_HEADERS = 60 << 10

# How many shared parts of scopes are kept, and the longest of them in bytes.
_SHARED = 1000
_SHARED_SIZE = 2048

_lengths = struct.Struct(">II").pack
_two_lengths = struct.Struct(">II").unpack_from
_length = struct.Struct(">I").pack
_scan: Callable[[str, int], Tuple[Any, int]] = getattr(json.JSONDecoder(), "scan_once")  # noqa: B009

# Fields of a head that name a segment.
_HEADERS0 = ',"headers":"\uffff\ufffe0"'.encode()
_CONTENT0 = ',"content":"\uffff\ufffe0"'.encode()
_CONTENT1 = ',"content":"\uffff\ufffe1"'.encode()

_ASGI = {"version": "3.0", "spec_version": "2.4"}


class ClientDisconnected(OSError):
    """The error of a send to a client that has left."""


class LifespanError(Exception):
    """The application has reported that its startup failed."""


def run(application: Application, host: Any) -> None:
    """Runs the application until the server ends this process.

    Fails with the error of the startup if the application does not start.
    """
    try:
        import uvloop
    except ImportError:
        loop = asyncio.new_event_loop()
    else:
        loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(_main(application, host))
    finally:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks, timeout=1))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _main(application: Application, host: Any) -> None:
    loop = asyncio.get_running_loop()
    lifespan = Lifespan(application)
    await lifespan.startup()
    server = Server(application, host, lifespan.state)
    connection = host.connect()
    connection.setblocking(False)
    if connection.family == getattr(socket, "AF_UNIX", None):
        await loop.create_unix_connection(lambda: server, sock=connection)
    else:
        await loop.create_connection(lambda: server, sock=connection)
    host.ready("asgi3", name=os.path.basename(host.options.target))
    host.on_end(lambda: loop.call_soon_threadsafe(server.end))
    await server.ended
    try:
        await lifespan.shutdown()
    finally:
        server.close()


class Lifespan:
    """The task of the lifespan protocol."""

    def __init__(self, application: Application) -> None:
        self.state: Dict[str, Any] = {}
        self._application = application
        self._events: "asyncio.Queue[Event]" = asyncio.Queue()
        self._received = False  # the application speaks the protocol
        self._stopping = False
        self._answered: "asyncio.Future[Optional[str]]"  # None, or why it failed
        self._task: "asyncio.Task[None]"

    async def startup(self) -> None:
        """Starts the application. An application without lifespan is fine."""
        self._task = asyncio.get_running_loop().create_task(self._run())
        failure = await self._ask("lifespan.startup")
        if failure is None:
            if self._received:
                self._task.add_done_callback(self._ended)
            return
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._task, 1)  # its exception says more
        raise LifespanError(failure or "the application has sent lifespan.startup.failed without a message")

    async def shutdown(self) -> None:
        """Lets the application clean up. Its failure is printed."""
        if self._task.done():
            return
        self._stopping = True
        failure = await self._ask("lifespan.shutdown")
        if failure is not None:
            print("the shutdown of the application failed: " + failure, file=sys.stderr)
        if self._task.done() and self._task.exception() is not None:
            raise self._task.exception()  # type: ignore[misc]

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """Prints the failure of a lifespan that ends while the application runs."""
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._stopping:
            print("the lifespan of the application has failed:", file=sys.stderr)
            traceback.print_exception(type(error), error, error.__traceback__)

    async def _ask(self, kind: str) -> Optional[str]:
        """Sends an event and returns None, or the failure that is the answer.

        If the task ends first, its exception is raised, unless the application
        does not know the protocol.
        """
        self._answered = asyncio.get_running_loop().create_future()
        self._events.put_nowait({"type": kind})
        either: "set[asyncio.Future[Any]]" = {self._answered, self._task}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if self._answered.done():
            return self._answered.result()
        if self._received:
            self._task.result()
        else:
            self._task.exception()  # it need not be logged
        return None

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        await self._application(scope, self._receive, self._send)

    async def _receive(self) -> Event:
        self._received = True
        return await self._events.get()

    async def _send(self, event: Event) -> None:
        kind = _kind(event)
        if self._answered.done():
            raise RuntimeError("%r was sent, but nothing waits for it" % kind)
        if kind in ("lifespan.startup.complete", "lifespan.shutdown.complete"):
            self._answered.set_result(None)
        elif kind in ("lifespan.startup.failed", "lifespan.shutdown.failed"):
            self._answered.set_result(str(event.get("message", "")))
        else:
            raise RuntimeError("%r is not an event of the lifespan protocol" % kind)


class Server(asyncio.Protocol):
    """The end of the socket: reads frames, and writes those of all connections."""

    def __init__(self, application: Application, host: Any, state: Dict[str, Any]) -> None:
        self.application = application
        self.host = host
        self.state = state
        self.loop = asyncio.get_running_loop()
        self.ended = self.loop.create_future()  # done when the process must end
        self.longest = host.max_message or _PIECE  # content of a frame, in bytes
        self.piece = min(_PIECE, self.longest)
        self._connections: Dict[int, Any] = {}
        self._shared: Dict[bytes, Dict[str, Any]] = {}  # parts of scopes, by their byte strings
        self._ending = False
        self._out: List[bytes] = []  # not yet written
        self._finals: List["Request"] = []  # whose last piece is not yet in _out
        self._flushing = False  # flush is scheduled
        self._parts: List[bytes] = []  # of an incomplete frame
        self._have = self._need = 0  # bytes of it
        self._transport: asyncio.Transport
        self._handlers: Dict[str, Callable[[int, Event, List[bytes]], None]] = {
            "http": self._http, "body": self._body, "gone": self._gone, "websocket": self._websocket,
            "text": self._text, "bytes": self._message, "closed": self._closed, "room": self._room, "cancel": self._cancel,
            "yield": self._yield, "ping": self._ping,
        }

    # The connection.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._transport.write(_frame(b'{"call":"serve_asgi3"}'))

    def connection_lost(self, exc: Optional[BaseException]) -> None:
        for connection in list(self._connections.values()):
            connection.task.cancel()
        self._finish()

    def close(self) -> None:
        self._transport.close()

    def end(self) -> None:
        """Ends the process when the last task has ended."""
        self._ending = True
        if not self._connections:
            self._finish()

    def _finish(self) -> None:
        if not self.ended.done():
            self.flush()
            self.ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self._parts:
            self._parts.append(data)
            self._have += len(data)
            if self._have < self._need:
                return
            data = b"".join(self._parts)
            self._parts = []
        at, end, need = 0, len(data), 8
        while end - at >= 8:
            size, length = _two_lengths(data, at)
            if end - at < size + 4:
                need = size + 4
                break
            stop, start = at + size + 4, at + 8
            at = start + length
            head = _scan(data[start:at].decode(), 0)[0]
            kind = next(iter(head))
            self._handlers[kind](head.pop(kind), head, _segments(data, at, stop) if at < stop else [])
            at = stop
        if at < end:
            self._parts, self._have, self._need = [data[at:]], end - at, need

    def write(self, frame: bytes) -> None:
        """Sends a frame at the end of this turn of the event loop."""
        self._out.append(frame)
        if not self._flushing:
            self._flushing = True
            self.loop.call_soon(self.flush)

    def write_last(self, request: "Request") -> None:
        """Sends the last piece of a response at the end of this turn.

        It is the frame that ends the request if that ends by then.
        """
        self._finals.append(request)
        if not self._flushing:
            self._flushing = True
            self.loop.call_soon(self.flush)

    def flush(self) -> None:
        self._flushing = False
        for request in self._finals:
            request.write_last(b"")
        self._finals.clear()
        if self._out:
            self._transport.write(b"".join(self._out))
            self._out.clear()

    # Frames.

    def _http(self, number: int, head: Event, segments: List[bytes]) -> None:
        scope = self._scope(head, segments)
        scope["type"] = "http"
        scope["method"] = head["method"]
        self._start(Request(self, number, scope, _octets(head["body"], segments), "more" in head))

    def _websocket(self, number: int, head: Event, segments: List[bytes]) -> None:
        scope = self._scope(head, segments)
        scope["type"] = "websocket"
        resumed = "resumed" in head
        scope["extensions"] = {"asgibox.resumed": {}} if resumed else {"websocket.http.response": {}}
        self._start(WebSocket(self, number, scope, resumed))

    def _scope(self, head: Event, segments: List[bytes]) -> Event:
        """Returns the parts that all scopes have."""
        key = _octets(head["shared"], segments)
        shared = self._shared.get(key)
        if shared is None:
            shared = self._share(key)
        scope = shared.copy()
        scope["headers"] = shared["headers"].copy()
        scope["asgi"] = _ASGI.copy()
        scope["state"] = self.state.copy()
        path = scope["path"] = head["path"]
        scope["raw_path"] = (head["raw"] if "raw" in head else path).encode()
        scope["query_string"] = _octets(head["query"], segments)
        return scope

    def _share(self, key: bytes) -> Dict[str, Any]:
        """Returns the part of a scope that a byte string stands for, and keeps it."""
        text, _, headers = key.partition(b"\n")
        shared: Dict[str, Any] = json.loads(text)
        for end in ("client", "server"):
            if shared[end]:
                shared[end] = tuple(shared[end])
        parts = iter(headers.split(b"\n"))
        shared["headers"] = list(zip(parts, parts))
        if len(key) <= _SHARED_SIZE:
            if len(self._shared) >= _SHARED:
                self._shared.clear()
            self._shared[key] = shared
        return shared

    def _start(self, connection: "_Connection") -> None:
        self._connections[connection.number] = connection
        connection.task = self.loop.create_task(connection.run())

    def _body(self, number: int, head: Event, segments: List[bytes]) -> None:
        connection = self._connections.get(number)
        if connection is not None:
            connection.piece(_octets(head["content"], segments), head["more"])

    def _gone(self, number: int, head: Event, segments: List[bytes]) -> None:
        connection = self._connections.get(number)
        if connection is not None:
            connection.lose()

    def _message(self, number: int, head: Event, segments: List[bytes]) -> None:
        connection = self._connections.get(number)
        if connection is not None:
            content = _octets(head["content"], segments)
            connection.put({"type": "websocket.receive", "bytes": content, "text": None})

    def _text(self, number: int, head: Event, segments: List[bytes]) -> None:
        connection = self._connections.get(number)
        if connection is not None:
            content = _octets(head["content"], segments).decode()
            connection.put({"type": "websocket.receive", "bytes": None, "text": content})

    def _closed(self, number: int, head: Event, segments: List[bytes]) -> None:
        connection = self._connections.get(number)
        if connection is not None:
            connection.left(head["code"])

    def _room(self, number: int, head: Event, segments: List[bytes]) -> None:
        connection = self._connections.get(number)
        if connection is not None:
            connection.has_room()

    def _cancel(self, number: int, head: Event, segments: List[bytes]) -> None:
        connection = self._connections.get(number)
        if connection is not None:
            connection.task.cancel()

    def _yield(self, number: int, head: Event, segments: List[bytes]) -> None:
        connection = self._connections.get(number)
        if connection is not None:
            connection.hand_over(head.get("force", False))

    def _ping(self, number: int, head: Event, segments: List[bytes]) -> None:
        self.write(_frame(b'{"pong":%d}' % number))

    # The ends of tasks.

    def forget(self, connection: "_Connection") -> None:
        self._connections.pop(connection.number, None)
        if self._ending and not self._connections:
            self.loop.call_soon(self._finish)

    def write_done(self, number: int, error: Optional[BaseException]) -> None:
        if error is None:
            self.write(_frame(b'{"done":%d}' % number))
        else:
            self.write(_frame(self._failure(number, error)))

    def _failure(self, number: int, error: BaseException) -> bytes:
        """Returns the head of a done frame."""
        head = _encode({"done": number, "error": self.host.explain(error)})
        return head.replace(b"\xef\xbf\xbf", b"?")  # a text that begins with U+FFFF would be a byte string


class _Connection:
    """What requests and WebSockets have in common."""

    __slots__ = ("server", "number", "scope", "task", "gone", "_event", "_waiting", "_sent", "_full", "_refused")

    def __init__(self, server: Server, number: int, scope: Event) -> None:
        self.server = server
        self.number = number
        self.scope = scope
        self.task: "asyncio.Task[None]"
        self.gone = False  # the client has left
        self._event: Optional[asyncio.Event] = None  # wakes those who wait
        self._waiting = 0  # calls of receive() that wait
        self._sent = 0  # bytes since the server said that there is room
        self._full = False  # it has not said so yet
        self._refused = 0  # calls of pause

    async def run(self) -> None:
        raise NotImplementedError

    async def send(self, event: Event) -> None:
        try:
            await self._send(event)
        except Exception:
            await self.pause()
            raise

    async def _send(self, event: Event) -> None:
        raise NotImplementedError

    async def pause(self) -> None:
        """Lets other tasks run, for an application that ignores what send() or receive()
        has told it, and calls them again and again. After a while it gets slow, and is
        cancelled if its client has left, whichever of its tasks makes the calls."""
        self._refused += 1
        if self._refused < _PATIENCE:
            if self._refused % 10 == 0:  # rarely: Starlette cancels a receive() that waits
                await asyncio.sleep(0)
            return
        if self.gone and self._refused % _PATIENCE == 0:  # not always: it may clean up
            self.task.cancel()
        await asyncio.sleep(0.01)

    def given_up(self, error: Optional[BaseException]) -> bool:
        """Reports whether an error is that of a task that pause has cancelled."""
        return self._refused >= _PATIENCE and isinstance(error, asyncio.CancelledError)

    def lose(self) -> None:
        """Says that the client has left."""
        self.gone = True
        self.wake()

    def wake(self) -> None:
        if self._event is not None:
            self._event.set()
            self._event.clear()

    async def wait(self) -> None:
        """Waits for the next wake."""
        if self._event is None:
            self._event = asyncio.Event()
        await self._event.wait()

    def has_room(self) -> None:
        self._full, self._sent = False, 0
        self.wake()

    def ack(self, size: int) -> bytes:
        """Counts bytes that are sent, and returns what their head must end with."""
        self._sent += size + _OVERHEAD
        if self._sent < _WINDOW:
            return b"}"
        self._full = True
        return b',"ack":true}'

    async def room(self) -> None:
        """Waits until the server has taken what was sent."""
        while self._full and not self.gone:
            await self.wait()


class Request(_Connection):
    """One HTTP request and its response."""

    __slots__ = ("_body", "_more", "_status", "_headers", "_started", "_complete", "_last")

    def __init__(self, server: Server, number: int, scope: Event, body: bytes, more: bool) -> None:
        self.server = server
        self.number = number
        self.scope = scope
        self.gone = False
        self._event = None
        self._waiting = self._sent = self._refused = 0
        self._full = False
        self._body: Optional[bytes] = body  # the piece that receive() returns next
        self._more = more  # others follow
        self._status = 0
        self._headers: Optional[bytes] = None  # until they are sent
        self._started = self._complete = False
        self._last: Optional[bytes] = None  # piece

    async def run(self) -> None:
        error: Optional[BaseException] = None
        try:
            await self.server.application(self.scope, self.receive, self.send)
        except BaseException as exc:
            error = exc
        self.server.forget(self)
        gone = self.gone
        self.lose()  # for those that the application has left behind
        if self._last is not None and error is None:
            self.write_last(b',"done":true')
            return
        if gone and (isinstance(error, OSError) or type(error).__name__ == "ClientDisconnect" or self.given_up(error)):
            error = None  # of no interest
        self.write_last(b"")
        self.server.write_done(self.number, error)

    async def receive(self) -> Event:
        while self._body is None or self._complete:
            if self.gone or self._complete:
                await self.pause()
                return {"type": "http.disconnect"}
            self._waiting += 1
            self.server.write(_frame(b'{"wait":%d}' % self.number))
            try:
                await self.wait()
            except asyncio.CancelledError:
                self.server.write(_frame(b'{"wait":%d,"off":true}' % self.number))
                raise
            finally:
                self._waiting -= 1
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": self._more}

    def piece(self, content: bytes, more: bool) -> None:
        # A piece that a cancelled receive() has asked for may not be taken yet.
        self._body, self._more = (self._body or b"") + content, more
        self.wake()

    async def _send(self, event: Event) -> None:
        if self.gone:
            raise ClientDisconnected("the client has left")
        kind = _kind(event)
        if kind == "http.response.start":
            if self._status:
                raise RuntimeError("http.response.start was sent already")
            status = _status(event)
            self._headers = _header_block(event.get("headers", ()))
            self._status = status
            return
        if kind != "http.response.body":
            raise RuntimeError("%r is not an event of an HTTP response; send http.response.start or http.response.body" % kind)
        if not self._status:
            raise RuntimeError("http.response.start must be sent before http.response.body")
        if self._complete:
            raise RuntimeError("the response is complete already: its last http.response.body had no more_body")
        body = _content(event, "body", b"")
        more = event.get("more_body", False)
        size = self.server.piece
        if len(body) > size:
            end = (len(body) - 1) // size * size
            for at in range(0, end, size):
                await self._send_piece(body[at:at + size])
            body = body[end:]
        if more:
            await self._send_piece(body)
            return
        self._complete, self._last = True, body
        self.server.write_last(self)
        self.wake()

    async def _send_piece(self, content: bytes) -> None:
        await self.room()
        if self.gone:
            raise ClientDisconnected("the client has left")
        self._write(content, b',"more":true' + self.ack(len(content)))
        await self.room()

    def write_last(self, done: bytes) -> None:
        """Writes the last piece, if it is not written yet."""
        content, self._last = self._last, None
        if content is not None:
            self._write(content, done + b"}")

    def _write(self, content: bytes, rest: bytes) -> None:
        if self._headers is None:
            self.server.write(_frame1(b'{"piece":%d' % self.number + _CONTENT0 + rest, content))
            return
        headers, self._headers = self._headers, None
        head = b'{"start":%d,"status":%d' % (self.number, self._status) + _HEADERS0 + _CONTENT1 + rest
        self.server.write(_frame2(head, headers, content))


_CONNECTING, _OPEN, _CLOSED, _DENYING, _HANDED_OVER = range(5)


class WebSocket(_Connection):
    """One WebSocket, or the part of its life on this code."""

    __slots__ = ("_state", "_resumed", "_inbox", "_yielding", "_code", "_told", "_status", "_headers", "_denial")

    def __init__(self, server: Server, number: int, scope: Event, resumed: bool) -> None:
        super().__init__(server, number, scope)
        self._state = _CONNECTING
        self._resumed = resumed  # it is open although the application has not accepted it
        self._inbox: List[Event] = [{"type": "websocket.connect"}]
        self._yielding = False  # it is handed over when the application waits in receive()
        self._code: Optional[int] = None  # of the websocket.disconnect to come
        self._told = False  # receive() has returned it
        self._status = 0
        self._headers = b""
        self._denial: List[bytes] = []

    async def run(self) -> None:
        error: Optional[BaseException] = None
        try:
            await self.server.application(self.scope, self.receive, self.send)
        except BaseException as exc:
            error = exc
        if self._state == _HANDED_OVER:
            return
        self.server.forget(self)
        if self.gone and (isinstance(error, ClientDisconnected) or type(error).__name__ == "WebSocketDisconnect" or self.given_up(error)):
            error = None  # the usual end of a loop that receives
        self.left(1006 if self._code is None else self._code)  # for those that the application has left behind
        self.server.write_done(self.number, error)

    async def receive(self) -> Event:
        while not self._inbox:
            if self._code is not None and not self._told:
                self._told = True
                self.server.write(_frame(b'{"taken":%d}' % self.number))
                return {"type": "websocket.disconnect", "code": self._code}
            if self._told:
                await self.pause()
                raise RuntimeError("receive() was called after it had returned websocket.disconnect")
            self._waiting += 1
            try:
                if self._yielding:
                    self.hand_over(False)
                await self.wait()
            finally:
                self._waiting -= 1
        self.server.write(_frame(b'{"taken":%d}' % self.number))
        return self._inbox.pop(0)

    def put(self, event: Event) -> None:
        self._inbox.append(event)
        self.wake()

    def left(self, code: int) -> None:
        self._code = code
        self.lose()

    def hand_over(self, force: bool) -> None:
        """Gives the connection up if the application waits in receive() with nothing to take."""
        idle = self._waiting and not self._inbox
        if self._state == _HANDED_OVER:
            return
        if self.gone:
            if force:
                self.task.cancel()
            return
        if not force and (not idle or self._state == _CLOSED):  # the end of one that is closed will come
            self._yielding = True
            return
        self._state = _HANDED_OVER
        self.server.write(_frame(b'{"yielded":%d,"lost":%s}' % (self.number, b"false" if idle else b"true")))
        self._inbox.clear()
        self.server.forget(self)
        self.task.cancel()

    async def _send(self, event: Event) -> None:
        if self._state == _HANDED_OVER:
            raise ClientDisconnected("newer code has taken over the connection")
        if self.gone:
            raise ClientDisconnected("the client has left")
        kind = _kind(event)
        if kind == "websocket.send":
            await self._send_message(event)
        elif kind == "websocket.accept":
            self._accept(event)
        elif kind == "websocket.close":
            self._close(event)
        elif kind == "websocket.http.response.start" and self._state == _CONNECTING and not self._resumed:
            self._headers, self._status = _header_block(event.get("headers", ())), _status(event)
            self._state = _DENYING
        elif kind == "websocket.http.response.body" and self._state == _DENYING:
            self._deny(event)
        else:
            raise RuntimeError("%r must not be sent now" % kind)

    async def _send_message(self, event: Event) -> None:
        if self._state != _OPEN:
            raise RuntimeError("websocket.send must be sent after websocket.accept and before websocket.close")
        content, kind = event.get("bytes"), b"bytes"
        if content is None:
            content, kind = _text(event, "text", None).encode(), b"text"
        else:
            content = _content(event, "bytes", b"")
        if len(content) > self.server.longest:
            raise ValueError("the message has %d bytes, which is more than --max-message allows" % len(content))
        await self.room()
        if self._state != _OPEN or self.gone:
            raise ClientDisconnected("the connection has ended")
        self.server.write(_frame1(b'{"%s":%d' % (kind, self.number) + _CONTENT0 + self.ack(len(content)), content))
        await self.room()

    def _accept(self, event: Event) -> None:
        if self._state != _CONNECTING:
            raise RuntimeError("websocket.accept was sent already, or the connection is refused")
        subprotocol, headers = _text(event, "subprotocol", ""), _header_block(event.get("headers") or ())
        if not subprotocol.isascii():
            raise ValueError("the subprotocol %.100r has characters that are not ASCII" % subprotocol)
        self._state = _OPEN
        if self._resumed:
            return
        head = {"accept": self.number, "subprotocol": subprotocol or None, "headers": "\uffff\ufffe0"}
        self.server.write(_frame1(_encode(head), headers))

    def _close(self, event: Event) -> None:
        if self._state not in (_CONNECTING, _OPEN):
            raise RuntimeError("websocket.close was sent already")
        reason, code = _text(event, "reason", "")[:200], event.get("code")
        if reason.startswith("\uffff"):
            reason = "\uffff" + reason
        code = 1000 if code is None else code
        if not isinstance(code, int) or not 1000 <= code < 5000:
            raise ValueError("the code of websocket.close is %s; it must be a number from 1000 to 4999" % brief(code))
        self._state = _CLOSED
        head = {"close": self.number, "code": int(code), "reason": reason}
        self.server.write(_frame(_encode(head)))

    def _deny(self, event: Event) -> None:
        self._denial.append(_content(event, "body", b""))
        if sum(map(len, self._denial)) > self.server.longest:
            raise ValueError("the response is longer than --max-message allows")
        if event.get("more_body", False):
            return
        self._state = _CLOSED
        head = b'{"deny":%d,"status":%d' % (self.number, self._status) + _HEADERS0 + _CONTENT1 + b"}"
        self.server.write(_frame2(head, self._headers, b"".join(self._denial)))


# What events of the application have.


def _kind(event: Event) -> str:
    if not isinstance(event, MutableMapping) or not isinstance(event.get("type"), str):
        raise TypeError('send takes a dict with a text "type", not %s' % brief(event))
    kind: str = event["type"]
    return kind


def _status(event: Event) -> int:
    status = event.get("status")
    if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status < 1000:
        raise ValueError("the status of %s is %s; it must be a number like 200" % (event["type"], brief(status)))
    return int(status)


def _content(event: Event, key: str, default: bytes) -> bytes:
    content = event.get(key, default)
    if type(content) is bytes:
        return content
    if not isinstance(content, (bytes, bytearray, memoryview)):
        raise TypeError("the %s of %s is of type %s; it must be bytes" % (key, event["type"], type(content).__name__))
    return bytes(content)


def _text(event: Event, key: str, default: Optional[str]) -> str:
    text = event.get(key)
    if text is None:
        text = default
    if not isinstance(text, str):
        raise TypeError("the %s of %s is of type %s; it must be text" % (key, event["type"], type(text).__name__))
    bad = lone_surrogate(text)
    if bad:
        raise ValueError("the %s of %s has the character %a, which UTF-8 does not have" % (key, event["type"], bad))
    return text


def _header_block(headers: Headers) -> bytes:
    parts: List[bytes] = []
    try:
        for name, value in headers:
            parts += (name, value)
        size = sum(map(len, parts)) + len(parts) - 1
        block = b"\n".join(parts) if size <= _HEADERS else b""
    except (TypeError, ValueError):
        raise TypeError("the headers are %s; they must be pairs of bytes" % brief(headers)) from None
    if size > _HEADERS:
        raise ValueError("the headers of the response have %d bytes, more than %d" % (size, _HEADERS))
    if parts and block.count(b"\n") != len(parts) - 1:
        raise ValueError("a header of the response has a line feed in its name or value")
    return block


def _encode(head: Event) -> bytes:
    return json.dumps(head, ensure_ascii=False).encode("utf-8", "replace")


def _frame(head: bytes) -> bytes:
    return _lengths(4 + len(head), len(head)) + head


def _frame1(head: bytes, segment: bytes) -> bytes:
    return b"".join((_lengths(8 + len(head) + len(segment), len(head)), head, _length(len(segment)), segment))


def _frame2(head: bytes, one: bytes, two: bytes) -> bytes:
    return b"".join((
        _lengths(12 + len(head) + len(one) + len(two), len(head)), head,
        _length(len(one)), one, _length(len(two)), two,
    ))


def _octets(value: str, segments: List[bytes]) -> bytes:
    """Returns the byte string that a text of a head stands for."""
    if segments and value[1:2] == "\ufffe":
        return segments[int(value[2:])]
    return value[1:].encode("latin-1")


def _segments(data: bytes, at: int, end: int) -> List[bytes]:
    segments = []
    while at < end:
        start = at + 4
        at = start + int.from_bytes(data[at:start], "big")
        segments.append(data[start:at])
    return segments
