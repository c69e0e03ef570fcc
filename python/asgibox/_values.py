"""Short representations of values, for explanations of errors. They cost little,
whatever the values are: a long list is read only as far as it is shown."""

import collections
import functools
import time
import types
from itertools import islice
from typing import Any, Callable, Dict, Iterable, Iterator, List, Tuple

MAX_VALUE = 200  # characters of a representation
MAX_DEPTH = 6
MAX_TIME = 0.1  # seconds after which only the types of further values are shown

Parts = Tuple[str, Iterable[Any], str]  # what a representation begins with, its items, and its end


class Pair:
    """An item of a container that has a name, or another value, before it."""

    __slots__ = ("before", "between", "value")

    def __init__(self, before: Any, between: str, value: Any) -> None:
        self.before, self.between, self.value = before, between, value


def guarded(call: Callable[[], str], otherwise: str) -> str:
    """Returns the text that code of the application makes. If it fails, even with
    SystemExit or Cancelled, the text is otherwise with the name of the exception."""
    try:
        text = call()
        return str.__getitem__(text, slice(None))  # of a class that derives from str
    except BaseException as error:
        return otherwise % type(error).__name__


class Values:
    """Shows the values of one error."""

    def __init__(self) -> None:
        self._end = time.monotonic() + MAX_TIME

    def late(self) -> bool:
        """Reports whether no more code of the application should run."""
        return time.monotonic() > self._end

    def show(self, value: Any, limit: int = MAX_VALUE) -> str:
        """Returns the representation of a value, cut to a number of characters."""
        text = guarded(lambda: self._text(value, limit + 1), _broken(value))
        return text if len(text) <= limit else text[:limit] + "…"

    def _text(self, value: Any, room: int) -> str:
        out: List[str] = []
        self._write(value, room, 0, out)
        return "".join(out)

    def _write(self, value: Any, room: int, depth: int, out: List[str]) -> int:
        """Appends a representation, of about room characters at most, and returns the
        room that is left."""
        kind = type(value)
        if kind in (str, bytes, bytearray):
            return _add(out, repr(value[:room]), room)
        if kind is int and value.bit_length() > 4 * MAX_VALUE:
            return _add(out, "<int of %d bits>" % value.bit_length(), room)
        if kind in (int, bool, float, type(None)):
            return _add(out, repr(value), room)
        if self.late():
            return _add(out, "<%s>" % kind.__name__, room)
        parts = _parts(value)
        if parts is None:
            return _add(out, guarded(lambda: repr(value), _broken(value)), room)
        begin, items, end = parts
        room = _add(out, begin, room)
        if depth >= MAX_DEPTH:
            return _add(out, "..." + end, room)
        first = True
        for item in islice(items, MAX_VALUE * 100):
            if room <= 0:
                return room
            if not first:
                room = _add(out, ", ", room)
            first = False
            if type(item) is Pair:
                if type(item.before) is str and item.between == "=":
                    room = _add(out, item.before, room)
                else:
                    room = self._write(item.before, room, depth + 1, out)
                room = _add(out, item.between, room)
                item = item.value
            room = self._write(item, room, depth + 1, out)
        return _add(out, end, room)


def _broken(value: Any) -> str:
    return "<%s, whose repr raises %%s>" % type(value).__name__[:MAX_VALUE].replace("%", "%%")


def _add(out: List[str], text: str, room: int) -> int:
    out.append(text[: max(room, 0)])
    return room - len(text)


def _pairs(items: Iterable[Tuple[Any, Any]], between: str = ": ") -> Iterator[Pair]:
    return (Pair(key, between, value) for key, value in items)


def _dict(value: Any) -> Parts:
    return "{", _pairs(dict.items(value)), "}"


def _wrapped(value: Any, items: Callable[[Any], Parts]) -> Parts:
    """Returns the parts of a container whose class is shown."""
    begin, inner, end = items(value)
    return type(value).__name__ + "(" + begin, inner, end + ")"


def _set(value: Any) -> Parts:
    return ("{", set.__iter__(value), "}") if value else ("set(", (), ")")


def _tuple(value: Any) -> Parts:
    return "(", tuple.__iter__(value), ",)" if len(value) == 1 else ")"


def _items(value: Any) -> Parts:
    return "[", iter(value), "]"


def _method(value: Any) -> Parts:
    return "<bound method %s of " % getattr(value, "__qualname__", "?"), (value.__self__,), ">"


def _partial(value: Any) -> Parts:
    arguments = list(islice(value.args, MAX_VALUE)) + list(_pairs(islice(value.keywords.items(), MAX_VALUE), "="))
    return "functools.partial(", [value.func] + arguments, ")"


# How the representations of Python's own classes begin, continue and end. A class that
# derives from one of them, and has the same __repr__, is shown in the same way.
_known: Dict[Any, Callable[[Any], Parts]] = {
    list.__repr__: lambda v: ("[", list.__iter__(v), "]"),
    tuple.__repr__: _tuple,
    dict.__repr__: _dict,
    set.__repr__: _set,
    frozenset.__repr__: lambda v: ("frozenset({", frozenset.__iter__(v), "})"),
    collections.deque.__repr__: lambda v: _wrapped(v, _items),
    collections.OrderedDict.__repr__: lambda v: _wrapped(v, _dict),
    collections.defaultdict.__repr__: lambda v: _wrapped(v, _dict),
    collections.Counter.__repr__: lambda v: _wrapped(v, _dict),
    collections.UserDict.__repr__: lambda v: ("", (v.data,), ""),
    collections.UserList.__repr__: lambda v: ("", (v.data,), ""),
    collections.ChainMap.__repr__: lambda v: ("ChainMap(", v.maps, ")"),
    type({}.keys()).__repr__: lambda v: _wrapped(v, _items),
    type({}.values()).__repr__: lambda v: _wrapped(v, _items),
    type({}.items()).__repr__: lambda v: _wrapped(v, _items),
    types.MappingProxyType.__repr__: lambda v: ("mappingproxy({", _pairs(v.items()), "})"),
    types.SimpleNamespace.__repr__: lambda v: ("namespace(", _pairs(vars(v).items(), "="), ")"),
    types.MethodType.__repr__: _method,
    functools.partial.__repr__: _partial,
    BaseException.__repr__: lambda v: (type(v).__name__ + "(", v.args, ")"),
    memoryview.__repr__: lambda v: ("<memory of %d bytes" % v.nbytes, (), ">"),
}


def _parts(value: Any) -> Any:
    """Returns the parts of the representation of a container, or None for a value
    whose own repr is to be shown."""
    kind = type(value)
    own = kind.__repr__
    known = _known.get(own)
    if known is not None:
        return known(value)
    if hasattr(kind, "__dataclass_fields__"):
        import dataclasses

        plain = getattr(getattr(own, "__wrapped__", None), "__code__", None)
        if plain is not None and plain.co_filename == "<string>":
            fields = [f.name for f in dataclasses.fields(value) if f.repr]
            return kind.__qualname__ + "(", (Pair(n, "=", getattr(value, n)) for n in fields), ")"
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        plain = getattr(own, "__code__", None)
        if plain is not None and plain.co_filename == collections.namedtuple.__code__.co_filename:
            return kind.__name__ + "(", _pairs(zip(kind._fields, tuple.__iter__(value)), "="), ")"
    if kind.__module__ == "array" and hasattr(value, "typecode"):
        return "array(%r, [" % value.typecode, value, "])"
    if kind.__module__ == "asgibox._http" and hasattr(value, "lists"):
        return "<%s {" % value._kind, _pairs(value._values.items()), "}>"
    if kind.__module__ == "asgibox._messages" and hasattr(kind, "consume_later"):
        return "<message on %s: {" % value.channel, _pairs(dict.items(value)), "}>"
    return None
