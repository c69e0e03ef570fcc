"""Functions that return None on purpose, and those that forgot a return."""

import ast
import linecache
from typing import Any, Callable, Dict, List, Tuple

from ._place import unwrap

_known: Dict[Tuple[str, int], bool] = {}


def may_return_none(function: Callable[..., Any]) -> bool:
    """Reports whether a function may return None on purpose: it has return None or a
    return without a value, or it does not end without return, like a function that
    returns what another returns. If its source is not known, it may."""
    code = getattr(unwrap(function), "__code__", None)
    if code is None or code.co_name == "<lambda>":
        return True
    key = (code.co_filename, code.co_firstlineno)
    if key not in _known:
        _known[key] = _look(code.co_filename, code.co_firstlineno, code.co_name)
    return _known[key]


def _look(file: str, line: int, name: str) -> bool:
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError, RecursionError):
        return True
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name:
            lines = [node.lineno] + [d.lineno for d in node.decorator_list]
            if min(lines) == line or node.lineno == line:
                return _returns_none(node.body) or _ends(node.body)
    return True


def _returns_none(body: List[ast.stmt]) -> bool:
    """Reports whether a statement of the function itself returns None explicitly."""
    nodes: List[ast.AST] = list(body)
    while nodes:
        node = nodes.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            continue
        if isinstance(node, ast.Return):
            value = node.value
            if value is None or isinstance(value, ast.Constant) and value.value is None:
                return True
        nodes.extend(ast.iter_child_nodes(node))
    return False


def _ends(body: List[ast.stmt]) -> bool:
    """Reports whether statements never reach their end."""
    if not body:
        return False
    last = body[-1]
    if isinstance(last, (ast.Return, ast.Raise)):
        return True
    if isinstance(last, ast.If):
        return _ends(last.body) and _ends(last.orelse)
    if isinstance(last, (ast.With, ast.AsyncWith)):
        return _ends(last.body)
    if isinstance(last, ast.Try):
        whole = _ends(last.body) or _ends(last.orelse)
        return _ends(last.finalbody) or whole and all(_ends(h.body) for h in last.handlers)
    if isinstance(last, ast.While):
        return isinstance(last.test, ast.Constant) and bool(last.test.value)
    return False
