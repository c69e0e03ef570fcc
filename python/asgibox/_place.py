"""Where functions are defined, for people. It imports little, because the start of
every process waits for that."""

import linecache
import os
from typing import Any, Dict, Optional, Tuple

Place = Tuple[str, int]  # a file and a line


def shown_path(file: str, folder: str) -> str:
    """Returns the path of a file as people see it: relative to the folder if it is
    inside, otherwise absolute."""
    path = os.path.abspath(file)
    if is_inside(path, folder):
        return os.path.relpath(path, folder).replace(os.sep, "/")
    return path


def is_inside(file: str, folder: str) -> bool:
    """Reports whether a file is in a folder."""
    return os.path.abspath(file).startswith(os.path.join(os.path.abspath(folder), ""))


def name_of(consumer: Any) -> str:
    """Returns the name of a function or a class."""
    name = getattr(consumer, "__name__", None) or type(consumer).__name__
    return "lambda" if name == "<lambda>" else str(name)


def unwrap(function: Any) -> Any:
    """Returns the function that decorators have wrapped."""
    for _ in range(100):
        inner = getattr(function, "__wrapped__", None)
        if inner is None:
            break
        function = inner
    return function


def place_of(consumer: Any) -> Optional[Place]:
    """Returns the place of a function or a class, or None."""
    consumer = unwrap(consumer)
    if isinstance(consumer, type):
        import inspect

        try:
            file = inspect.getsourcefile(consumer)
            return (file, inspect.getsourcelines(consumer)[1]) if file else None
        except (OSError, TypeError):
            return None
    consumer = getattr(consumer, "__func__", consumer)
    code = getattr(consumer, "__code__", None)
    if code is None:
        code = getattr(getattr(type(consumer), "__call__", None), "__code__", None)
    return None if code is None else (code.co_filename, _def_line(code.co_filename, code.co_firstlineno))


def _def_line(file: str, line: int) -> int:
    """Returns the line of def. The first line of a code is that of its decorators."""
    for n in range(line, line + 50):
        text = linecache.getline(file, n).lstrip()
        if text.startswith(("def ", "async def ", "class ")):
            return n
        if n == line and not text.startswith("@"):
            break
    return line


def describe(consumer: Any, folder: str) -> Dict[str, Any]:
    """Returns the fields that name a consumer: name, and file and line if they are
    known."""
    fields: Dict[str, Any] = {"name": name_of(consumer)}
    at = place_of(consumer)
    if at is not None:
        fields.update(file=shown_path(at[0], folder), line=at[1])
    return fields
