"""JSON as applications read and write it. What is decoded can be encoded again."""

import datetime
import json
import math
import pickle
import re
from io import StringIO
from typing import Any, List, Mapping, Union

from ._check import find_invalid, spend

MAX_LENGTH = 16 << 20  # of a text that is encoded, as in Starlark
MAX_DEPTH = 800  # Python can encode 1000 levels, less those of its calls
MAX_DIGITS = 10000  # of a number; the time to read an integer grows with the square

# An escape, in the first group if it is half of a surrogate pair.
_ESCAPE = r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"


# What bytes become that are not UTF-8.
_REPLACED = dict.fromkeys(range(0xDC80, 0xDD00), "\ufffd")


def decode_json(data: Union[bytes, str]) -> Any:
    """Decodes JSON. It ignores a byte order mark. Bytes that are not UTF-8, and
    escapes of lone surrogates, become U+FFFD. Everything else that is not JSON is a
    ValueError, even what the module json accepts, such as NaN."""
    if isinstance(data, bytes):
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise ValueError("the text is UTF-16; it must be UTF-8")
        data = data.decode("utf-8", "surrogateescape")
        if not data.isascii():
            data = data.translate(_REPLACED)
    if data.startswith("\ufeff"):
        data = data[1:]
    if "\\ud" in data or "\\uD" in data:
        data = _without_lone_surrogates(data)
    try:
        value = json.loads(data, parse_int=_integer, parse_float=_float, parse_constant=_constant)
    except RecursionError:
        raise ValueError("the text nests too deep") from None
    if data.count("[") + data.count("{") > MAX_DEPTH:
        _check_depth(value)
    return value


def _without_lone_surrogates(data: str) -> str:
    out, at = StringIO(), 0
    for found in re.finditer(_ESCAPE, data):
        if found.group(1):
            out.write(data[at : found.start()])
            out.write("\\ufffd")
            at = found.end()
    if at == 0:
        return data
    out.write(data[at:])
    return out.getvalue()


def _check_depth(value: Any) -> None:
    level: List[Any] = [value]
    for _ in range(MAX_DEPTH):
        items = (item for v in level for item in (v.values() if type(v) is dict else v))
        level = [item for item in items if type(item) is list or type(item) is dict]
        if not level:
            return
    raise ValueError("the text nests deeper than %d" % MAX_DEPTH)


def _check_digits(text: str) -> None:
    if len(text.lstrip("-")) > MAX_DIGITS:
        raise ValueError("the text has a number of more than %d digits" % MAX_DIGITS)


def _integer(text: str) -> int:
    _check_digits(text)
    return int(text)


def _float(text: str) -> float:
    _check_digits(text)
    number = float(text)
    if math.isinf(number):
        raise ValueError("the number %.100s is too large" % text)
    return number


def _constant(text: str) -> Any:
    raise ValueError("%s is not a value of JSON" % text)


def encode_json(data: Any) -> bytes:
    """Encodes JSON. Times become ISO 8601, UUIDs and decimals text."""
    try:
        return dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    except TooLong as error:
        raise ValueError("the response cannot be JSON: %s" % error) from None
    except ValueError as error:
        raise ValueError("the response cannot be JSON: %s" % (find_invalid(data, "data", False) or error)) from None


class TooLong(ValueError):
    """The text of a value would be longer than MAX_LENGTH."""


def dumps(data: Any, **options: Any) -> str:
    """Is json.dumps for more types. It stops soon if the text would be too long."""
    left = MAX_LENGTH

    def default(value: Any) -> Any:
        nonlocal left
        plain = json_default(value)
        left = _enough(spend(plain, left, False))
        return plain

    try:
        if not _is_short(data):
            left = _enough(spend(data, left, False))
        text = json.dumps(data, allow_nan=False, check_circular=False, default=default, **options)
    except RecursionError:
        raise ValueError("the value nests too deep, or contains itself") from None
    _enough(MAX_LENGTH - len(text))
    return text


def _enough(left: int) -> int:
    if left < 0:
        raise TooLong("the text would be longer than %d MiB" % (MAX_LENGTH >> 20))
    return left


def _is_short(value: Any) -> bool:
    """Reports whether spend is not needed. It uses pickle, which is much faster because it
    runs in C, but knows only values of Python's own types."""
    counter = _Counter()
    try:
        _Pickler(counter).dump(value)
    except TooLong:
        raise
    except Exception:
        return False
    return counter.size <= MAX_LENGTH


class _Counter:
    """Counts bytes of pickle: at most 9 for 4 bytes of JSON, as for 0.5."""

    size = 0

    def write(self, data: Any) -> None:
        self.size += len(data)
        _enough(3 * MAX_LENGTH - self.size)


class _Pickler(pickle.Pickler):
    def __init__(self, file: Any) -> None:
        super().__init__(file, 4)
        self.fast = True  # write a list again each time that it comes

    def reducer_override(self, value: Any) -> Any:
        raise TypeError  # it is of another type


def json_default(value: Any) -> Any:
    """Returns what is encoded in place of a value that JSON does not have."""
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if type(value).__name__ in ("UUID", "Decimal"):
        return str(value)
    if isinstance(value, (set, frozenset)):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError("JSON cannot have a value of type %s" % type(value).__name__)
