"""Explanations of exceptions, which the server shows on error pages, in its log and
in the inspector."""

import collections
import difflib
import importlib
import itertools
import json
import linecache
import os
import stat
from itertools import islice
from types import CodeType, FrameType, TracebackType
from typing import Any, Deque, Dict, Iterable, List, NamedTuple, Optional

from ._place import is_inside, shown_path
from ._text import writable
from ._values import Values, guarded

# Limits of an explanation, which must fit in a message.
MAX_FRAMES = 40
MAX_MESSAGE = 20000
MAX_LINE = 1000
MAX_NAME = 200
MAX_LOCALS = 40
MAX_NOTES = 10
MAX_MORE = 5  # members of an exception group
MAX_SOURCE = 10 << 20  # bytes of a file whose lines are shown
MAX_NAMES = 2000  # among which a name that resembles another is looked for
AROUND = 2  # lines before and after the line of a frame

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_IMPORTLIB = os.path.dirname(os.path.abspath(importlib.__file__)) + os.sep
_ASYNCIO = os.path.join(os.path.dirname(os.path.dirname(_IMPORTLIB)), "asyncio", "")


def explain(
    error: BaseException, folder: str, *, status: Optional[int] = None, variables: bool = True, limit: int = 1 << 20
) -> Dict[str, Any]:
    """Return the explanation of an exception. Files in the folder are named relative
    to it. Frames of this package, of the import system and of event loops are left
    out. With variables, it has those of the application's functions. It costs little,
    whatever the exception is, and takes about limit bytes at most."""
    explanation = _Explainer(folder, variables, MAX_FRAMES).explain(error)
    if status is None:
        status = getattr(error, "asgibox_status", None)
    if isinstance(status, int):
        explanation["status"] = status
    members = getattr(error, "exceptions", None)  # of an exception group
    if isinstance(members, tuple):
        more = [e for e in members[:MAX_MORE] if isinstance(e, BaseException)]
        if more:
            explanation["more"] = [_Explainer(folder, False, 10).explain(e) for e in more]
    return _fit(writable(explanation), limit)


def _fit(explanation: Dict[str, Any], limit: int) -> Dict[str, Any]:
    """Leave out what matters least until an explanation is short enough."""
    for part in ("locals", "more", "lines", "frames"):
        if len(json.dumps(explanation, ensure_ascii=False).encode("utf-8")) <= limit:
            return explanation
        for frame in explanation.get("frames", ()):
            frame.pop(part, None)
        explanation.pop(part, None)
    return {key: explanation[key][:500] for key in ("type", "message")}


class _Step(NamedTuple):
    """A call on the stack of an exception."""

    frame: FrameType
    instruction: int
    line: int

    @property
    def file(self) -> str:
        return self.frame.f_code.co_filename


class _Explainer:
    """Explains one exception."""

    def __init__(self, folder: str, variables: bool, max_frames: int) -> None:
        self._folder = folder
        self._variables = variables
        self._max_frames = max_frames
        self._values = Values()
        self._hidden: Dict[str, bool] = {}  # by file

    def explain(self, error: BaseException) -> Dict[str, Any]:
        message = self._message(error) + self._notes(error)  # before variables take the time
        frames = [self._call(step) for step in self._steps(error.__traceback__, self._max_frames)]
        if isinstance(error, SyntaxError) and isinstance(error.filename, str):
            frames.append(self._frame(error.filename, error.lineno, error.offset, ""))
        place = getattr(error, "asgibox_place", None)  # of a template, or of a route
        if place is not None:
            file, line, col = place
            frames.append(self._frame(os.path.join(self._folder, file), line, col, ""))
        explanation = {"type": _type_name(error), "message": message, "frames": frames}
        hint = self._hint(error)
        if hint:
            explanation["hint"] = hint[:MAX_MESSAGE]
        return explanation

    # The stack.

    def _steps(self, tb: Optional[TracebackType], count: int) -> List[_Step]:
        """Return the first and the last calls that are not hidden."""
        first: List[TracebackType] = []
        last: Deque[TracebackType] = collections.deque(maxlen=count // 2)
        hidden = self._hidden
        while tb is not None:  # there may be a million
            file = tb.tb_frame.f_code.co_filename
            if file not in hidden:
                hidden[file] = _is_hidden(file)
            if not hidden[file]:
                (first if len(first) < count - count // 2 else last).append(tb)
            tb = tb.tb_next
        return [_Step(tb.tb_frame, tb.tb_lasti, tb.tb_lineno) for tb in (*first, *last)]

    def _call(self, step: _Step) -> Dict[str, Any]:
        code = step.frame.f_code
        name = "" if code.co_name == "<module>" else code.co_name
        shown = self._frame(step.file, step.line, _column(code, step.instruction, step.line), name)
        if self._variables and name and is_inside(step.file, self._folder):
            shown["locals"] = self._locals(step.frame)
        return shown

    def _frame(self, file: str, line: Optional[int], col: Optional[int], name: str) -> Dict[str, Any]:
        frame: Dict[str, Any] = {"file": shown_path(file, self._folder)[:MAX_LINE], "line": line or 0}
        if file.startswith("<"):
            frame["file"] = file[:MAX_LINE]
        if col:
            frame["col"] = col
        if name:
            frame["func"] = name[:MAX_NAME]
        lines = _lines(file, line or 0)
        if lines:
            frame["lines"] = lines
        return frame

    def _locals(self, frame: FrameType) -> List[List[str]]:
        return [
            [name[:MAX_NAME], self._values.show(value)]
            for name, value in islice(frame.f_locals.items(), MAX_LOCALS)
            if isinstance(name, str) and not name.startswith("__")
        ]

    # The texts.

    def _message(self, error: BaseException) -> str:
        """Return the text of an exception, as str does. Arguments of Python's own
        exceptions are read only as far as they are shown."""
        if isinstance(error, SyntaxError):
            return str(error.msg or "invalid syntax")[:MAX_MESSAGE]
        own, args = type(error).__str__, error.args
        if own is KeyError.__str__ and len(args) == 1:
            return self._values.show(args[0], MAX_MESSAGE)
        if own in (BaseException.__str__, KeyError.__str__):
            if not args:
                return ""
            if len(args) > 1 or isinstance(args[0], (list, tuple, dict, set, frozenset, int)):
                return self._values.show(args if len(args) > 1 else args[0], MAX_MESSAGE)
        return guarded(lambda: str(error), "(its text cannot be read: %s)")[:MAX_MESSAGE]

    def _notes(self, error: BaseException) -> str:
        notes = getattr(error, "__notes__", None)  # Python 3.11 and later
        if not isinstance(notes, list):
            return ""
        return "".join("\n" + note[:MAX_LINE] for note in notes[:MAX_NOTES] if isinstance(note, str))

    def _hint(self, error: BaseException) -> str:
        own = getattr(error, "asgibox_hint", None)
        if own:
            return str(own)
        near = self._nearest(error)
        if near:
            return "did you mean %s?" % near
        cause = error.__cause__
        if cause is None and not error.__suppress_context__:
            cause = error.__context__
        if cause is None:
            return ""
        text = _type_name(cause)
        message = self._message(cause).strip().splitlines()
        if message:
            text += ": " + message[0][:MAX_LINE]
        steps = self._steps(cause.__traceback__, 2)
        place = " at %s:%d" % (shown_path(steps[-1].file, self._folder), steps[-1].line) if steps else ""
        return "raised because of %s%s" % (text, place)

    def _nearest(self, error: BaseException) -> str:
        """Return a name that exists and resembles the one that is missing, or ""."""
        names: Iterable[Any]
        name = getattr(error, "name", None)  # Python 3.10 and later
        if isinstance(error, NameError):
            name = name or _quoted(self._message(error))
            steps = self._steps(error.__traceback__, 2)
            if not steps:
                return ""
            frame = steps[-1].frame
            names = itertools.chain(frame.f_locals, frame.f_globals, frame.f_builtins)
        elif isinstance(error, AttributeError) and self._variables:
            owner = getattr(error, "obj", None)
            try:
                names = [] if owner is None else dir(owner)
            except BaseException:  # of the application's __dir__
                return ""
        else:
            return ""
        if not isinstance(name, str) or not 0 < len(name) < MAX_NAME:
            return ""
        candidates = [n for n in islice(names, MAX_NAMES) if isinstance(n, str) and n != name and n[:2] != "__" and len(n) < MAX_NAME]
        found: List[str] = difflib.get_close_matches(name, sorted(candidates), 1, 0.7)
        return found[0] if found else ""


def _type_name(error: BaseException) -> str:
    kind = type(error)
    module, name = str(kind.__module__), kind.__qualname__
    if module == "asgibox._load":
        return ""  # the message says it all
    if module not in ("builtins", "__main__", "asgibox") and not module.startswith("asgibox."):
        name = module + "." + name
    return name[:MAX_NAME]


def _is_hidden(file: str) -> bool:
    path = os.path.abspath(file)
    hidden = file.startswith("<frozen importlib") or path.startswith((_PACKAGE, _IMPORTLIB, _ASYNCIO))
    return hidden or path.endswith(".pyx")  # uvloop is compiled


def _column(code: CodeType, instruction: int, line: int) -> int:
    """Return the column of an instruction, from 1, or 0 if it is unknown."""
    positions = getattr(code, "co_positions", None)  # Python 3.11 and later
    if positions is None or instruction < 0:
        return 0
    for position in islice(positions(), instruction // 2, None):
        offset = position[2]
        if offset is None:
            return 0
        text = "".join(_source(code.co_filename)[line - 1 : line])
        return len(text.encode("utf-8", "replace")[:offset].decode("utf-8", "replace")) + 1
    return 0


def _source(file: str) -> List[str]:
    """Return the lines of a file, or none if it is too long or no ordinary file."""
    if file not in linecache.cache:
        try:
            about = os.stat(file)
        except (OSError, ValueError):
            return []
        if not stat.S_ISREG(about.st_mode) or about.st_size > MAX_SOURCE:
            return []
    return linecache.getlines(file)


def _lines(file: str, line: int) -> List[List[Any]]:
    source = _source(file)
    if not 0 < line <= len(source):
        return []
    first = max(1, line - AROUND)
    return [[n, text[:MAX_LINE].rstrip("\r\n")] for n, text in enumerate(source[first - 1 : line + AROUND], first)]


def _quoted(text: str) -> str:
    parts = text.split("'")
    return parts[1] if len(parts) >= 3 else ""
