"""Tests how responses are divided into messages."""

import unittest
from typing import Any, Dict, List, Optional
from unittest import mock

from asgibox import _http
from asgibox._http import PIECE, HttpResponse, Request, StreamingHttpResponse
from asgibox._messages import Message


class Counted(bytes):
    """Bytes that count how many of them were copied."""

    copied = 0

    def __getitem__(self, key: Any) -> Any:
        part = bytes(self)[key]
        Counted.copied += len(part)
        return Counted(part)


def messages(response: HttpResponse) -> List[Dict[str, Any]]:
    """Returns the messages of a response."""
    sent: List[Dict[str, Any]] = []
    with mock.patch.object(_http, "send_part", lambda request, message: sent.append(message)):
        last: Optional[Dict[str, Any]] = response.respond(Request(Message("http.request", {"method": "GET"})))
    return sent if last is None else sent + [last]


class TestPieces(unittest.TestCase):
    def test_long_content_is_divided(self) -> None:
        for size in (0, 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 1):
            sent = messages(HttpResponse(b"x" * size))
            self.assertEqual(sum(len(m["content"]) for m in sent), size)
            self.assertEqual(len(sent), max(1, -(-size // PIECE)))
            self.assertEqual([m.get("more_content", False) for m in sent], [True] * (len(sent) - 1) + [False])
            self.assertEqual(["status" in m for m in sent], [True] + [False] * (len(sent) - 1))

    def test_each_byte_is_copied_once(self) -> None:
        content = Counted(40 * PIECE)
        whole = HttpResponse(b"")
        whole._content = content
        with mock.patch.object(_http, "_content", lambda piece: piece):
            for response in (whole, StreamingHttpResponse([content])):
                Counted.copied = 0
                self.assertEqual(sum(len(m["content"]) for m in messages(response)), len(content))
                self.assertLessEqual(Counted.copied, len(content))


if __name__ == "__main__":
    unittest.main()
