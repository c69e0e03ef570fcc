"""Which values a message may have. The server refuses others too, but only after they
were encoded."""

from typing import Any, Dict, List, Optional

from ._errors import MessageTooLarge
from ._text import lone_surrogate

MAX_DEPTH = 100


def check(fields: Dict[str, Any], limit: int) -> None:
    """Raises an error for what the encoder of a frame with up to limit bytes does not
    find out, or finds out too late."""
    if not is_valid(fields, 0, [limit // 2]):
        raise TypeError("a value is not allowed in a message")


def is_valid(value: Any, depth: int = 0, left: Optional[List[int]] = None) -> bool:
    """Reports whether a message may contain a value, as far as the encoder does not find
    out. JSON would make texts of keys, and the server would close the connection for a
    longer integer or more levels. left has the number of values that may still come: a
    list that contains another one many times can be short and have more than fit into
    memory."""
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                return False
        items: Any = value.values()
    elif isinstance(value, (list, tuple)):
        items = value
    else:
        return not isinstance(value, int) or -(2**63) <= value < 2**63
    if depth > MAX_DEPTH:
        return False
    if left is not None:
        left[0] -= len(items)
        if left[0] < 0:
            raise MessageTooLarge("the message has more values than fit into the server's --max-message")
    for item in items:
        kind = type(item)
        if kind is not str and kind is not bytes and not is_valid(item, depth + 1, left):
            return False
    return True


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
                    return "%s: the key %.100r is no text" % (what, key)
                if isinstance(key, str) and lone_surrogate(key):
                    return "%s: the key %.100a is not valid UTF-8" % (what, key)
                problem = _find(item, "%s.%s" % (path, key) if path else str(key), depth + 1, message, seen)
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
