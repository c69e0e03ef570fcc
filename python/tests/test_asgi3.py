"""Tests of asgibox._asgi3 with a server that only records frames."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import socket
import struct
import sys
import threading
import types
import unittest
from pathlib import Path
from typing import Any, Dict, List, Tuple
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from asgibox import _asgi3, _explain  # noqa: E402

Frame = Tuple[Dict[str, Any], List[bytes]]


def encode(head: Dict[str, Any], *segments: bytes) -> bytes:
    text = json.dumps(head).encode()
    rest = b"".join(struct.pack(">I", len(s)) + s for s in segments)
    return struct.pack(">II", 4 + len(text) + len(rest), len(text)) + text + rest


def decode(data: bytes) -> List[Frame]:
    frames = []
    while data:
        size, head = struct.unpack(">II", data[:8])
        frame, data = data[8:4 + size], data[4 + size:]
        rest, segments = frame[head:], []
        while rest:
            (n,) = struct.unpack(">I", rest[:4])
            segments.append(rest[4:4 + n])
            rest = rest[4 + n:]
        frames.append((unname(json.loads(frame[:head]), segments), segments))
    return frames


def unname(head: Dict[str, Any], segments: List[bytes]) -> Dict[str, Any]:
    """Returns the head without the fields that name segments, in their order."""
    named = [key for key, value in head.items() if isinstance(value, str) and value.startswith("\uffff\ufffe")]
    assert [head[key] for key in named] == ["\uffff\ufffe%d" % i for i in range(len(segments))]
    return {key: value for key, value in head.items() if key not in named}


class Host:
    max_message = 1 << 20
    options = types.SimpleNamespace(target="app:app")

    def __init__(self) -> None:
        self.is_ready = threading.Event()

    def explain(self, exc: BaseException) -> Dict[str, Any]:
        return _explain.explain(exc, "/nowhere", limit=self.max_message)

    def ready(self, kind: str, name: str) -> None:
        assert kind == "asgi3"

    def on_end(self, callback: Any) -> None:
        self.end = callback
        self.is_ready.set()

    def connect(self) -> socket.socket:
        self.peer, child = socket.socketpair()
        return child


class Transport:
    def __init__(self) -> None:
        self.writes: List[bytes] = []

    def write(self, data: bytes) -> None:
        self.writes.append(data)


class Rig:
    """A Server for an application, and the frames it has written."""

    def __init__(self, application: Any) -> None:
        self.transport = Transport()
        self.server = _asgi3.Server(application, Host(), {"shared": 1})
        self.server.connection_made(self.transport)  # type: ignore[arg-type]
        self.take()

    def take(self) -> List[Frame]:
        frames = decode(b"".join(self.transport.writes))
        self.transport.writes.clear()
        return frames

    async def feed(self, *frames: bytes) -> List[Frame]:
        """Sends frames and returns those that follow from them."""
        self.server.data_received(b"".join(frames))
        return await self.settle()

    async def settle(self) -> List[Frame]:
        for _ in range(20):
            await asyncio.sleep(0)
        return self.take()


SEGMENT = "\uffff\ufffe0"
SCOPE = {"http_version": "1.1", "scheme": "http", "root_path": "/r", "client": ["127.0.0.1", 5], "server": ["127.0.0.1", 8000]}
SOCKET = {"subprotocols": ["a"], "http_version": "1.1", "scheme": "ws", "root_path": "", "client": None, "server": None}


def shared(fields: Dict[str, Any], headers: str) -> str:
    return "\uffff" + json.dumps(fields) + "\n" + headers


def request(number: int, body: bytes = b"", more: bool = False) -> bytes:
    head = {"http": number, "method": "GET", "path": "/a b", "raw": "/a%20b", "query": "\uffffq=1", "body": SEGMENT,
            "shared": shared(SCOPE, "host\nx\naccept\n*/*")}
    if more:
        head["more"] = True
    return encode(head, body)


def websocket(number: int, resumed: bool = False) -> bytes:
    head = {"websocket": number, "path": "/", "query": "\uffff", "shared": shared(SOCKET, "host\nx")}
    if resumed:
        head["resumed"] = True
    return encode(head)


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
    await send({"type": "http.response.body", "body": b"hello"})


class Requests(unittest.IsolatedAsyncioTestCase):
    async def test_scope(self) -> None:
        scopes = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            scopes.append(scope)
            await hello(scope, receive, send)

        await Rig(application).feed(request(1), request(2))
        scopes[0]["headers"].clear()
        scopes[0]["state"]["shared"] = 2  # each request has its own
        self.assertEqual(scopes[1], {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "method": "GET",
            "scheme": "http", "path": "/a b", "raw_path": b"/a%20b", "query_string": b"q=1", "root_path": "/r",
            "headers": [(b"host", b"x"), (b"accept", b"*/*")], "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 8000),
            "state": {"shared": 1},
        })

    async def test_response_is_one_frame_in_one_write(self) -> None:
        rig = Rig(hello)
        rig.server.data_received(request(1) + request(2))
        for _ in range(20):
            await asyncio.sleep(0)
        self.assertEqual(len(rig.transport.writes), 1)
        self.assertEqual(rig.take(), [
            ({"start": n, "status": 200, "done": True}, [b"a\nb", b"hello"]) for n in (1, 2)
        ])

    async def test_response_does_not_wait_for_what_follows(self) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            await hello(scope, receive, send)
            self.assertEqual(await receive(), {"type": "http.disconnect"})
            await asyncio.Event().wait()

        rig = Rig(application)
        self.assertEqual(await rig.feed(request(1)), [({"start": 1, "status": 200}, [b"a\nb", b"hello"])])
        frames = await rig.feed(encode({"cancel": 1}))
        self.assertEqual(frames[0][0]["done"], 1)
        self.assertEqual(frames[0][0]["error"]["type"], "asyncio.exceptions.CancelledError")

    async def test_a_complete_response_ends_receive(self) -> None:
        events = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await hello(scope, receive, send)
            events.extend([await receive(), await receive()])

        await Rig(application).feed(request(1), request(2, b"unread"), request(3, b"unread", True))
        self.assertEqual(events, [{"type": "http.disconnect"}] * 6)

    async def test_frames_arrive_in_pieces(self) -> None:
        rig = Rig(hello)
        data = request(1, b"x" * 1000) + request(2)
        for i in range(len(data)):
            rig.server.data_received(data[i:i + 1])
        self.assertEqual([head["start"] for head, _ in await rig.settle()], [1, 2])

    async def test_body_comes_in_pieces_when_it_is_read(self) -> None:
        got = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            more = True
            while more:
                event = await receive()
                got.append(event["body"])
                more = event["more_body"]
            await hello(scope, receive, send)

        rig = Rig(application)
        self.assertEqual(await rig.feed(request(1, b"one", True)), [({"wait": 1}, [])])
        self.assertEqual(await rig.feed(encode({"body": 1, "more": True, "content": SEGMENT}, b"two")), [({"wait": 1}, [])])
        self.assertEqual(len(await rig.feed(encode({"body": 1, "more": False, "content": SEGMENT}, b"three"))), 1)
        self.assertEqual(got, [b"one", b"two", b"three"])

    async def test_two_pieces_that_come_at_once_are_one_event(self) -> None:
        """A receive() that was cancelled has asked for the first one."""
        got = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            got.append(await receive())
            got.append(await receive())
            await hello(scope, receive, send)

        rig = Rig(application)
        await rig.feed(request(1, b"one", True))
        await rig.feed(encode({"body": 1, "more": True, "content": SEGMENT}, b"two") + encode({"body": 1, "more": False, "content": SEGMENT}, b"three"))
        self.assertEqual(got[1], {"type": "http.request", "body": b"twothree", "more_body": False})

    async def test_client_leaves(self) -> None:
        events = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            events.append(await receive())
            await hello(scope, receive, send)

        rig = Rig(application)
        await rig.feed(request(1))
        self.assertEqual(await rig.feed(encode({"gone": 1})), [({"done": 1}, [])])
        self.assertEqual(events, [{"type": "http.disconnect"}])

    async def test_receive_that_is_cancelled_waits_no_more(self) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            try:
                await asyncio.wait_for(receive(), 0.001)
            except asyncio.TimeoutError:
                pass
            await hello(scope, receive, send)

        rig = Rig(application)
        frames = await rig.feed(request(1))
        while len(frames) < 3:
            await asyncio.sleep(0.001)
            frames += rig.take()
        self.assertEqual([head for head, _ in frames],
                         [{"wait": 1}, {"wait": 1, "off": True}, {"start": 1, "status": 200, "done": True}])

    async def test_stream_waits_for_room(self) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200})
            for _ in range(3):
                await send({"type": "http.response.body", "body": b"x" * 60_000, "more_body": True})
            await send({"type": "http.response.body"})

        rig = Rig(application)
        frames = await rig.feed(request(1))
        self.assertEqual([(head, len(s[-1])) for head, s in frames], [
            ({"start": 1, "status": 200, "more": True}, 60_000), ({"piece": 1, "more": True, "ack": True}, 60_000)])
        frames = await rig.feed(encode({"room": 1}))
        self.assertEqual([head for head, _ in frames], [{"piece": 1, "more": True}, {"piece": 1, "done": True}])

    async def test_long_body_is_split(self) -> None:
        body = bytes(range(256)) * 4096

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": bytearray(body)})

        rig = Rig(application)
        frames = await rig.feed(request(1))
        while not frames[-1][0].get("done"):
            frames += await rig.feed(encode({"room": 1}))
        self.assertEqual(b"".join(s[-1] for _, s in frames), body)
        self.assertEqual(len(frames), 4)

    async def test_mistakes_are_errors_of_the_task(self) -> None:
        async def two_starts(send: Any) -> None:
            for _ in range(2):
                await send({"type": "http.response.start", "status": 200})

        async def no_start(send: Any) -> None:
            await send({"type": "http.response.body"})

        async def line_feed(send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b\nc: d")]})

        async def unknown(send: Any) -> None:
            await send({"type": "http.response.trailers"})

        async def long_headers(send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b" * 70_000)]})

        async def many_headers(send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b" * 60_000)] * 20_000})

        for mistake, text in ((long_headers, "70002 bytes"), (many_headers, "1200059999 bytes"), (two_starts, "already"), (no_start, "before"), (line_feed, "line feed"), (unknown, "not an event")):
            with self.subTest(text):
                async def application(scope: Any, receive: Any, send: Any) -> None:
                    await mistake(send)

                (head, _), = await Rig(application).feed(request(1))
                self.assertIn(text, head["error"]["message"])

    async def test_values_of_events_are_checked(self) -> None:
        """A status of more than 64 bits would end the connection of the process."""
        start = {"type": "http.response.start", "status": 200}
        for event, text in (
            (None, 'send takes a dict with a text "type", not None'),
            ({"status": 200}, 'send takes a dict with a text "type"'),
            ({"type": "http.response.start"}, "the status of http.response.start is None"),
            (dict(start, status=-5), "is -5; it must be a number"),
            (dict(start, status=10**30), "it must be a number"),
            (dict(start, status="200"), "is '200'"),
            (dict(start, headers=[("a", "b")]), "must be pairs of bytes"),
            (dict(start, headers=[b"abc"]), "must be pairs of bytes"),
            (dict(start, headers=5), "must be pairs of bytes"),
            ({"type": "http.response.body", "body": "text"}, "the body of http.response.body is of type str"),
            ({"type": "http.response.body", "body": 5}, "is of type int"),
        ):
            with self.subTest(text):
                async def application(scope: Any, receive: Any, send: Any) -> None:
                    if event and event["type" if "type" in event else "status"] == "http.response.body":
                        await send(start)
                    await send(event)

                (head, _), = await Rig(application).feed(request(1))
                self.assertIn(text, head["error"]["message"])

    async def test_an_application_that_ignores_that_its_client_has_left_is_cancelled(self) -> None:
        async def ignore(receive: Any, send: Any) -> None:
            for _ in range(300):
                try:
                    await (receive() if call == "receive" else send({"type": call}))
                except Exception:
                    pass
            raise SystemError("it was not cancelled")

        async def alone(scope: Any, receive: Any, send: Any) -> None:
            await ignore(receive, send)

        async def with_subtasks(scope: Any, receive: Any, send: Any) -> None:
            await asyncio.gather(ignore(receive, send), asyncio.Event().wait())

        for application in (alone, with_subtasks):
            for call in ("receive", "http.response.body", "websocket.send"):
                for start, end in ((request(1), {"gone": 1}), (websocket(1), {"closed": 1, "code": 1001})):
                    with self.subTest(application.__name__, call=call, end=end):
                        rig = Rig(application)
                        frames = await rig.feed(start, encode(end))
                        while not frames or "done" not in frames[-1][0]:
                            frames += await rig.settle()
                        self.assertEqual(frames[-1][0], {"done": 1})

    async def test_an_application_that_is_cancelled_can_clean_up(self) -> None:
        """Even if a task that it has left behind still sends."""
        async def ignore(send: Any) -> None:
            for _ in range(150):
                with contextlib.suppress(OSError):
                    await send({"type": "http.response.body"})
            enough.set()

        async def application(scope: Any, receive: Any, send: Any) -> None:
            tasks.append(asyncio.ensure_future(ignore(send)))
            try:
                await enough.wait()
            except asyncio.CancelledError:
                await enough.wait()
                cleaned.append(True)

        enough, tasks, cleaned = asyncio.Event(), [], []  # type: ignore[var-annotated]
        rig = Rig(application)
        frames = await rig.feed(request(1), encode({"gone": 1}))
        while not frames:
            frames = await rig.settle()
        self.assertEqual((frames, cleaned), ([({"done": 1}, [])], [True]))

    async def test_a_task_that_ignores_errors_does_not_stop_the_event_loop(self) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            for _ in range(1000):
                try:
                    await send({"type": "no event"})
                except Exception:
                    pass

        for start in (request(1), websocket(1)):
            rig = Rig(application)
            await rig.feed(start)
            frames = await rig.feed(encode({"cancel": 1}))
            self.assertEqual(frames[-1][0]["error"]["type"], "asyncio.exceptions.CancelledError")

    async def test_a_disconnect_is_returned_without_a_wait(self) -> None:
        """Starlette's is_disconnected cancels a receive() that waits."""
        async def application(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await receive()
            for _ in range(5):
                with self.assertRaises(StopIteration) as end:
                    receive().send(None)
                self.assertEqual(end.exception.value, {"type": "http.disconnect"})

        rig = Rig(application)
        await rig.feed(request(1))
        self.assertEqual(await rig.feed(encode({"gone": 1})), [({"done": 1}, [])])

    async def test_what_the_application_leaves_behind_cannot_send(self) -> None:
        outcomes: List[str] = []

        async def stream(send: Any, *events: Any) -> None:
            try:
                while True:
                    await send(events[0])
            except OSError as error:
                outcomes.append(type(error).__name__)

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                await send({"type": "http.response.start", "status": 200})
                event: Any = {"type": "http.response.body", "body": b"x" * 70_000, "more_body": True}
            else:
                await send({"type": "websocket.accept"})
                event = {"type": "websocket.send", "bytes": b"x" * 70_000}
            tasks.append(asyncio.ensure_future(stream(send, event)))
            await asyncio.sleep(0)

        tasks: List[Any] = []
        for frame in (request(1), websocket(1)):
            rig = Rig(application)
            await rig.feed(frame)
            await rig.settle()
        self.assertEqual([t.done() for t in tasks], [True, True])
        self.assertEqual(outcomes, ["ClientDisconnected"] * 2)

    async def test_errors_fit_in_a_frame(self) -> None:
        for text in ("\ud800", "\uffff\u1234", "x" * 2_000_000):
            with self.subTest(text[:5]):
                async def application(scope: Any, receive: Any, send: Any) -> None:
                    raise ValueError(text)

                frames = await Rig(application).feed(request(1))
                head = frames[0][0]
                self.assertEqual(head["error"]["type"], "ValueError")
                self.assertFalse(head["error"]["message"].startswith("\uffff"))

    async def test_end_waits_for_tasks(self) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            await asyncio.Event().wait()

        rig = Rig(application)
        await rig.feed(request(1))
        rig.server.end()
        await rig.settle()
        self.assertFalse(rig.server.ended.done())
        await rig.feed(encode({"cancel": 1}))
        self.assertTrue(rig.server.ended.done())


async def echo(scope: Any, receive: Any, send: Any) -> None:
    while True:
        event = await receive()
        if event["type"] == "websocket.connect":
            await send({"type": "websocket.accept", "subprotocol": "a", "headers": [(b"x", b"y")]})
        elif event["type"] == "websocket.receive":
            if event["text"] == "close":
                await send({"type": "websocket.close", "code": 4000, "reason": "\uffffbye"})
            else:
                await send({"type": "websocket.send", **{k: v for k, v in event.items() if k != "type"}})
        else:
            return


def yielded(lost: bool) -> List[Frame]:
    return [({"yielded": 1, "lost": lost}, [])]


class WebSockets(unittest.IsolatedAsyncioTestCase):
    async def test_echo(self) -> None:
        rig = Rig(echo)
        self.assertEqual(await rig.feed(websocket(1)), [
            ({"taken": 1}, []), ({"accept": 1, "subprotocol": "a"}, [b"x\ny"])])
        self.assertEqual(await rig.feed(encode({"text": 1, "content": SEGMENT}, "é".encode())), [
            ({"taken": 1}, []), ({"text": 1}, ["é".encode()])])
        self.assertEqual(await rig.feed(encode({"bytes": 1, "content": SEGMENT}, b"\xff")), [
            ({"taken": 1}, []), ({"bytes": 1}, [b"\xff"])])
        self.assertEqual(await rig.feed(encode({"text": 1, "content": SEGMENT}, b"close")), [
            ({"taken": 1}, []), ({"close": 1, "code": 4000, "reason": "\uffff\uffffbye"}, [])])
        self.assertEqual(await rig.feed(encode({"closed": 1, "code": 4000})), [
            ({"taken": 1}, []), ({"done": 1}, [])])

    async def test_denial(self) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            self.assertIn("websocket.http.response", scope["extensions"])
            await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"a", b"b")]})
            await send({"type": "websocket.http.response.body", "body": b"no ", "more_body": True})
            await send({"type": "websocket.http.response.body", "body": b"entry"})

        self.assertEqual(await Rig(application).feed(websocket(1)), [
            ({"deny": 1, "status": 401}, [b"a\nb", b"no entry"]), ({"done": 1}, [])])

    async def test_hand_over_while_it_waits(self) -> None:
        ends = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            try:
                await echo(scope, receive, send)
            except asyncio.CancelledError:
                with self.assertRaises(OSError):
                    await send({"type": "websocket.send", "text": "late"})
                ends.append("cancelled")
                raise

        rig = Rig(application)
        await rig.feed(websocket(1))
        self.assertEqual(await rig.feed(encode({"yield": 1})), yielded(False))
        self.assertEqual(ends, ["cancelled"])

    async def test_hand_over_waits_for_receive(self) -> None:
        go_on = asyncio.Event()

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "websocket.accept"})
            await receive()
            await go_on.wait()
            await send({"type": "websocket.send", "text": "first"})
            await receive()

        rig = Rig(application)
        await rig.feed(websocket(1))
        self.assertEqual(await rig.feed(encode({"bytes": 1, "content": SEGMENT}, b"") + encode({"yield": 1})), [({"taken": 1}, [])])
        go_on.set()
        self.assertEqual(await rig.settle(), [({"text": 1}, [b"first"])] + yielded(False))

    async def test_hand_over_by_force(self) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await asyncio.Event().wait()

        rig = Rig(application)
        await rig.feed(websocket(1))
        self.assertEqual(await rig.feed(encode({"yield": 1})), [])
        self.assertEqual(await rig.feed(encode({"yield": 1, "force": True})), yielded(True))

    async def test_hand_over_of_a_closed_one(self) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "websocket.close"})
            self.assertEqual((await receive())["type"], "websocket.disconnect")

        for last, want in ({"closed": 1, "code": 1000}, [({"taken": 1}, []), ({"done": 1}, [])]), ({"yield": 1, "force": True}, yielded(False)):
            rig = Rig(application)
            await rig.feed(websocket(1))
            self.assertEqual(await rig.feed(encode({"yield": 1})), [])
            self.assertEqual(await rig.feed(encode(last)), want)

    async def test_resumed(self) -> None:
        extensions = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            extensions.append(scope["extensions"])
            await echo(scope, receive, send)

        rig = Rig(application)
        self.assertEqual(await rig.feed(websocket(1, resumed=True)), [({"taken": 1}, [])])
        self.assertEqual(extensions, [{"asgibox.resumed": {}}])
        self.assertEqual(await rig.feed(encode({"text": 1, "content": SEGMENT}, b"x")), [
            ({"taken": 1}, []), ({"text": 1}, [b"x"])])

    async def test_disconnect_is_received_once(self) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            while True:
                await receive()

        rig = Rig(application)
        await rig.feed(websocket(1))
        frames = await rig.feed(encode({"closed": 1, "code": 1001}))
        self.assertEqual(frames[0], ({"taken": 1}, []))
        self.assertEqual(frames[1][0]["error"]["type"], "RuntimeError")

    async def test_sends_fail_before_the_disconnect(self) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "websocket.accept"})
            await receive()
            try:
                while True:
                    await send({"type": "websocket.send", "bytes": b"x" * 70_000})
            except OSError:
                events.extend([await receive(), await receive()])
            await send({"type": "websocket.send", "bytes": b"x"})

        events: List[Any] = []
        rig = Rig(application)
        await rig.feed(websocket(1))
        for text in (b"1", b"2"):
            await rig.feed(encode({"text": 1, "content": SEGMENT}, text))
        await rig.feed(encode({"gone": 1}) + encode({"room": 1}))
        frames = await rig.feed(encode({"closed": 1, "code": 1006}))
        self.assertEqual(events, [{"type": "websocket.receive", "bytes": None, "text": "2"}, {"type": "websocket.disconnect", "code": 1006}])
        self.assertEqual(frames[-1], ({"done": 1}, []))

    async def test_sender_waits_for_room(self) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "websocket.accept"})
            for _ in range(3):
                await send({"type": "websocket.send", "bytes": b"x" * 60_000})

        rig = Rig(application)
        frames = await rig.feed(websocket(1))
        self.assertEqual([head for head, _ in frames], [
            {"accept": 1, "subprotocol": None}, {"bytes": 1}, {"bytes": 1, "ack": True}])
        self.assertEqual(len(await rig.feed(encode({"room": 1}))), 2)

    async def test_long_messages_are_refused(self) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": "x" * 2_000_000})

        frames = await Rig(application).feed(websocket(1))
        self.assertIn("2000000 bytes", frames[1][0]["error"]["message"])

    async def test_values_of_events_are_checked(self) -> None:
        accept = {"type": "websocket.accept"}
        for events, text in (
            ([dict(accept, subprotocol=5)], "the subprotocol of websocket.accept is of type int"),
            ([dict(accept, headers=5)], "must be pairs of bytes"),
            ([accept, {"type": "websocket.send", "text": b"x"}], "the text of websocket.send is of type bytes"),
            ([accept, {"type": "websocket.send", "text": "\ud800"}], "the text of websocket.send has the character '\\ud800'"),
            ([accept, {"type": "websocket.send"}], "the text of websocket.send is of type NoneType"),
            ([accept, {"type": "websocket.send", "bytes": "x"}], "the bytes of websocket.send is of type str"),
            ([accept, {"type": "websocket.close", "code": 10**30}], "it must be a number from 1000 to 4999"),
            ([accept, {"type": "websocket.close", "code": "x"}], "is 'x'"),
            ([accept, {"type": "websocket.close", "reason": 5}], "the reason of websocket.close is of type int"),
            ([{"type": "websocket.http.response.start", "status": 10**30}], "it must be a number like 200"),
        ):  # fmt: skip
            with self.subTest(text):
                async def application(scope: Any, receive: Any, send: Any) -> None:
                    for event in events:
                        await send(event)

                frames = await Rig(application).feed(websocket(1))
                self.assertIn(text, frames[-1][0]["error"]["message"])

    async def test_ping(self) -> None:
        self.assertEqual(await Rig(echo).feed(encode({"ping": 7})), [({"pong": 7}, [])])


class Runs(unittest.TestCase):
    """Tests of run, with a socket."""

    def run_with(self, application: Any) -> Host:
        host = Host()
        thread = threading.Thread(target=_asgi3.run, args=(application, host))
        thread.start()
        self.addCleanup(thread.join, 10)
        self.assertTrue(host.is_ready.wait(10))
        self.assertEqual(decode(host.peer.recv(1000))[0][0], {"call": "serve_asgi3"})
        return host

    def test_lifespan(self) -> None:
        events = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                events.append((await receive())["type"])
                scope["state"]["pool"] = "p"
                await send({"type": "lifespan.startup.complete"})
                events.append((await receive())["type"])
                await send({"type": "lifespan.shutdown.complete"})
            else:
                events.append(scope["state"])
                await hello(scope, receive, send)

        host = self.run_with(application)
        host.peer.sendall(request(1))
        self.assertEqual(decode(host.peer.recv(1000))[0][0]["start"], 1)
        host.end()
        self.assertEqual(host.peer.recv(1000), b"")
        self.assertEqual(events, ["lifespan.startup", {"pool": "p"}, "lifespan.shutdown"])

    def test_a_lifespan_that_fails_later(self) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                await receive()
                await send({"type": "lifespan.startup.complete"})
                raise LookupError("the pool is lost")
            await hello(scope, receive, send)

        with mock.patch("sys.stderr", io.StringIO()) as err:
            host = self.run_with(application)
            host.peer.sendall(request(1))
            self.assertEqual(decode(host.peer.recv(1000))[0][0]["start"], 1)
            self.assertIn("the lifespan of the application has failed:\nTraceback", err.getvalue())
            self.assertIn("LookupError: the pool is lost", err.getvalue())
            host.end()
            self.assertEqual(host.peer.recv(1000), b"")

    def test_application_without_lifespan(self) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            assert scope["type"] == "http"
            await hello(scope, receive, send)

        host = self.run_with(application)
        host.peer.close()  # the server has gone

    def test_failed_startup(self) -> None:
        async def reports(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": "no database"})

        async def reports_and_raises(scope: Any, receive: Any, send: Any) -> None:
            await reports(scope, receive, send)
            raise LookupError("no database")

        async def raises(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            raise LookupError("no database")

        for application, error in ((reports, _asgi3.LifespanError), (reports_and_raises, LookupError), (raises, LookupError)):
            with self.subTest(application.__name__):
                with self.assertRaisesRegex(error, "no database"):
                    _asgi3.run(application, Host())


if __name__ == "__main__":
    unittest.main()
