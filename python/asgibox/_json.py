"""JSON as applications read and write it. What is decoded can be encoded again."""

import datetime
import json
import math
import re
from typing import Any, List, Mapping, Union

from ._check import find_invalid

MAX_DEPTH = 800  # Python can encode 1000 levels, less those of its calls
MAX_DIGITS = 10000  # of a number; the time to read an integer grows with the square

# An escape, in the first group if it is half of a surrogate pair.
_ESCAPE = r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"


def decode_json(data: Union[bytes, str]) -> Any:
    """Decodes JSON. It ignores a byte order mark. Bytes that are not UTF-8, and
    escapes of lone surrogates, become U+FFFD. Everything else that is not JSON is a
    ValueError, even what the module json accepts, such as NaN."""
    if isinstance(data, bytes):
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise ValueError("the text is UTF-16; it must be UTF-8")
        data = re.sub("[\udc80-\udcff]", "\ufffd", data.decode("utf-8", "surrogateescape"))
    if data.startswith("\ufeff"):
        data = data[1:]
    if "\\ud" in data or "\\uD" in data:
        data = re.sub(_ESCAPE, lambda found: "\\ufffd" if found.group(1) else found.group(), data)
    try:
        value = json.loads(data, parse_int=_integer, parse_float=_float, parse_constant=_constant)
    except RecursionError:
        raise ValueError("the text nests too deep") from None
    if data.count("[") + data.count("{") > MAX_DEPTH:
        _check_depth(value)
    return value


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


def encode_json(data: Any) -> str:
    """Encodes JSON. Times become ISO 8601, UUIDs and decimals text."""
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=json_default)
        text.encode("utf-8")
        return text
    except (ValueError, RecursionError) as error:
        raise ValueError("the response cannot be JSON: %s" % (find_invalid(data, "data", False) or error)) from None


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
