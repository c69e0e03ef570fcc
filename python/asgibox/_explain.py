"""Explanations of exceptions, which the server shows on error pages, in its log and
in the inspector."""

import builtins
import difflib
import importlib
import linecache
import os
import traceback
from types import CodeType, FrameType, TracebackType
from typing import Any, Dict, Iterable, List, Optional, Tuple

from ._place import is_inside, shown_path

# Limits of an explanation, which must fit in a message.
MAX_FRAMES = 40
MAX_MESSAGE = 20000
MAX_LINE = 1000
MAX_LOCALS = 40
MAX_VALUE = 200
AROUND = 2  # lines before and after the line of a frame

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_IMPORTLIB = os.path.dirname(os.path.abspath(importlib.__file__)) + os.sep
_ASYNCIO = os.path.join(os.path.dirname(os.path.dirname(_IMPORTLIB)), "asyncio", "")


def explain(error: BaseException, folder: str, *, status: Optional[int] = None) -> Dict[str, Any]:
    """Return the explanation of an exception. Files in the folder are named relative
    to it. Frames of this package, of the import system and of event loops are left
    out."""
    frames = _frames(error.__traceback__, folder)
    if isinstance(error, SyntaxError) and error.filename:
        frames.append(_syntax_frame(error, folder))
    place = getattr(error, "asgibox_place", None)  # of a template, or of a route
    if place is not None:
        file, line, col = place
        frames.append(_frame(os.path.join(folder, file), line, col, "", folder))
    explanation: Dict[str, Any] = {"type": _type_name(error), "message": _message(error)[:MAX_MESSAGE], "frames": frames}
    hint = _hint(error, folder)
    if hint:
        explanation["hint"] = hint
    if status is None:
        status = getattr(error, "asgibox_status", None)
    if status is not None:
        explanation["status"] = status
    return explanation


def _type_name(error: BaseException) -> str:
    kind = type(error)
    if kind.__module__ == "asgibox._load":
        return ""  # the message says it all
    if kind.__module__ in ("builtins", "__main__", "asgibox") or kind.__module__.startswith("asgibox."):
        return kind.__qualname__
    return kind.__module__ + "." + kind.__qualname__


def _message(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return error.msg or "invalid syntax"
    try:
        return str(error)
    except Exception:
        return "(its text cannot be read)"


def _frames(tb: Optional[TracebackType], folder: str) -> List[Dict[str, Any]]:
    steps = [
        (frame, line, col)
        for frame, line, col in _steps(tb)
        if not _is_hidden(frame.f_code.co_filename)
    ]
    if len(steps) > MAX_FRAMES:
        steps = steps[: MAX_FRAMES // 2] + steps[-MAX_FRAMES // 2 :]
    frames = []
    for frame, line, col in steps:
        code = frame.f_code
        name = "" if code.co_name == "<module>" else code.co_name
        shown = _frame(code.co_filename, line, col, name, folder)
        if name and is_inside(code.co_filename, folder):
            shown["locals"] = _locals(frame)
        frames.append(shown)
    return frames


def _steps(tb: Optional[TracebackType]) -> Iterable[Tuple[FrameType, int, int]]:
    while tb is not None:
        yield tb.tb_frame, tb.tb_lineno, _column(tb.tb_frame.f_code, tb.tb_lasti, tb.tb_lineno)
        tb = tb.tb_next


def _column(code: CodeType, instruction: int, line: int) -> int:
    """Return the column of an instruction, from 1, or 0 if it is unknown."""
    positions = getattr(code, "co_positions", None)  # Python 3.11 and later
    if positions is None or instruction < 0:
        return 0
    for index, position in enumerate(positions()):
        if index == instruction // 2:
            offset = position[2]
            if offset is None:
                return 0
            text = linecache.getline(code.co_filename, line)
            return len(text.encode("utf-8")[:offset].decode("utf-8", "replace")) + 1
    return 0


def _is_hidden(file: str) -> bool:
    if file.startswith("<frozen importlib"):
        return True
    path = os.path.abspath(file)
    return path.startswith((_PACKAGE, _IMPORTLIB, _ASYNCIO)) or path.endswith(".pyx")  # uvloop is compiled


def _frame(file: str, line: Optional[int], col: Optional[int], name: str, folder: str) -> Dict[str, Any]:
    frame: Dict[str, Any] = {"file": shown_path(file, folder), "line": line or 0}
    if file.startswith("<"):
        frame["file"] = file
    if col:
        frame["col"] = col
    if name:
        frame["func"] = name
    lines = _lines(file, line or 0)
    if lines:
        frame["lines"] = lines
    return frame


def _lines(file: str, line: int) -> List[List[Any]]:
    all_lines = linecache.getlines(file)
    if line < 1 or line > len(all_lines):
        return []
    first, last = max(1, line - AROUND), min(len(all_lines), line + AROUND)
    return [[n, all_lines[n - 1].rstrip("\r\n")[:MAX_LINE]] for n in range(first, last + 1)]


def _syntax_frame(error: SyntaxError, folder: str) -> Dict[str, Any]:
    assert error.filename is not None
    return _frame(error.filename, error.lineno, error.offset, "", folder)


def _locals(frame: FrameType) -> List[List[str]]:
    shown = []
    for name, value in list(frame.f_locals.items())[:MAX_LOCALS]:
        if not name.startswith("__"):
            shown.append([name, _repr(value)])
    return shown


def _repr(value: Any) -> str:
    """Return a short representation of a value. A broken __repr__ does no harm."""
    try:
        if isinstance(value, (str, bytes)) and len(value) > MAX_VALUE:
            return repr(value[:MAX_VALUE]) + "…"
        text = repr(value)
    except Exception as error:
        return "<%s, whose repr raises %s>" % (type(value).__name__, type(error).__name__)
    return text if len(text) <= MAX_VALUE else text[:MAX_VALUE] + "…"


def _hint(error: BaseException, folder: str) -> str:
    own = getattr(error, "asgibox_hint", None)
    if own:
        return str(own)
    near = _nearest(error)
    if near:
        return "did you mean %s?" % near
    cause = error.__cause__
    if cause is None and not error.__suppress_context__:
        cause = error.__context__
    if cause is None:
        return ""
    place = ""
    for frame, line, _ in _steps(cause.__traceback__):
        if not _is_hidden(frame.f_code.co_filename):
            place = " at %s:%d" % (shown_path(frame.f_code.co_filename, folder), line)
    text = "".join(traceback.format_exception_only(type(cause), cause)).strip().splitlines()
    return "raised because of %s%s" % (text[-1][:MAX_LINE] if text else _type_name(cause), place)


def _nearest(error: BaseException) -> str:
    """Return a name that exists and resembles the one that is missing, or ""."""
    name: Optional[str]
    if isinstance(error, NameError):
        name = getattr(error, "name", None) or _quoted(str(error))
        tb = error.__traceback__
        if not name or tb is None:
            return ""
        while tb.tb_next is not None:
            tb = tb.tb_next
        frame = tb.tb_frame
        names = set(frame.f_locals) | set(frame.f_globals) | set(dir(builtins))
    elif isinstance(error, AttributeError):
        name, owner = getattr(error, "name", None), getattr(error, "obj", None)  # Python 3.10 and later
        if not name or owner is None:
            return ""
        try:
            names = set(dir(owner))
        except Exception:
            return ""
    else:
        return ""
    candidates = sorted(n for n in names if isinstance(n, str) and n != name and not n.startswith("__"))
    found: List[str] = difflib.get_close_matches(name, candidates, 1, 0.7)
    return found[0] if found else ""


def _quoted(text: str) -> str:
    parts = text.split("'")
    return parts[1] if len(parts) >= 3 else ""
