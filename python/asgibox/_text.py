"""Texts that UTF-8 can have, and texts of bytes."""

import re
from typing import Any


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
        return re.sub("[\udc80-\udcff]+", "\ufffd", data.decode("utf-8", "surrogateescape"))


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
