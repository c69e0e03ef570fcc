"""Tests of the JSON that applications read."""

import json
import sys
import unittest
from collections import OrderedDict, namedtuple
from datetime import date
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from typing import Any, Callable, List

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from asgibox._json import MAX_DEPTH, MAX_LENGTH, decode_json, encode_json  # noqa: E402
from asgibox._messages import JsonWebsocketConsumer  # noqa: E402

# Starlark applications accept the same texts, and test it with the same table. Each
# character is a byte.
TABLE = Path(__file__).resolve().parents[2] / "workerpool" / "script" / "jsontext" / "testdata" / "texts.json"


class DecodeTest(unittest.TestCase):
    def test_texts_of_the_table(self) -> None:
        table = json.loads(TABLE.read_text(encoding="utf-8"))
        for text in table["accepted"]:
            with self.subTest(text=text):
                decode_json(text.encode("latin-1"))
        for text in table["refused"]:
            with self.subTest(text=text), self.assertRaises(ValueError):
                decode_json(text.encode("latin-1"))

    def test_values(self) -> None:
        for data, want in (
            (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
            (b'{"a":1,"b":2,"a":3}', {"a": 3, "b": 2}),
            (b'"\xff\xff"', "\ufffd\ufffd"),
            (rb'"\ud800"', "\ufffd"),
            (rb'"\uDC00x"', "\ufffdx"),
            (rb'"\ud800\ud83d\ude00"', "\ufffd😀"),
            (rb'"\\ud800 \ud800\u0041\ud800\n"', "\\ud800 \ufffdA\ufffd\n"),
            (rb'{"\ud800":1}', {"\ufffd": 1}),
            (b"[1e22,-0.5,-12,1e-400]", [1e22, -0.5, -12, 0.0]),
            (b'"' + b"[" * 5000 + b'"', "[" * 5000),
            (b"[" + b"[]," * 5000 + b"[]]", [[]] * 5001),
        ):
            with self.subTest(data=data[:50]):
                self.assertEqual(decode_json(data), want)
                self.assertEqual(JsonWebsocketConsumer.decode_json(data.decode("utf-8", "replace")), want)
                encode_json(want)

    def test_what_is_not_json(self) -> None:
        for data in (
            b"NaN", b"[Infinity]", b"-Infinity", b"1e400", b"[-1e999]", b"", b"{", b"01", b"\xef\xbb\xbf" * 2 + b"1", rb'"\u12"', b'"\\',
            b"[" * 100000, b"[" * 1001 + b"]" * 1001, b'{"a":' * 1001 + b"1" + b"}" * 1001, b"1" * 10001, b"-1." + b"1" * 10001,
        ):  # fmt: skip
            with self.subTest(data=data[:50]):
                with self.assertRaises(ValueError):
                    decode_json(data)
                with self.assertRaises(ValueError):
                    JsonWebsocketConsumer.decode_json(data.decode())

    def test_a_small_value_with_a_huge_text_is_refused(self) -> None:
        def shared(leaf: Any, wrap: Callable[[Any], Any] = lambda value: value) -> Any:
            value = [leaf] * 10
            for _ in range(12):
                value = [wrap(value)] * 10
            return value

        text, odd = "x" * 100000, OrderedDict(a=1)
        for value in (
            shared(0), shared(None), shared(text), shared({text: 1}), shared({1: text}), shared(10**4000), shared(text, tuple), shared(text, lambda value: MappingProxyType({"a": value})),
            shared([odd, text]), {text: shared(text), "b": odd}, shared({text}), [text] * 1000, ["\0" * MAX_LENGTH],
        ):  # fmt: skip
            with self.assertRaisesRegex(ValueError, "longer than 16 MiB"):
                encode_json(value)
        with self.assertRaisesRegex(ValueError, "longer than 16 MiB"):
            JsonWebsocketConsumer.encode_json(shared(text))

    def test_values_of_all_types_are_encoded(self) -> None:
        class Text(str):
            pass

        Pair = namedtuple("Pair", "a b")
        for value, want in (
            (OrderedDict(b=1, a=[2]), '{"b":1,"a":[2]}'), (Pair(1, Text("é")), '[1,"é"]'), ({1: 2, None: 3, True: 4, 0.5: 5}, '{"1":4,"null":3,"0.5":5}'),
            (MappingProxyType({"a": {1}}), '{"a":[1]}'), (HTTPStatus.OK, "200"), (Decimal("0.1"), '"0.1"'), ([10**100], "[1%s]" % ("0" * 100)),
            ([date(2020, 1, 2)], '["2020-01-02"]'), ("x" * (MAX_LENGTH - 2), '"%s"' % ("x" * (MAX_LENGTH - 2))),
        ):  # fmt: skip
            self.assertEqual(encode_json(value).decode(), want)

    def test_a_value_that_contains_itself(self) -> None:
        loop: List[Any] = []
        loop.append(loop)
        for encode in (encode_json, JsonWebsocketConsumer.encode_json):
            with self.assertRaisesRegex(ValueError, "contains itself"):
                encode(loop)

    def test_utf16_has_a_clear_error(self) -> None:
        for encoding in ("utf-16-le", "utf-16-be"):
            with self.assertRaisesRegex(ValueError, "the text is UTF-16"):
                decode_json("\ufeff{}".encode(encoding))

    def test_the_deepest_text_can_be_encoded_again(self) -> None:
        for text in ("[" * MAX_DEPTH + "]" * MAX_DEPTH, '{"a":' * MAX_DEPTH + "1" + "}" * MAX_DEPTH):
            self.assertEqual(encode_json(decode_json(text)), text.encode())
            with self.assertRaisesRegex(ValueError, "too deep|deeper than"):
                decode_json("[" + text + "]")


if __name__ == "__main__":
    unittest.main()
