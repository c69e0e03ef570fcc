"""Frames on a stream: the wire of docs/layer-socket.md.

    frame = length head_length head *( segment_length segment )

The head is JSON. A byte string in it is a text that begins with U+FFFF: the bytes
as Latin-1, or U+FFFE and the number of a segment. This is faster in Python than
MessagePack, because the standard library reads and writes JSON in C.
"""

import json
import json.encoder
import os
import socket
import struct
import sys
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, Union

from ._errors import Cancelled, MessageTooLarge, ProtocolError, ServerLost, error_of

Head = Dict[str, Any]
Segments = List[bytes]

MARK = "\uffff"  # first character of a text that stands for a byte string
SEGMENT = "\ufffe"  # second character, if the bytes are in a segment
INLINE = 128  # bytes of the longest ASCII byte string that is written into the head

_too_large = "the message takes %d bytes; the server's --max-message allows %d"

_u32 = struct.Struct(">I")
_two = struct.Struct(">II")
_read_u32 = _u32.unpack_from
_read_two = _two.unpack_from
_scan: Callable[[str, int], Tuple[Any, int]] = getattr(json.JSONDecoder(), "scan_once")  # noqa: B009


class Encoder:
    """Writes frames. It belongs to one thread."""

    def __init__(self) -> None:
        self._segments: List[bytes] = []
        self._marks = 0
        make = getattr(json.encoder, "c_make_encoder", None)
        quote = getattr(json.encoder, "encode_basestring", None)
        self._parts: Callable[[Any, int], Any]
        if make is None:  # an interpreter without json in C
            plain = json.JSONEncoder(
                default=self._bytes,
                separators=(",", ":"),
                ensure_ascii=False,
                allow_nan=False,
                check_circular=False,
            )
            self._parts = lambda head, _level: plain.iterencode(head)
        else:
            self._parts = make(
                None, self._bytes, quote, None, ":", ",", False, False, False
            )

    def encode(self, head: Head) -> bytes:
        """Returns the frame. It raises ValueError, TypeError or RecursionError for a
        value that no message may have."""
        segments: List[bytes] = []
        self._segments = segments
        self._marks = 0
        text = "".join(self._parts(head, 0))
        if text.count('"\uffff') != self._marks:  # a text begins with U+FFFF
            segments = []
            self._segments = segments
            text = "".join(self._parts(_escape(head), 0))
        raw = text.encode("utf-8")
        if not segments:
            return _two.pack(4 + len(raw), len(raw)) + raw
        length = 4 + len(raw)
        parts = [b"", raw]
        for s in segments:
            length += 4 + len(s)
            parts.append(_u32.pack(len(s)))
            parts.append(s)
        parts[0] = _two.pack(length, len(raw))
        return b"".join(parts)

    def _bytes(self, value: object) -> str:
        """Returns the text for a byte string. The encoder calls it for all values that
        JSON does not have."""
        if isinstance(value, (bytearray, memoryview)):
            value = bytes(value)
        elif not isinstance(value, bytes):
            raise TypeError("a message cannot contain a value of type %s" % type(value).__name__)
        self._marks += 1
        if len(value) <= INLINE and value.isascii():
            return MARK + value.decode("ascii")
        self._segments.append(value)
        return "%s%s%d" % (MARK, SEGMENT, len(self._segments) - 1)


def _escape(value: Any) -> Any:
    """Returns a copy of a value in which texts that begin with U+FFFF have one more."""
    if isinstance(value, str):
        return MARK + value if value.startswith(MARK) else value
    if isinstance(value, dict):
        return {key: _escape(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_escape(item) for item in value]
    return value


def unmark(value: Any, segments: Segments) -> Any:
    """Returns a value of a head with its byte strings. It changes lists and dicts in
    place."""
    kind = type(value)
    if kind is dict:
        entries: Any = value.items()
    elif kind is list:
        entries = enumerate(value)
    else:
        return _unmark_text(value, segments) if kind is str and value >= MARK else value
    for key, item in entries:
        kind = type(item)
        if kind is str:
            if item >= MARK:
                value[key] = _unmark_text(item, segments)
        elif kind is list or kind is dict:
            unmark(item, segments)
    return value


def _unmark_text(text: str, segments: Segments) -> Union[str, bytes]:
    """Returns the value of a text that begins with U+FFFF, or with a later character."""
    if text[0] != MARK:
        return text
    rest = text[1:]
    try:
        return rest.encode("latin-1")
    except UnicodeEncodeError:
        pass
    if rest[0] == MARK:
        return rest
    if rest[0] != SEGMENT:
        raise ProtocolError("a byte string has a character above U+00FF")
    try:
        return segments[int(rest[1:])]
    except (ValueError, IndexError):
        raise ProtocolError("a byte string names segment %r, which the frame does not have" % rest[1:]) from None


def parse(data: Union[bytes, bytearray], at: int, length: int) -> Tuple[Head, Segments]:
    """Returns the head and the segments of the frame whose length bytes, after the
    length itself, begin at the offset. Byte strings in the head are still texts."""
    end = at + length
    (size,) = _read_u32(data, at)
    at += 4
    if size > length - 4:
        raise ProtocolError("the head of a frame is longer than the frame")
    try:
        head, used = _scan(data[at : at + size].decode("utf-8"), 0)
    except (ValueError, StopIteration, RecursionError) as err:
        raise ProtocolError("the head of a frame is not JSON: %s" % err) from None
    if type(head) is not dict:
        raise ProtocolError("the head of a frame is not an object")
    at += size
    segments: Segments = []
    while at < end:
        if end - at < 4:
            raise ProtocolError("a frame ends in the length of a segment")
        (size,) = _read_u32(data, at)
        at += 4
        if size > end - at:
            raise ProtocolError("a segment is longer than the rest of its frame")
        segments.append(bytes(data[at : at + size]))
        at += size
    return head, segments


class Decoder:
    """Takes frames out of bytes as they come, for an event loop."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[Tuple[Head, Segments]]:
        """Yields the frames that are complete with these bytes."""
        held = self._data
        if held:
            held += data
            buffer: Union[bytes, bytearray] = held
        else:
            buffer = data
        at, have = 0, len(buffer)
        try:
            while have - at >= 8:
                (length,) = _read_u32(buffer, at)
                if length < 4:
                    raise ProtocolError("a frame of %d bytes has no head" % length)
                if have - at < 4 + length:
                    break
                at += 4 + length
                yield parse(buffer, at - length, length)
        finally:
            if buffer is held:
                del held[:at]
            else:
                held += data[at:]


class Connection:
    """A connection to the server. It belongs to one thread, except for cancel."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.hello: Head = {}
        self.limit = 1 << 31  # bytes of the longest frame that the server reads
        self.job: Optional[int] = None  # the job that calls belong to
        self.inside = False  # while a call must not be interrupted
        self.cancelled: Optional[str] = None  # why the call must fail when it returns
        self.over = False  # a call has said that the job is cancelled
        self.ended = False  # the server asked to take no more jobs
        self.broken = False
        self.reply_channel: Optional[str] = None  # of the request that was received last, until the reply is sent
        self.posted = False  # a post was not followed by a call
        self._id = 0
        self._encode = Encoder().encode
        self._sendall = sock.sendall
        self._recv = sock.recv
        self._data: Union[bytes, bytearray] = b""
        self._at = 0

    def close(self) -> None:
        self.broken = True
        self.sock.close()

    def send(self, head: Head) -> None:
        """Writes a frame."""
        frame = self._encode(head)
        if len(frame) > self.limit:
            raise MessageTooLarge(_too_large % (len(frame), self.limit))
        try:
            self._sendall(frame)
        except OSError as err:
            self.broken = True
            raise ServerLost("the connection to the asgibox server is lost: %s" % err) from None

    def read(self) -> Tuple[Head, Segments]:
        """Waits for a frame. Byte strings in its head are still texts, see unmark."""
        data, at = self._data, self._at
        have = len(data) - at
        while True:
            if have >= 8:
                (length,) = _read_u32(data, at)
                if length < 4:
                    self.broken = True
                    raise ProtocolError("a frame of %d bytes has no head" % length)
                missing = 4 + length - have
                if missing <= 0:
                    break
                if missing > 65536:
                    data, at, have = self._read_long(data, at, 4 + length), 0, 4 + length
                    break
            try:
                chunk = self._recv(65536)
            except OSError as err:
                self.broken = True
                raise ServerLost("the connection to the asgibox server is lost: %s" % err) from None
            if not chunk:
                self.broken = True
                raise ServerLost("the asgibox server has closed the connection")
            data = data[at:] + chunk if have else chunk
            at, have = 0, len(data)
            self._data, self._at = data, 0
        after = at + 4 + length
        if after == len(data):
            self._data, self._at = b"", 0
        else:
            self._data, self._at = data, after
        return parse(data, at + 4, length)

    def _read_long(self, data: Union[bytes, bytearray], at: int, size: int) -> bytearray:
        """Reads the rest of a long frame without copying it again and again."""
        frame = bytearray(size)
        have = len(data) - at
        frame[:have] = data[at:]
        with memoryview(frame) as view:
            while have < size:
                try:
                    n = self.sock.recv_into(view[have:])
                except OSError as err:
                    self.broken = True
                    raise ServerLost("the connection to the asgibox server is lost: %s" % err) from None
                if n == 0:
                    self.broken = True
                    raise ServerLost("the asgibox server has closed the connection")
                have += n
        return frame

    def call(self, name: str, fields: Head) -> Head:
        """Makes a call of the layer and returns the fields of its answer. It raises the
        exception of _errors that fits, or Cancelled if the server has cancelled the
        job of this thread."""
        self._id = n = self._id + 1
        head: Head = {"id": n, "call": name, **fields}
        if self.job is not None:
            head["job"] = self.job
        frame = self._encode(head)
        if len(frame) > self.limit:
            raise MessageTooLarge(_too_large % (len(frame), self.limit))
        self.inside = True
        try:
            try:
                self._sendall(frame)
            except OSError as err:
                self.broken = True
                raise ServerLost("the connection to the asgibox server is lost: %s" % err) from None
            answer, segments = self.read()
            while answer.get("id") != n:
                self.other(answer)
                answer, segments = self.read()
            self.posted = False  # the server makes the calls of a connection in order
            self.over = self.over or answer.get("error") == "Cancelled"
        except BaseException:
            self.broken = True  # the answer may still come
            raise
        finally:
            self.inside = False
        if self.cancelled is not None:  # also after an error, which the handler may ignore
            reason, self.cancelled = self.cancelled, None
            raise Cancelled(reason)
        if len(answer) > 1:
            if "error" in answer:
                raise error_of(answer)
            unmark(answer, segments)
        return answer

    def post(self, name: str, fields: Head) -> None:
        """Makes a call whose answer nobody waits for. If it fails, a line is printed. A
        call of a job makes the job fail instead, when its handler has ended."""
        self._id = n = self._id + 1
        head: Head = {"id": n, "call": name, "quiet": True, **fields}
        if self.job is None:
            self.posted = True
        else:
            head["job"] = self.job
        self.send(head)

    def sync(self) -> None:
        """Waits until the server has made all calls."""
        if self.posted:
            self.posted = False
            self.call("cancel", {"of": 0})

    def other(self, head: Head) -> None:
        """Handles a frame that is neither an answer nor a job."""
        if "ping" in head:
            self.send({"pong": head["ping"]})
        elif "end" in head:
            self.ended = True
        elif "error" in head and head["error"] not in ("Gone", "Cancelled"):
            print("a reply was lost: %s: %s" % (head["error"], head.get("detail")), file=sys.stderr)


def connect(address: str, token: str = "", agent: str = "asgibox-python") -> Connection:
    """Connects to a server's socket: a path, or tcp:HOST:PORT. It says hello, and
    raises LayerError if the server refuses."""
    try:
        if address.startswith("tcp:"):
            host, _, port = address[4:].rpartition(":")
            sock = socket.create_connection((host, int(port)))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            sock = socket.socket(socket.AF_UNIX)
            try:
                sock.connect(address)
            except BaseException:
                sock.close()
                raise
    except (OSError, ValueError) as err:
        raise ServerLost("cannot connect to the asgibox server at %s: %s" % (address, err)) from None
    connection = Connection(sock)
    try:
        connection.send({"id": 0, "call": "hello", "version": 1, "token": token, "pid": os.getpid(), "agent": agent})
        head, segments = connection.read()
        if "error" in head:
            raise error_of(head)
        connection.hello = unmark(head, segments)
        if head.get("max_message"):
            connection.limit = int(head["max_message"]) + (64 << 10)
    except BaseException:
        connection.close()
        raise
    return connection
