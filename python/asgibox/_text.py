"""Texts that UTF-8 can have, and texts of bytes."""

import re
from io import StringIO
from typing import Any, Union


def as_text(data: bytes) -> str:
    """Decodes bytes of HTTP: UTF-8, otherwise Latin-1."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def valid_text(data: bytes) -> str:
    """Decodes UTF-8. Each run of other bytes becomes one U+FFFD."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        text, out, at = data.decode("utf-8", "surrogateescape"), StringIO(), 0
        for run in re.finditer("[\udc80-\udcff]+", text):
            out.write(text[at : run.start()])
            out.write("\ufffd")
            at = run.end()
        out.write(text[at:])
        return out.getvalue()


def width(data: Union[bytes, memoryview]) -> int:
    """Returns the bytes that each character takes at most if the data is decoded to a
    text, or to JSON with texts."""
    if re.search(rb"\\u[dD]|[\xf0-\xff]", data):
        return 4
    if re.search(rb"\\u|[\x80-\xef]", data):
        return 2
    return 1


def writable(value: Any) -> Any:
    """Returns a copy of a value whose texts can be sent. A lone surrogate, such as a
    file name that is not UTF-8 has, is written as an escape like \\ud800."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {writable(key): writable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [writable(item) for item in value]
    return value


def lone_surrogate(text: str) -> str:
    """Returns the first character of a text that UTF-8 cannot have, or ""."""
    try:
        text.encode("utf-8")
        return ""
    except UnicodeEncodeError as error:
        return text[error.start]
