"""Texts that UTF-8 can have, and texts of bytes."""

import codecs
import re
from typing import Any, Iterator, Union

_PIECE = 64 << 10  # bytes of a text that are decoded at once


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
        return "".join(_valid_pieces(data))


def _valid_pieces(data: bytes) -> Iterator[str]:
    decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
    run, text = re.compile("[\udc80-\udcff]+"), ""
    for at in range(0, len(data), _PIECE):
        in_run = "\udc80" <= text[-1:] <= "\udcff"
        text = decode(data[at : at + _PIECE], at + _PIECE >= len(data))
        valid = run.sub("\ufffd", text)
        yield valid[1:] if in_run and run.match(text) else valid  # the run has begun in the piece before


def width(data: Union[bytes, memoryview]) -> int:
    """Returns the bytes that each character takes at most if the data is decoded to a
    text, or to JSON with texts."""
    # A search for either of two patterns would take much longer.
    if re.search(rb"\\u[dD]", data) or re.search(rb"[\xf0-\xff]", data):
        return 4
    if re.search(rb"\\u", data) or re.search(rb"[\x80-\xef]", data):
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
