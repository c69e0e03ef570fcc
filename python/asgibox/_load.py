"""Loads an application: finds its module, tells its kind, and notes its files."""

import importlib
import importlib.machinery
import importlib.util
import linecache
import os
import sys
import time
from types import CodeType, ModuleType
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple, TYPE_CHECKING

if TYPE_CHECKING:
    import inspect

NEW = 2.0  # seconds after a change in which a file's compiled form is not trusted


class LoadError(Exception):
    """The application cannot be loaded. The hint says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.asgibox_hint = hint


class Finder:
    """Notes which files of the application's folder are imported, or were looked for
    in vain. It finds the same modules as Python without it."""

    def __init__(self, folder: str, note: Callable[[str], None]) -> None:
        self._folder = folder
        self._note = note

    def install(self) -> None:
        """Puts the finder before the one that looks into the folders of sys.path."""
        finders: List[Any] = sys.meta_path
        path = importlib.machinery.PathFinder
        finders.insert(finders.index(path) if path in finders else len(finders), self)

    def find_spec(
        self, name: str, path: Optional[Sequence[str]] = None, target: Optional[ModuleType] = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None:
            last = name.rpartition(".")[2]
            for folder in [self._folder] if path is None else list(path):
                for file in (last + ".py", os.path.join(last, "__init__.py")):
                    self._note_inside(os.path.join(folder, file))
        elif spec.origin and spec.has_location and self._note_inside(spec.origin):
            if type(spec.loader) is importlib.machinery.SourceFileLoader:
                spec.loader = SourceLoader(spec.loader.name, spec.loader.path)
        return spec

    def _note_inside(self, file: str) -> bool:
        """Notes a file of the application, but none of packages that are installed in its
        folder."""
        file = os.path.abspath(file)
        if not file.startswith(self._folder + os.sep):
            return False
        folders = file[len(self._folder) + 1 :].split(os.sep)[:-1]
        if any(f.startswith(".") or f in ("site-packages", "dist-packages") for f in folders):
            return False
        self._note(file)
        return True


class SourceLoader(importlib.machinery.SourceFileLoader):
    """Loads source files that may have changed a moment ago. Python takes a compiled
    file for current if second and size agree, which two quick changes can have in
    common. It keeps the text for tracebacks, because the file may change again."""

    def get_code(self, fullname: str) -> Optional[CodeType]:
        path = self.get_filename(fullname)
        data = self.get_data(path)
        try:
            text = importlib.util.decode_source(data)
        except (SyntaxError, UnicodeDecodeError, LookupError):
            text = data.decode("utf-8", "replace")  # compiling says what is wrong
        linecache.cache[path] = (len(data), None, text.splitlines(True), path)
        try:
            if time.time() - os.stat(path).st_mtime > NEW:
                return super().get_code(fullname)
            return self.source_to_code(data, path)
        except (ValueError, SyntaxError) as err:
            if isinstance(err, SyntaxError) and err.filename:
                raise
            # Python names no file if the source has NUL bytes.
            raise SyntaxError("this is no Python source: %s" % err, (path, 1, 1, "")) from None


def add_folder(folder: str) -> None:
    """Makes the modules of a folder importable. The standard library's come first, so
    that no file of the folder can replace one of them."""
    standard = os.path.dirname(os.path.abspath(os.__file__))
    after = 0
    for i, path in enumerate(sys.path):
        if path == standard or path.startswith(os.path.join(standard, "lib-dynload")):
            after = i + 1
    sys.path[:] = [p for p in sys.path[:after] if p] + [folder] + [p for p in sys.path[after:] if p not in ("", folder)]


def is_standard(name: str) -> bool:
    """Reports whether Python's standard library has a module of this name."""
    if sys.version_info >= (3, 10):
        return name in sys.stdlib_module_names
    if name in sys.builtin_module_names:
        return True
    standard = os.path.dirname(os.path.abspath(os.__file__))
    spec = importlib.machinery.PathFinder.find_spec(name, [standard, os.path.join(standard, "lib-dynload")])
    return spec is not None and spec.origin is not None


def shadowed(folder: str) -> Dict[str, str]:
    """Returns the files of a folder that cannot be imported, because the standard
    library has modules of their names."""
    found: Dict[str, str] = {}
    try:
        names = os.listdir(folder)
    except OSError:
        return found
    for name in names:
        stem = name[:-3] if name.endswith(".py") else name
        file = name if stem != name else name + "/__init__.py"
        if stem.isidentifier() and is_standard(stem) and os.path.isfile(os.path.join(folder, file)):
            found[stem] = file
    return found


def hint_shadowed(error: BaseException, folder: str) -> None:
    """Adds a hint to an error that comes from a file with a standard module's name."""
    if not isinstance(error, (ImportError, AttributeError)):
        return
    text = str(error)
    for name, file in shadowed(folder).items():
        if "'%s'" % name in text or "'%s." % name in text:
            hint = "Python's standard library has a module %s, which is imported instead of %s; rename the file"
            setattr(error, "asgibox_hint", hint % (name, file))  # noqa: B010
            return


def load_file(file: str, predeclared: Dict[str, Any]) -> ModuleType:
    """Runs a file as a module, with further global names."""
    folder, base = os.path.split(file)
    name = os.path.splitext(base)[0]
    if is_standard(name):
        raise LoadError(
            "%s has the name of a module of Python's standard library: %s" % (base, name), "rename the file"
        )
    if not os.path.isfile(file):
        raise LoadError("there is no file %s" % file)
    spec = importlib.util.spec_from_file_location(name, file, loader=SourceLoader(name, file))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    module.__dict__.update(predeclared)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def load_object(target: str, folder: str) -> Tuple[Any, ModuleType]:
    """Imports package.module:name, and returns what it names, and the module."""
    module_name, _, name = target.partition(":")
    top = module_name.partition(".")[0]
    own = shadowed(folder).get(top)
    if own:
        raise LoadError(
            "%s has the name of a module of Python's standard library: %s" % (own, top),
            "rename the file, or the package",
        )
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as err:
        if err.name and (module_name == err.name or module_name.startswith(err.name + ".")):
            file = os.path.join(folder, module_name[:-3].replace(".", os.sep) + ".py")
            if module_name.endswith(".py") and os.path.isfile(file):
                raise LoadError(
                    "there is no module %s" % err.name, "write %s:%s, without .py" % (module_name[:-3], name)
                ) from None
            raise LoadError(
                "there is no module %s" % err.name,
                "the application's folder is %s; modules are looked for there and among the installed packages of %s"
                % (folder, sys.executable),
            ) from None
        raise
    value: Any = module
    for part in name.split(".") if name else ():
        try:
            value = getattr(value, part)
        except AttributeError:
            raise LoadError("module %s has no %s" % (module_name, name), _names(module)) from None
    if not name:
        value = find_application(module.__dict__)
        if value is None:
            raise LoadError("module %s has neither application nor app" % module_name, _names(module))
    return value, module


def _names(module: ModuleType) -> str:
    """Returns a hint with the callables that a module defines."""
    names = [n for n, v in vars(module).items() if callable(v) and getattr(v, "__module__", "") == module.__name__]
    return "it defines " + ", ".join(sorted(names)[:10]) if names else ""


def find_application(namespace: Dict[str, Any]) -> Any:
    """Returns the application that a module defines, or None."""
    for name in ("application", "app"):
        if callable(namespace.get(name)):
            return namespace[name]
    return None


def interface_of(application: Any) -> str:
    """Returns "wsgi" or "asgi3", by looking at a callable."""
    if not callable(application):
        raise LoadError(
            "the application is %s, which cannot be called" % describe(application),
            "name a WSGI application, called with (environ, start_response), or an ASGI 3 one, called with (scope, receive, send)",
        )
    import inspect  # takes a while to import, and loops do not need it

    call = application if inspect.isroutine(application) or inspect.isclass(application) else type(application).__call__
    if inspect.iscoroutinefunction(application) or inspect.iscoroutinefunction(call):
        return "asgi3"
    try:
        signature = inspect.signature(application)
    except (ValueError, TypeError):
        raise unclear(application, "its parameters are not known") from None
    if _takes(signature, 2):
        if not _takes(signature, 3):
            return "wsgi"
    elif _takes(signature, 3):
        return "asgi3"
    else:
        raise unclear(application, "its parameters are %s" % signature)
    names = list(signature.parameters)
    if names[:2] == ["environ", "start_response"]:
        return "wsgi"
    if names[:3] == ["scope", "receive", "send"]:
        return "asgi3"
    raise unclear(application, "its parameters are %s" % signature)


def _takes(signature: "inspect.Signature", count: int) -> bool:
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def unclear(application: Any, why: str) -> LoadError:
    return LoadError(
        "%s is neither a WSGI nor an ASGI 3 application: %s" % (describe(application), why),
        "a WSGI application takes (environ, start_response), an ASGI 3 one (scope, receive, send); "
        "if it is one of them, pass --interface wsgi or --interface asgi3",
    )


def describe(value: Any) -> str:
    name = getattr(value, "__qualname__", None)
    if isinstance(name, str):
        return name
    return "an object of class %s" % type(value).__qualname__


class Files:
    """The files that the application uses, each once."""

    def __init__(self) -> None:
        self._seen: Set[str] = set()
        self._report: Optional[Callable[[List[str]], None]] = None

    def note(self, file: str) -> None:
        if file not in self._seen:
            self._seen.add(file)
            if self._report is not None:
                self._report([file])

    def all(self) -> List[str]:
        return sorted(self._seen)

    def report_further(self, report: Callable[[List[str]], None]) -> None:
        """Calls report for files that are noted from now on."""
        self._report = report
