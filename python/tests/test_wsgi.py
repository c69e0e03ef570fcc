"""Tests of WSGI applications: the environ, and what is sent for each kind of response."""

import sys
import unittest
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Optional
from wsgiref.validate import validator

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import fake  # noqa: E402

from asgibox import _wire, _wsgi  # noqa: E402
from asgibox._errors import Gone  # noqa: E402


class Calls:
    """Stands in for a connection. It records what is sent and gives the pieces of a body."""

    def __init__(self, *pieces: Dict[str, Any]) -> None:
        self.hello: Dict[str, Any] = {"max_message": 1 << 20}
        self.sent: List[Dict[str, Any]] = []
        self.job = 1
        self.pieces = list(pieces)
        self.failures: List[BaseException] = []

    def call(self, name: str, fields: Dict[str, Any]) -> Dict[str, Any]:
        if name == "receive":
            return {"channel": fields["channels"][0], "message": self.pieces.pop(0)}
        assert name == "send" and fields["channel"] == "test.response!c1"
        assert fields["retry"]  # it waits for a slow client
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(fields["message"])
        return {}


class WSGICase(unittest.TestCase):
    def handle(self, application: Callable[..., Any], calls: Optional[Calls] = None, **fields: Any) -> Dict[str, Any]:
        """Handles a request, and returns the messages that were sent and done."""
        calls = calls or Calls()
        frame = _wire.Encoder().encode({"job": 1, "message": fake.request(**fields)})
        head, segments = _wire.parse(frame, 4, len(frame) - 4)
        handle = _wsgi.handler(application)
        try:
            done = handle(head, segments, calls)  # type: ignore[arg-type]
        finally:
            self.sent = calls.sent
        return done or {}

    def environ(self, **fields: Any) -> Dict[str, Any]:
        got: Dict[str, Any] = {}

        def application(environ: Dict[str, Any], start_response: Any) -> List[bytes]:
            got.update(environ)
            start_response("204 No Content", [])
            return []

        self.handle(application, **fields)
        return got


class Misuse(WSGICase):
    def test_nothing_is_sent_or_read_after_the_request(self) -> None:
        """The connection has the next request then."""
        kept: List[Any] = []

        def application(environ: Dict[str, Any], start_response: Any) -> List[bytes]:
            kept.extend([start_response("200 OK", []), environ["wsgi.input"]])
            return []

        calls = Calls()
        self.handle(application, calls, body_channel="b?1", headers=[[b"content-length", b"1"]])
        calls.job = 2
        with self.assertRaisesRegex(RuntimeError, "write was called after the request had ended"):
            kept[0](b"x")
        with self.assertRaisesRegex(OSError, "after the request had ended"):
            kept[1].read(1)
        self.assertEqual(calls.sent, [])

    def test_headers(self) -> None:
        for headers, kind, problem in (
            ([("a",)], TypeError, "is no pair"),
            ([5], TypeError, "the header 5 is no pair"),
            ([("a", 5)], TypeError, "must consist of two texts"),
            ([("a", "\ud800")], ValueError, r"has the character '\\ud800'"),
        ):

            def application(environ: Dict[str, Any], start_response: Any) -> List[bytes]:
                start_response("200 OK", headers)
                return []

            with self.subTest(problem), self.assertRaisesRegex(kind, problem):
                self.handle(application)

    def test_a_length_that_is_no_number_is_left_to_the_server(self) -> None:
        for length in ("²", "9" * 5000, "x"):

            def application(environ: Dict[str, Any], start_response: Any) -> List[bytes]:
                start_response("200 OK", [("content-length", length)])
                return [b"x"]

            self.assertEqual(self.handle(application)["reply"]["content"], b"x")


class Environ(WSGICase):
    def test_a_request(self) -> None:
        long = b"x" * 300
        e = self.environ(
            path="/app/a b/é", root_path="/app", method="POST", query_string=b"q=\xff", scheme="https", http_version="2", body=b"abc",
            headers=[[b"host", b"h"], [b"content-type", b"text/plain"], [b"x-two", b"1"], [b"x-two", b"\xe9"], [b"cookie", b"a=1"],
                     [b"cookie", b"b=2"], [b"x-long", long]],
        )  # fmt: skip
        want = {
            "REQUEST_METHOD": "POST", "SCRIPT_NAME": "/app", "PATH_INFO": "/a b/\u00c3\u00a9", "QUERY_STRING": "q=\xff",
            "SERVER_PROTOCOL": "HTTP/2", "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8000", "REMOTE_ADDR": "127.0.0.1",
            "REMOTE_PORT": "50000", "HTTP_HOST": "h", "CONTENT_TYPE": "text/plain", "CONTENT_LENGTH": "3", "HTTP_X_TWO": "1,\xe9",
            "HTTP_COOKIE": "a=1; b=2", "HTTP_X_LONG": long.decode(), "wsgi.version": (1, 0), "wsgi.url_scheme": "https",
            "wsgi.multithread": True, "wsgi.multiprocess": True, "wsgi.run_once": False, "wsgi.input_terminated": True,
            "wsgi.errors": sys.stderr,
        }  # fmt: skip
        body = e.pop("wsgi.input")
        self.assertEqual(e, want)
        self.assertEqual(body.read(), b"abc")

    def test_without_addresses(self) -> None:
        e = self.environ(client=None, server=None)
        self.assertEqual((e["SERVER_NAME"], e["SERVER_PORT"]), ("unknown", "0"))
        self.assertNotIn("REMOTE_ADDR", e)
        self.assertNotIn("CONTENT_LENGTH", e)

    def test_an_environ_belongs_to_its_request(self) -> None:
        def application(environ: Dict[str, Any], start_response: Any) -> List[bytes]:
            self.assertNotIn("mine", environ)
            environ["mine"] = 1
            start_response("200 OK", [])
            return [b""]

        handle = _wsgi.handler(application)
        for _ in range(2):
            handle({"job": 1, "message": fake.request(headers=[], query_string="", body="")}, [], Calls())  # type: ignore[arg-type]


class Bodies(WSGICase):
    def read(self, read: Callable[[Any], Any], *pieces: Dict[str, Any], body: bytes = b"one\nt") -> Any:
        got: List[Any] = []

        def application(environ: Dict[str, Any], start_response: Any) -> List[bytes]:
            got.append(read(environ["wsgi.input"]))
            start_response("200 OK", [])
            return [b""]

        headers = [[b"content-length", b"13"]]
        self.handle(application, Calls(*pieces), body=body, body_channel="body?1", headers=headers)
        return got[0]

    def test_the_body_channel_is_streamed(self) -> None:
        more = [{"content": b"wo\nthr", "more_content": True}, {"content": b"ee", "more_content": True}, {"content": b"", "more_content": False}]
        self.assertEqual(self.read(lambda i: i.read(), *more), b"one\ntwo\nthree")
        self.assertEqual(self.read(lambda i: [i.read(2), i.read(9), i.read(9), i.read(1), i.read()], *more), [b"on", b"e\ntwo\nthr", b"ee", b"", b""])
        self.assertEqual(self.read(lambda i: [i.readline(), i.readline(2), i.readline(), i.readline(), i.readline()], *more), [b"one\n", b"tw", b"o\n", b"three", b""])
        self.assertEqual(self.read(lambda i: i.readlines(), *more), [b"one\n", b"two\n", b"three"])
        self.assertEqual(self.read(list, *more), [b"one\n", b"two\n", b"three"])

    def test_a_body_without_a_length_is_read_before_the_application_is_called(self) -> None:
        """Django takes a request without CONTENT_LENGTH for one without a body."""
        calls = Calls({"content": b"wo", "more_content": True}, {"content": b"", "more_content": False})
        kept: List[Any] = []

        def application(environ: Dict[str, Any], start_response: Any) -> List[bytes]:
            self.assertEqual(calls.pieces, [])
            kept.append(environ["wsgi.input"])
            start_response("200 OK", [])
            return [environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))]

        done = self.handle(application, calls, body=b"t", body_channel="body?1")
        self.assertEqual(done["reply"]["content"], b"two")
        self.assertTrue(kept[0].closed)
        with self.assertRaises(Gone):
            self.handle(application, Calls({"closed": True}), body=b"t", body_channel="body?1")

    def test_a_read_after_the_client_has_left(self) -> None:
        def read(i: Any) -> bytes:
            self.assertEqual(i.read(3), b"one")
            with self.assertRaises(OSError):
                i.read()
            return b"raised"

        self.assertEqual(self.read(read, {"content": b"", "more_content": False, "closed": True}), b"raised")


class Responses(WSGICase):
    def app(self, result: Any, status: str = "200 OK", headers: Optional[List[Any]] = None) -> Callable[..., Any]:
        def application(environ: Dict[str, Any], start_response: Any) -> Any:
            start_response(status, [] if headers is None else headers)
            return result

        return application

    def test_a_small_response_is_one_message(self) -> None:
        for result in ([b"ab", b"c"], (b"abc",)):
            done = self.handle(self.app(result, "404 Not Found", [("X-A", "b"), ("X-Latin", "é")]))
            self.assertEqual(done, {"reply": {"status": 404, "headers": [("X-A", "b"), (b"X-Latin", b"\xe9")], "content": b"abc"}})
            self.assertEqual(self.sent, [])

    def test_each_piece_is_sent_before_the_next_is_made(self) -> None:
        calls = Calls()
        seen: List[int] = []

        def pieces() -> Iterable[bytes]:
            for p in (b"a", b"", b"b"):
                seen.append(len(calls.sent))
                yield p

        done = self.handle(self.app(pieces()), calls)
        self.assertEqual(seen, [0, 1, 1])
        self.assertEqual(
            self.sent, [{"status": 200, "headers": [], "content": b"a", "more_content": True}, {"content": b"b", "more_content": True}]
        )
        self.assertEqual(done, {"reply": {"content": b"", "more_content": False}})

    def test_the_declared_length_ends_the_response(self) -> None:
        done = self.handle(self.app(iter([b"a", b"b"]), headers=[("Content-Length", "2")]))
        self.assertEqual([m["more_content"] for m in self.sent], [True, False])
        self.assertEqual(done, {})
        with self.assertRaisesRegex(ValueError, "more content than its content-length of 1"):
            self.handle(self.app(iter([b"a", b"b"]), headers=[("content-length", "1")]))

    def test_long_content_is_cut(self) -> None:
        done = self.handle(self.app([b"x" * (_wsgi.PIECE + 1)]))
        self.assertEqual([len(m["content"]) for m in self.sent], [_wsgi.PIECE, 1])
        self.assertEqual(done, {"reply": {"content": b"", "more_content": False}})

    def test_write(self) -> None:
        def application(environ: Dict[str, Any], start_response: Any) -> List[bytes]:
            write = start_response("200 OK", [])
            write(b"a")
            self.assertEqual(len(calls.sent), 1)
            return [b"b"]

        calls = Calls()
        done = self.handle(application, calls)
        self.assertEqual([m["content"] for m in self.sent], [b"a", b"b"])
        self.assertEqual(done, {"reply": {"content": b"", "more_content": False}})

    def test_close_is_called(self) -> None:
        class Result:
            def __init__(self, fails: bool) -> None:
                self.fails, self.closed = fails, 0

            def __iter__(self) -> Iterable[bytes]:
                yield b"a"
                if self.fails:
                    raise KeyError("x")

            def close(self) -> None:
                self.closed += 1

        good, bad = Result(False), Result(True)
        self.handle(self.app(good))
        with self.assertRaises(KeyError):
            self.handle(self.app(bad))
        self.assertEqual((good.closed, bad.closed), (1, 1))

    def test_exc_info(self) -> None:
        def fail(environ: Dict[str, Any], start_response: Any) -> List[bytes]:
            start_response("200 OK", [("content-length", "5")])
            try:
                raise KeyError("x")
            except KeyError:
                start_response("500 Error", [], sys.exc_info())
            return [b"failed"]

        self.assertEqual(self.handle(fail), {"reply": {"status": 500, "headers": [], "content": b"failed"}})

        def late(environ: Dict[str, Any], start_response: Any) -> List[bytes]:
            start_response("200 OK", [])(b"a")
            try:
                raise KeyError("late")
            except KeyError:
                start_response("500 Error", [], sys.exc_info())
            return [b"unreachable"]

        with self.assertRaisesRegex(KeyError, "late"):
            self.handle(late)

    def test_mistakes_are_errors(self) -> None:
        def twice(environ: Dict[str, Any], start_response: Any) -> List[bytes]:
            start_response("200 OK", [])
            start_response("200 OK", [])
            return []

        def never(environ: Dict[str, Any], start_response: Any) -> List[bytes]:
            return [b"x"]

        for application, problem in [
            (twice, "called already"), (never, "never returned without calling start_response"),
            (self.app("text"), "application returned a value of type str; .* such as a list"),
            (self.app(["text"]), "returned a value of type str in its iterable"), (self.app(b"abc"), "returned a value of type bytes"),
            (self.app(iter([b"a", 1])), "returned a value of type int in its iterable"),
            (self.app(None), "application returned None; a WSGI application returns an iterable of bytes"),
            (self.app([], "OK"), "the status must be"), (self.app([], headers=[("a", 1)]), "two texts"),
            (self.app([], headers=(("a", "b"),)), "must be a list"),  # type: ignore[arg-type]
            (self.app([], headers=[("a", "x" * 100000)] * 1000), "the headers have 100001000 characters"),
        ]:  # fmt: skip
            with self.assertRaisesRegex((TypeError, ValueError, AssertionError), problem):
                self.handle(application)

    def test_a_write_after_the_client_has_left(self) -> None:
        calls = Calls()
        calls.failures = [Gone("left")]
        with self.assertRaises(OSError):
            self.handle(self.app(iter([b"a"])), calls)

    def test_the_validator_of_wsgiref_finds_nothing(self) -> None:
        def application(environ: Dict[str, Any], start_response: Any) -> List[bytes]:
            body = environ["wsgi.input"].read(2) + environ["wsgi.input"].readline() + b"".join(environ["wsgi.input"])
            environ["wsgi.errors"].write("")
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"got ", body]

        pieces = [{"content": b"b\nc", "more_content": True}, {"content": b"d", "more_content": False}]
        for fields, calls in [({"body": b"a"}, Calls()), ({"body": b"a", "body_channel": "body?1"}, Calls(*pieces))]:
            self.handle(validator(application), calls, method="POST", **fields)  # type: ignore[arg-type]
            self.assertEqual(b"".join(m["content"] for m in self.sent), b"got a" + (b"b\ncd" if "body_channel" in fields else b""))


if __name__ == "__main__":
    unittest.main()
