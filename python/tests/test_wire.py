"""Tests of the frames of the wire."""

import socket
import struct
import sys
import threading
import unittest
from pathlib import Path
from typing import Any, List

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from asgibox import _wire  # noqa: E402
from asgibox._errors import ChannelFull, MessageTooLarge, ProtocolError, ServerLost  # noqa: E402


def decode(frame: bytes) -> Any:
    (length,) = struct.unpack_from(">I", frame)
    assert length == len(frame) - 4
    head, segments = _wire.parse(frame, 4, length)
    return _wire.unmark(head, segments)


def frame(head: bytes, *segments: bytes) -> bytes:
    rest = b"".join(struct.pack(">I", len(s)) + s for s in segments)
    return struct.pack(">II", 4 + len(head) + len(rest), len(head)) + head + rest


VALUES: List[Any] = [
    {},
    {"text": "ä\uffff😀\x00", "int": -(2**63), "float": 1.0, "none": None, "yes": True, "list": [1, [2.5, {}]]},
    {"short": b"abc", "empty": b"", "high": b"\xff\x00", "long": b"a" * 129, "nested": [[b"x", {"y": b"\x80"}]]},
    {"a": "\uffffa", "b": "\uffff\uffff", "c": "\uffff\ufffe0", "d": b"\xff", "e": ["\uffff"], "\uffffkey": b"v"},
    {"quoted": 'a "\uffff" b', "bytes": b'"'},
    {"big": b"\x01" * 300000},
    {"astral": "😀 first"},
]


class Frames(unittest.TestCase):
    def test_values_keep_their_types(self) -> None:
        encode = _wire.Encoder().encode
        for value in VALUES:
            got = decode(encode(value))
            self.assertEqual(got, value)
            self.assertEqual(list(got), list(value))
            self.assertEqual([type(v) for v in got.values()], [type(v) for v in value.values()])
        self.assertEqual(decode(encode({"a": (1, 2), "b": bytearray(b"x"), "c": memoryview(b"y")})), {"a": [1, 2], "b": b"x", "c": b"y"})

    def test_all_forms_of_byte_strings_are_read(self) -> None:
        self.assertEqual(decode(frame('{"a":"\uffffhé"}'.encode())), {"a": b"h\xe9"})
        self.assertEqual(decode(frame(b'{"a":"\\uffffh\\u00e9","b":"\\uFFFF\\uFFFE1"}', b"zero", b"one")), {"a": b"h\xe9", "b": b"one"})

    def test_values_that_no_message_has(self) -> None:
        encode = _wire.Encoder().encode
        loop: List[Any] = []
        loop.append(loop)
        for value in (float("nan"), float("inf"), object(), {1}, "\ud800", loop):
            with self.assertRaises((ValueError, TypeError, RecursionError)):
                encode({"v": value})
        self.assertEqual(decode(encode({"v": b"\xff"})), {"v": b"\xff"})  # the encoder is still usable

    def test_bad_frames(self) -> None:
        bad = [
            frame(b"{"), frame(b"[]"), frame(b""), frame(b"\xff"), frame(b'{"a":"\\uffff\\ufffe0"}'),
            frame('{"a":"\uffffĀ"}'.encode()), frame('{"a":"\uffff\ufffex"}'.encode()),
            struct.pack(">II", 6, 3) + b"{}", struct.pack(">II", 7, 2) + b"{}\x00",
            struct.pack(">II", 11, 2) + b"{}" + struct.pack(">I", 2) + b"x",
        ]  # fmt: skip
        for data in bad:
            with self.assertRaises(ProtocolError, msg=repr(data)):
                decode(data)

    def test_the_decoder_takes_bytes_in_any_pieces(self) -> None:
        encode = _wire.Encoder().encode
        stream = b"".join(encode(v) for v in VALUES)
        for size in (1, 3, 7, 4096, len(stream)):
            decoder, got = _wire.Decoder(), []
            for at in range(0, len(stream), size):
                got += [_wire.unmark(h, s) for h, s in decoder.feed(stream[at : at + size])]
            self.assertEqual(got, VALUES)


class Connections(unittest.TestCase):
    def setUp(self) -> None:
        ours, self.theirs = socket.socketpair()
        self.connection = _wire.Connection(ours)
        self.addCleanup(ours.close)
        self.addCleanup(self.theirs.close)

    def answer(self, *frames: bytes, size: int = 1 << 20) -> None:
        """Writes frames in pieces on another thread."""
        data = b"".join(frames)

        def write() -> None:
            try:
                for at in range(0, len(data), size):
                    self.theirs.sendall(data[at : at + size])
            except OSError:
                pass  # the test has failed

        writer = threading.Thread(target=write)
        writer.start()
        self.addCleanup(writer.join)

    def test_frames_in_any_pieces(self) -> None:
        encode = _wire.Encoder().encode
        for size in (3, 70000, 1 << 20):
            values = VALUES if size > 1000 else VALUES[:5]
            self.answer(*(encode(v) for v in values), size=size)
            self.assertEqual([_wire.unmark(*self.connection.read()) for _ in values], values)

    def test_a_call_skips_other_frames(self) -> None:
        self.answer(frame(b'{"ping":7}'), frame(b'{"id":0,"old":true}'), frame(b'{"id":1,"channel":"\\uffffx"}'))
        self.assertEqual(self.connection.call("receive", {}), {"id": 1, "channel": b"x"})
        peer = _wire.Connection(self.theirs)
        self.assertEqual(peer.read()[0], {"id": 1, "call": "receive"})
        self.assertEqual(peer.read()[0], {"pong": 7})

    def test_errors_have_their_class(self) -> None:
        self.answer(frame(b'{"id":1,"error":"ChannelFull","detail":"x is full"}'))
        with self.assertRaisesRegex(ChannelFull, "x is full"):
            self.connection.call("send", {})
        self.assertFalse(self.connection.broken)

    def test_a_frame_that_is_too_long_is_not_sent(self) -> None:
        self.connection.limit = 100
        with self.assertRaises(MessageTooLarge):
            self.connection.call("send", {"message": {"text": "x" * 100}})
        self.answer(frame(b'{"id":2}'))
        self.assertEqual(self.connection.call("send", {}), {"id": 2})

    def test_the_end_of_the_connection(self) -> None:
        self.theirs.sendall(frame(b'{"id":1}')[:-1])
        self.theirs.shutdown(socket.SHUT_WR)
        with self.assertRaises(ServerLost):
            self.connection.call("send", {})
        self.assertTrue(self.connection.broken)


if __name__ == "__main__":
    unittest.main()
