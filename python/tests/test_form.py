"""Tests of query strings, forms, cookies and headers of requests."""

import copy
import json
import operator
import pickle
import sys
import tracemalloc
import unittest
from pathlib import Path
from typing import Any, Callable, Dict, List
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from asgibox._form import read_multipart  # noqa: E402
from asgibox._http import Request, RequestError  # noqa: E402
from asgibox._messages import Message  # noqa: E402
from asgibox._text import valid_text, width  # noqa: E402

# Starlark applications read forms alike, and test it with the same table. Each
# character of a body, and of a file, is a byte.
TABLE = Path(__file__).resolve().parents[2] / "workerpool" / "script" / "web" / "testdata" / "forms.json"


def request(*headers: "tuple[bytes, bytes]", **fields: Any) -> Request:
    return Request(Message("http.request", dict(fields, headers=[list(pair) for pair in headers])))


def pairs(values: Any) -> List[Any]:
    return [[key, value] for key, all_values in values.lists() for value in all_values]


def peak(call: Callable[[], Any]) -> int:
    """Returns the bytes of memory that a call takes at most, even if it fails."""
    tracemalloc.start()
    try:
        call()
    except ValueError:
        pass
    finally:
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return taken


class FormTest(unittest.TestCase):
    def test_forms_of_the_table(self) -> None:
        for case in json.loads(TABLE.read_text(encoding="utf-8")):
            with self.subTest(**case):
                r = request((b"content-type", case["type"].encode("latin-1")), body=case["body"].encode("latin-1"))
                got: Dict[str, Any] = {"type": case["type"], "body": case["body"]}
                try:
                    got["fields"] = pairs(r.POST)
                    got["files"] = [[key, f.name, f.content_type, f.content.decode("latin-1")] for key, f in pairs(r.FILES)]
                except RequestError:
                    got["refused"] = True
                self.assertEqual({key: value for key, value in got.items() if value != []}, case)

    def test_a_form_of_many_parts_is_refused(self) -> None:
        part = b'--B\r\nContent-Disposition: form-data; name="a"; filename=""\r\n\r\n\r\n'
        kind = (b"content-type", b"multipart/form-data; boundary=B")
        self.assertEqual(len(request(kind, body=part * 1000 + b"--B--").FILES), 0)
        with self.assertRaisesRegex(RequestError, "more than 1000"):
            request(kind, body=part * 1001 + b"--B--").FILES

    def test_a_part_with_long_headers_is_refused(self) -> None:
        part = b'--B\r\nContent-Disposition: form-data; name="a"\r\n' + b"a: b\r\n" * 700 + b"\r\n1\r\n--B--"
        with self.assertRaisesRegex(RequestError, "more than 4096 bytes of headers"):
            request((b"content-type", b"multipart/form-data; boundary=B"), body=part).POST

    def test_a_form_takes_no_more_memory_than_it_says(self) -> None:
        head, size = b'--B\r\nContent-Disposition: form-data; name="a"', 1 << 20
        quoted = b"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        for piece, begin in (
            (b"a\n", b"--B\r\n"), (b"--B\r\n", b""), (b"--B \r", b""), (b"\n", b""), (b" ", b"--B"), (b" ", b"--B--"),
            (b"a", head + b"\r\n\r\n"), (b"\r\n--Bx", head + b"\r\n\r\n"), (b"\r\n", head + b"\r\n\r\n"),
            (b" ", head + b"\r\n\r\n\r\n--B"), (b"a", head + quoted), (b"=41", head + b"; filename=b" + quoted),
        ):  # fmt: skip
            with self.subTest(piece=piece, begin=begin):
                body = begin + piece * (size // len(piece)) + b"\r\n--B--"
                held = [len(body)]
                taken = peak(lambda: read_multipart(body, b"B", 1000, held.append))
                self.assertLess(taken, max(held) - len(body) + 256 * 1024)

    def test_a_query_or_cookies_of_many_fields_are_refused(self) -> None:
        self.assertEqual(len(request(query_string=b"&".join([b"a"] * 1000)).GET), 1)
        self.assertEqual(len(request((b"cookie", b"; ".join([b"a=1"] * 1000))).COOKIES), 1)
        self.assertEqual(len(request(query_string=b"a=1&" * 1000).GET), 1)
        self.assertEqual(len(request((b"cookie", b"a=1; " * 1000)).COOKIES), 1)
        with self.assertRaisesRegex(RequestError, "the query string has more than 1000 fields"):
            request(query_string=b"&".join([b"a"] * 1001)).GET
        with self.assertRaisesRegex(RequestError, "the request has more than 1000 cookies"):
            request((b"cookie", b"a=1"), (b"cookie", b"; ".join([b"a=1"] * 1000))).COOKIES

    def test_content_types_with_any_characters(self) -> None:
        for value in ("multipart/form-data; boundary*=UTF-8''\"漢\"".encode(), b"multipart/form-data; boundary=\"\xff\"", b"\xff", b";;"):
            try:
                self.assertEqual(len(request((b"content-type", value), body=b"a=1").POST), 0)
            except RequestError:
                pass

    def test_a_query_is_decoded_as_bytes(self) -> None:
        for query, want in (
            (b"a+b=%zz+c", [["a b", "%zz+c"]]),
            (b"a=\xc3\xa9&b=\xff\xff", [["a", "é"], ["b", "\ufffd"]]),
            (b"a=%F0%9F%98%80&a", [["a", "😀"], ["a", ""]]),
        ):
            self.assertEqual(pairs(request(query_string=query).GET), want)

    def test_each_cookie_and_header_has_its_own_encoding(self) -> None:
        r = request((b"cookie", b'a=\xc3\xa9; b=\xff; c="x y"; =z; d'), (b"x-a", b"\xc3\xa9"), (b"X-A", b"\xe9"))
        self.assertEqual(r.COOKIES, {"a": "é", "b": "ÿ", "c": "x y"})
        self.assertEqual(r.headers.getlist("X-a"), ["é", "é"])

    def test_the_mappings_of_a_request_are_dicts_that_cannot_be_changed(self) -> None:
        r = request((b"x-a", b"1"), (b"x-a", b"2"), query_string=b"a=1&a=2&b=")
        self.assertEqual(json.loads(json.dumps([r.GET, r.headers])), [{"a": "1", "b": ""}, {"x-a": "1, 2"}])
        self.assertEqual(({**r.GET}, dict(r.headers)), ({"a": "1", "b": ""}, {"x-a": "1, 2"}))
        self.assertEqual((r.headers["X-A"], r.headers.get("X-A"), r.headers.get("X-B", 5), "X-A" in r.headers), ("1, 2", "1, 2", 5, True))
        changes: List[Callable[[Any], Any]] = [
            lambda d: d.update(a=3), lambda d: d.pop("a"), lambda d: d.popitem(), lambda d: d.clear(), lambda d: d.setdefault("c"),
            lambda d: d.__setitem__("a", 3), lambda d: d.__delitem__("a"), lambda d: operator.ior(d, {"a": 3}),
        ]  # fmt: skip
        for change in changes:
            with self.assertRaises(TypeError):
                change(r.GET)
        for same in (copy.copy(r.GET), copy.deepcopy(r.GET), pickle.loads(pickle.dumps(r.GET))):
            self.assertEqual((same, same.getlist("a"), same.lists()), (r.GET, ["1", "2"], r.GET.lists()))
        self.assertEqual(copy.deepcopy(r.headers).getlist("X-a"), ["1", "2"])

    def test_long_forms_are_decoded_in_parts(self) -> None:
        kind = (b"content-type", b"application/x-www-form-urlencoded")
        for start in ("", "x", "xy"):  # an escape lies at each place beside the end of a part
            text = start + "+%C3%A9%f0%9f%98%80" * 10000
            want = start + " \u00e9\U0001f600" * 10000
            self.assertEqual(request(kind, body=b"a=" + text.encode()).POST["a"], want)

    def test_a_body_counts_with_the_memory_of_its_text(self) -> None:
        held: List[int] = []
        with mock.patch("asgibox._http._hold", held.append):
            self.assertEqual(len(request(body=b"a" * (1 << 20)).text), 1 << 20)
        self.assertEqual(held, [2 << 20])

    def test_a_long_text_with_runs_of_bytes_that_are_not_utf8(self) -> None:
        for length in range(1, 9):
            data = b"\xff" * length + "\U0001f600a".encode() + b"\xf0\x9f"
            self.assertEqual(valid_text(data * 20000), "\ufffd" + "\U0001f600a\ufffd" * 20000, length)
        self.assertEqual(valid_text(b"\xff" * 200000), "\ufffd")

    def test_a_run_of_bytes_that_are_not_utf8_is_one_character(self) -> None:
        self.assertEqual(request(body=b"h\xff\xfei\xe2\x82").text, "h\ufffdi\ufffd")
        self.assertEqual(request(body=b"\xff\xfe\xef\xbf\xbda\xff").text, "\ufffd\ufffda\ufffd")


class WidthTest(unittest.TestCase):
    def test_a_text_takes_no_more_than_its_width(self) -> None:
        for piece in (b"a", "é".encode(), "€".encode(), "😀".encode(), b"\x80a", b"\xe9a", b"a\xff"):
            data = 1000 * piece
            self.assertLessEqual(sys.getsizeof(valid_text(data)), width(data) * len(data) + 100, piece)

    def test_a_text_that_is_not_utf8_takes_its_width_twice(self) -> None:
        for piece in (b"\x80a", b"a\xff", "a😀".encode() + b"\xff"):
            data = piece * (1 << 18)
            self.assertLess(peak(lambda: valid_text(data)), 2 * width(data) * len(data) + (1 << 20), piece)


if __name__ == "__main__":
    unittest.main()
