"""Tests of the JSON that applications read."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from asgibox._json import MAX_DEPTH, decode_json, encode_json  # noqa: E402
from asgibox._messages import JsonWebsocketConsumer  # noqa: E402


class DecodeTest(unittest.TestCase):
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

    def test_utf16_has_a_clear_error(self) -> None:
        for encoding in ("utf-16-le", "utf-16-be"):
            with self.assertRaisesRegex(ValueError, "the text is UTF-16"):
                decode_json("\ufeff{}".encode(encoding))

    def test_the_deepest_text_can_be_encoded_again(self) -> None:
        for text in ("[" * MAX_DEPTH + "]" * MAX_DEPTH, '{"a":' * MAX_DEPTH + "1" + "}" * MAX_DEPTH):
            self.assertEqual(encode_json(decode_json(text)), text)
            with self.assertRaisesRegex(ValueError, "too deep|deeper than"):
                decode_json("[" + text + "]")


if __name__ == "__main__":
    unittest.main()
