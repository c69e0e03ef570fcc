"""How long the text of a value is, and which values a message may have. The encoders
find that out too late: a list that contains another one many times can be short, and its
text longer than the memory."""

from typing import Any, Dict

from ._errors import MessageTooLarge
from ._text import lone_surrogate

MAX_DEPTH = 100

_SHORT = frozenset((bool, float, type(None)))
_MIN, _MAX = -(2**63), 2**63 - 1


def check(fields: Dict[str, Any], limit: int) -> None:
    """Raises an error for what the encoder of a frame with up to limit bytes does not
    find out, or finds out too late."""
    if spend(fields, limit, True) < 0:
        raise MessageTooLarge("the message is longer than the server's --max-message allows")


def spend(value: Any, left: int, message: bool, depth: int = 0) -> int:
    """Subtracts the length of a value's text from left and returns the rest. It counts
    less than the encoder writes: two bytes for an item, and the characters of texts. When
    nothing is left, it stops. It raises TypeError for what a message may not have and the
    encoder does not find out: JSON would make texts of keys, and the server would close
    the connection for a longer integer or more levels."""
    if isinstance(value, dict):
        try:
            left -= len("".join(value))
        except TypeError:
            if message:
                raise
            for key in value:
                left = spend(key, left, message, depth + 1)
        items: Any = value.values()
    elif isinstance(value, (list, tuple)):
        items = value
    elif isinstance(value, (str, bytes, bytearray, memoryview)):
        return left - len(value)
    elif isinstance(value, int):
        if message and not _MIN <= value <= _MAX:
            raise TypeError("an integer has more than 64 bits")
        return left - value.bit_length() // 4
    else:
        return left
    if message and depth > MAX_DEPTH:
        raise TypeError("the message nests too deep")
    left -= 2 * len(items)
    if left < 0:
        return left
    for item in items:
        kind = type(item)
        if kind is str or kind is bytes:
            left -= len(item)
        elif kind not in _SHORT and (kind is not int or not _MIN <= item <= _MAX):
            left = spend(item, left, message, depth + 1)
            if left < 0:
                return left
    return left


def brief(value: Any) -> str:
    """Returns a short representation of a value, for an error."""
    from ._values import Values  # errors are rare

    return Values().show(value, 100)


def find_invalid(value: Any, path: str, message: bool = True) -> str:
    """Returns what no message may contain, with its path, or "". Otherwise than a
    message, JSON has integers of any length, and leaves types to its encoder."""
    return _find(value, path, 1, message, set())


def _find(value: Any, path: str, depth: int, message: bool, seen: "set[int]") -> str:
    what = path or "message"
    if depth > MAX_DEPTH:
        return "%s: nested deeper than %d levels, or a list or dict contains itself" % (path[:60], MAX_DEPTH)
    if isinstance(value, str):
        bad = lone_surrogate(value)
        return "%s: a text has the character %a, which UTF-8 does not have" % (what, bad) if bad else ""
    if isinstance(value, (dict, list, tuple)):
        if id(value) in seen:
            return ""
        if isinstance(value, dict):
            for key, item in value.items():
                if message and not isinstance(key, str):
                    return "%s: the key %s is no text" % (what, brief(key))
                if isinstance(key, str) and lone_surrogate(key):
                    return "%s: the key %.100a is not valid UTF-8" % (what, key)
                problem = _find(item, "%s.%.100s" % (path, key) if path else "%.100s" % key, depth + 1, message, seen)
                if problem:
                    return problem
        else:
            for i, item in enumerate(value):
                problem = _find(item, "%s[%d]" % (path, i), depth + 1, message, seen)
                if problem:
                    return problem
        seen.add(id(value))
    elif isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            return "%s: %r is not allowed in %s" % (what, value, "a message" if message else "JSON")
    elif message and isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            return "%s: an integer has more than 64 bits" % what
    elif message and value is not None and not isinstance(value, (str, bytes, bytearray, memoryview)):
        return "%s: a value of type %s is not allowed in a message" % (what, type(value).__name__)
    return ""
