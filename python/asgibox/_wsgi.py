"""Calls a WSGI application (PEP 3333) for each request."""

import io
import re
import shutil
import sys
from typing import IO, Any, Callable, Dict, Iterable, List, Optional, Tuple

from ._check import brief
from ._errors import Gone
from ._place import name_of, place_of
from ._wire import MARK, SEGMENT, Connection, Head, Segments, unmark

Environ = Dict[str, Any]

PIECE = 256 << 10  # bytes of the longest content in one message, unless --max-message is less
MAX_HEADERS = 1 << 20  # characters

_base: Environ = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
    "wsgi.input_terminated": True,
}

_names: Dict[str, str] = {
    MARK + "content-type": "CONTENT_TYPE",
    MARK + "content-length": "CONTENT_LENGTH",
}  # keys of the environ by the name of a header, as the head of a frame has it


def handler(application: Callable[..., Iterable[bytes]]) -> Callable[[Head, Segments, Connection], Optional[Head]]:
    """Returns the function that handles the jobs of a WSGI application."""
    base = dict(_base)
    base["wsgi.errors"] = sys.stderr

    def handle(job: Head, segments: Segments, connection: Connection) -> Optional[Head]:
        message = job["message"]
        environ = environ_of(message, segments, connection, base.copy())
        whole = None
        if message.get("body_channel") is not None and "CONTENT_LENGTH" not in environ:
            whole = whole_body(environ)
        try:
            return Response(message["reply_channel"], connection).run(application, environ)
        except BadResult as err:
            place = place_of(application)
            if place is not None:
                err.asgibox_place = (*place, 0)
            err.args = ("%s returned %s" % (name_of(application), err),)
            raise
        finally:
            if whole is not None:
                whole.close()

    return handle


def environ_of(message: Head, segments: Segments, connection: Connection, environ: Environ) -> Environ:
    """Adds a request to an environ. The byte strings of the request are still texts, as
    unmark takes them, which saves their conversion to bytes and back."""
    path: str = message["path"]
    root: str = message.get("root_path") or ""
    if root:
        environ["SCRIPT_NAME"] = _wsgi_text(root)
        if path.startswith(root):
            path = path[len(root) :]
    environ["REQUEST_METHOD"] = message["method"]
    environ["PATH_INFO"] = path if path.isascii() else _wsgi_text(path)
    environ["QUERY_STRING"] = _latin1(message.get("query_string"), segments)
    environ["SERVER_PROTOCOL"] = "HTTP/" + message["http_version"]
    environ["wsgi.url_scheme"] = message.get("scheme") or "http"
    client, server = message.get("client"), message.get("server")
    if client:
        environ["REMOTE_ADDR"] = client[0]
        environ["REMOTE_PORT"] = str(client[1])
    if server:
        environ["SERVER_NAME"] = server[0]
        environ["SERVER_PORT"] = str(server[1])
    else:
        environ["SERVER_NAME"] = "unknown"  # PEP 3333 requires both
        environ["SERVER_PORT"] = "0"
    for name, value in message["headers"]:
        key = _names.get(name)
        if key is None:
            key = _environ_key(name, segments)
        if value[:1] == MARK and value[1:2] != SEGMENT:
            value = value[1:]
        else:
            value = _latin1(value, segments)
        if key in environ:
            value = environ[key] + ("; " if key == "HTTP_COOKIE" else ",") + value
        environ[key] = value
    body: Any = unmark(message.get("body"), segments) or b""
    channel = message.get("body_channel")
    if channel is None:
        environ["wsgi.input"] = io.BytesIO(body)
        if body and "CONTENT_LENGTH" not in environ:
            environ["CONTENT_LENGTH"] = str(len(body))  # it came in chunks, or over HTTP/2
    else:
        environ["wsgi.input"] = io.BufferedReader(Body(connection, channel, body), 65536)
    return environ


def whole_body(environ: Environ) -> IO[bytes]:
    """Reads a long body whose length the client has not said, and returns the file that
    replaces it in the environ. Some applications, such as those of Django, take a body
    without CONTENT_LENGTH for an empty one."""
    import tempfile  # takes a while

    file = tempfile.TemporaryFile()
    try:
        shutil.copyfileobj(environ["wsgi.input"], file)
        environ["CONTENT_LENGTH"] = str(file.tell())
        file.seek(0)
    except BaseException:
        file.close()
        raise
    environ["wsgi.input"] = file
    return file


def _environ_key(name: str, segments: Segments) -> str:
    """Returns the key of the environ for the name of a header."""
    key = "HTTP_" + _latin1(name, segments).upper().replace("-", "_")
    if len(_names) < 1000 and len(name) < 100:
        _names[name] = key
    return key


def _latin1(text: Any, segments: Segments) -> str:
    """Returns a byte string of a head as WSGI wants it: as text, with a character for
    each byte."""
    value = unmark(text, segments)
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return _wsgi_text(value or "")


def _wsgi_text(text: str) -> str:
    return text.encode("utf-8", "replace").decode("latin-1")


class BodyClosed(Gone):
    """The rest of a request body will not come. The client may still wait for a response."""

    asgibox_status = 400


class Body(io.RawIOBase):
    """The body of a request whose rest comes over a channel."""

    def __init__(self, connection: Connection, channel: str, begin: bytes) -> None:
        self._connection = connection
        self._job = connection.job
        self._channel = channel
        self._data = memoryview(begin)
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Reads what is there, or waits for the next piece. It raises OSError when the
        rest will not come."""
        while not self._data and not self._ended:
            if self._connection.job != self._job:
                raise OSError("the body was read after the request had ended")
            got = self._connection.call("receive", {"channels": [self._channel], "block": True})
            message = got.get("message")
            if message is None:
                continue
            if message.get("closed"):
                raise BodyClosed("the rest of the request body will not come: the client has left, or what it has sent is invalid")
            self._data = memoryview(message.get("content") or b"")
            self._ended = not message.get("more_content")
        n = min(len(buffer), len(self._data))
        buffer[:n] = self._data[:n]
        self._data = self._data[n:]
        return n


class Response:
    """The response to one request."""

    def __init__(self, channel: str, connection: Connection) -> None:
        self._channel = channel
        self._connection = connection
        self._job = connection.job
        self._head: Optional[Head] = None  # status and headers, until they are sent
        self._length: Optional[int] = None  # that the application has declared
        self._sent = -1  # bytes of content; -1 before the head is sent
        self._piece = min(PIECE, connection.hello.get("max_message") or PIECE)

    def run(self, application: Callable[..., Any], environ: Environ) -> Optional[Head]:
        """Calls the application, sends the response, and returns the fields of done."""
        result = application(environ, self.start_response)
        if (type(result) is list or type(result) is tuple) and self._sent < 0:
            for content in result:
                if type(content) is not bytes:
                    raise _no_bytes(content, result)
            if sum(map(len, result)) <= self._piece:
                return {"reply": self._first(result[0] if len(result) == 1 else b"".join(result))}
        try:
            pieces = iter(result)
        except TypeError:
            raise BadResult("%s; a WSGI application returns an iterable of bytes" % _a(result)) from None
        try:
            for content in pieces:
                if type(content) is not bytes and not isinstance(content, (bytes, bytearray, memoryview)):
                    raise _no_bytes(content, result)
                if content:
                    self._write(content)
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()
        if self._sent < 0:
            return {"reply": self._first(b"")}
        if self._length is not None and self._sent >= self._length:
            return None  # the last piece has said so
        return {"reply": {"content": b"", "more_content": False}}

    def start_response(
        self, status: str, headers: List[Tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        if exc_info is not None:
            try:
                if self._sent >= 0:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self._head is not None or self._sent >= 0:
            raise AssertionError("start_response was called already; pass exc_info to replace the response")
        if type(status) is not str or not _status(status):
            raise ValueError('start_response: the status must be a text such as "200 OK", not %s' % brief(status))
        if type(headers) is not list:
            raise TypeError("start_response: the headers must be a list, not %s" % type(headers).__name__)
        self._length = None
        fields: List[Any] = []
        size = 0
        for pair in headers:
            try:
                name, value = pair
            except (TypeError, ValueError):
                raise TypeError("start_response: the header %s is no pair of a name and a value" % brief(pair)) from None
            if type(name) is not str or type(value) is not str:
                raise TypeError("start_response: the header %s must consist of two texts" % brief((name, value)))
            size += len(name) + len(value)
            if name.isascii() and value.isascii():
                fields.append((name, value))
                if len(name) == 14 and name.lower() == "content-length" and value.isdigit() and len(value) < 20:
                    self._length = int(value)
            else:
                fields.append((_octets(name), _octets(value)))
        if size > MAX_HEADERS:
            raise ValueError("start_response: the headers have %d characters, more than %d" % (size, MAX_HEADERS))
        self._head = {"status": int(status[:3]), "headers": fields}
        return self.write

    def write(self, content: bytes) -> None:
        """Sends a piece at once, as the function that start_response returns must."""
        if not isinstance(content, (bytes, bytearray, memoryview)):
            raise TypeError("write takes bytes, not %s" % _a(content))
        if self._connection.job != self._job:
            raise RuntimeError("write was called after the request had ended")
        if content:
            self._write(content)

    def _first(self, content: Any) -> Head:
        """Returns the first message of the response."""
        message = self._head
        if message is None:
            raise BadResult("without calling start_response")
        message["content"] = content
        self._head = None
        self._sent = len(content)
        return message

    def _write(self, content: Any) -> None:
        """Sends content, in pieces that fit in a message."""
        size = self._piece
        if self._length is not None and max(self._sent, 0) + len(content) > self._length:
            raise ValueError("the application has sent more content than its content-length of %d" % self._length)
        for begin in range(0, len(content), size):
            piece = content if len(content) <= size else content[begin : begin + size]
            if self._sent < 0:
                message = self._first(piece)
            else:
                message = {"content": piece}
                self._sent += len(piece)
            # The piece that completes the declared length is the last one. So the
            # client need not wait for the end of the application.
            message["more_content"] = self._length is None or self._sent < self._length
            self._send(message)

    def _send(self, message: Head) -> None:
        """Sends a message, and waits while the client reads too slowly. It raises
        OSError when the client has left."""
        self._connection.call("send", {"channel": self._channel, "message": message, "retry": True})


_status = re.compile(r"[1-9][0-9][0-9]( |$)").match


def _octets(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise ValueError(
            "start_response: a header has the character %a; WSGI allows up to U+00FF, which stand for bytes" % text[error.start]
        ) from None


class BadResult(TypeError):
    """An application has not done what WSGI says. The text follows "returned"."""

    asgibox_place: Tuple[str, int, int]


def _no_bytes(content: Any, result: Any) -> BadResult:
    if isinstance(result, (str, bytes)):
        return BadResult("%s; a WSGI application returns an iterable of bytes, such as a list" % _a(result))
    return BadResult("%s in its iterable; a WSGI application returns bytes" % _a(content))


def _a(value: Any) -> str:
    """Returns the name of a value for an error."""
    return "None" if value is None else "a value of type %s" % type(value).__name__
