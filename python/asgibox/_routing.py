"""Routes: which function handles which message. The server matches them."""

import importlib
import linecache
import os
import re
import sys
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Type, Union

from ._check import brief, find_invalid
from ._http import Request, hinted, response_of
from ._layer import PACKAGE, current
from ._memory import memory
from ._messages import Message, WebsocketConsumer
from ._place import Place, name_of, place_of, shown_path, unwrap
from ._run import Run

Patterns = List[List[str]]

VARARGS, KWARGS, ASYNC = 0x04, 0x08, 0x80  # flags of a code, as inspect has them
MAX_DEPTH = 100
MAX_ROUTES = 100000
HOOKS = ("on_start", "on_reload", "on_stop")
ITEMS_HINT = "write a list of route(…), view(…), static(…), every(…) and include(…)"


class RoutingError(ValueError):
    """A route that cannot work. The error names the line of the route."""


def _error(text: str, hint: str = "") -> Exception:
    return hinted(RoutingError(text), hint) if hint else RoutingError(text)


def _caller() -> Place:
    """Returns the place of the application's call."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


class Route:
    """What route, view and static return."""

    def __init__(self, kind: str, channel: str, consumer: Optional[Callable[..., Any]]) -> None:
        self.kind = kind
        self.channel = channel
        self.consumer = consumer
        self.place = _caller()
        self.patterns: Patterns = []
        self.ordered = True
        self.concurrency = 0
        self.path = ""
        self.methods: Optional[List[str]] = None
        self.prefix = ""
        self.directory = ""

    def __repr__(self) -> str:
        return "<%s on %s>" % (self.kind, self.channel)


class Include:
    """What include returns."""

    def __init__(self, routes: Any, patterns: Patterns) -> None:
        self.routes = routes
        self.patterns = patterns


class Clock:
    """What every returns."""

    def __init__(self, seconds: float, channel: str, content: Dict[str, Any]) -> None:
        self.seconds, self.channel, self.content = seconds, channel, content
        self.place = _caller()


def route(
    channel: str, consumer: Any, *, ordered: bool = True, concurrency: Optional[int] = None, **patterns: str
) -> Union[Route, List[Route]]:
    """Returns the route of messages on a channel. The patterns are regular expressions
    (RE2), matched from the start of the message's values; named groups become keyword
    arguments. A consumer may be named as "module.function"."""
    item = Route("route", _channel("route", channel), _consumer("route", consumer))
    item.ordered = bool(ordered)
    item.concurrency = _concurrency(concurrency)
    item.patterns = _patterns(patterns)
    return item


def route_class(consumer: Type[WebsocketConsumer], **patterns: Any) -> List[Any]:
    """Returns the routes of a class of consumers, one for each of its channels."""
    return [route(channel, consumer, **patterns) for channel in consumer.channel_names()]


def include(routes: Any, **patterns: str) -> Include:
    """Returns routes with patterns in front of them. What a pattern matched is cut off
    before the routes look. Routes may be named as "module.channel_routing"."""
    if isinstance(routes, str):
        routes = _import(routes)
    return Include(routes, _patterns(patterns))


def view(path: str, fn: Any, methods: Union[str, Sequence[str], None] = None, concurrency: Optional[int] = None) -> Route:
    """Returns the route of requests for a path, with request and response objects.
    <room> in the path captures up to the next slash, <int:n> digits, <path:rest> the
    rest."""
    if not isinstance(path, str):
        raise _error("view: the path is of type %s; it must be text" % type(path).__name__)
    item = Route("view", "http.request", _consumer("view", fn))
    item.path = path
    item.concurrency = _concurrency(concurrency)
    if methods is not None:
        names = [methods] if isinstance(methods, str) else list(methods)
        if not all(isinstance(name, str) for name in names):
            raise _error('view: methods must be a list like ["GET", "POST"], not %s' % brief(methods))
        item.methods = [name.upper() for name in names]
    return item


def static(prefix: str, directory: Union[str, "os.PathLike[str]"]) -> Route:
    """Returns the route of the files in a folder of the application. The server sends
    them."""
    item = Route("static", "http.request", None)
    item.prefix, item.directory = prefix, os.fspath(directory).replace(os.sep, "/")
    return item


def every(seconds: float, channel: str, content: Optional[Mapping[str, Any]] = None) -> Clock:
    """Returns a clock: one message an interval for all processes, none piled up."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds >= 0.01:
        raise _error("every: the interval must be at least 0.01 seconds, not %s" % brief(seconds))
    message = dict(content or {})
    problem = find_invalid(message, "")
    if problem:
        raise _error("every: " + problem)
    return Clock(float(seconds), _channel("every", channel), message)


def _channel(call: str, channel: Any) -> str:
    if isinstance(channel, str):
        return str(channel)
    raise _error("%s: a channel name must be text, not %s" % (call, type(channel).__name__))


def _concurrency(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _error("concurrency must be a number of handlers, at least 1, not %s" % brief(value))
    return value


def _patterns(patterns: Mapping[str, Any]) -> Patterns:
    found = []
    for key, source in patterns.items():
        if isinstance(source, re.Pattern):
            source = source.pattern
        if not isinstance(source, str):
            raise _error("%s: a pattern must be text, not %s" % (key, type(source).__name__))
        found.append([key, source])
    return found


def _consumer(call: str, consumer: Any) -> Callable[..., Any]:
    if isinstance(consumer, str):
        consumer = _import(consumer)
    if not callable(consumer):
        raise _error("%s: the consumer is of type %s, not a function" % (call, type(consumer).__name__), "write the function's name, without () after it")
    if _flags(consumer) & ASYNC:
        raise _error("%s: the consumer %s is an async function; consumers run in threads" % (call, consumer.__name__), "write def instead of async def")
    found: Callable[..., Any] = consumer
    return found


def _import(name: str) -> Any:
    """Returns the value that a dotted path names, such as "app.routing.routes"."""
    module, _, attribute = name.rpartition(".")
    if not module:
        raise _error("%r is no path of a value" % name, 'write it as "module.name"')
    try:
        return getattr(importlib.import_module(module), attribute)
    except AttributeError:
        raise _error("the module %s has no %s" % (module, attribute)) from None


def is_routed(namespace: Mapping[str, Any]) -> bool:
    """Reports whether the globals of a file are those of a routed application."""
    return "channel_routing" in namespace


class Application:
    """The consumers of a routed application, by the numbers that the server knows."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.routes: List[Dict[str, Any]] = []
        self.clocks: List[Dict[str, Any]] = []
        self.consumers: List[Optional[Callable[..., Any]]] = []
        self.hooks: Dict[str, Callable[[], Any]] = {}

    def add(self, what: str, items: Any, includes: List[Patterns], depth: int = 1) -> None:
        """Adds routes: a list, perhaps with lists in it, or a dict."""
        if depth > MAX_DEPTH:
            raise _error("a list of routes nests deeper than %d, or contains itself" % MAX_DEPTH)
        if isinstance(items, Mapping):
            items = self._dict_items(what, items)
        if isinstance(items, (str, bytes)) or not isinstance(items, Iterable):
            raise _error("%s is of type %s, not a list of routes" % (what, type(items).__name__), ITEMS_HINT)
        for n, item in enumerate(items):
            if len(self.routes) > MAX_ROUTES:
                raise _error("channel_routing has more than %d routes" % MAX_ROUTES)
            if isinstance(item, Route):
                self._add_route(item, includes)
            elif isinstance(item, Clock):
                self._add_clock(item)
            elif isinstance(item, Include):
                self.add("include", item.routes, includes + [item.patterns], depth + 1)
            elif isinstance(item, (list, tuple)):
                self.add("%s[%d]" % (what, n), item, includes, depth + 1)
            else:
                raise _error("%s[%d] is of type %s, not a route" % (what, n, type(item).__name__), ITEMS_HINT)

    def _dict_items(self, what: str, items: Mapping[Any, Any]) -> List[Route]:
        routes = []
        for channel, consumer in items.items():
            item = route(channel, consumer)
            assert isinstance(item, Route)
            place = self._literal_place(str(channel)) or place_of(item.consumer)
            if place is not None:
                item.place = place
            routes.append(item)
        return routes

    def _literal_place(self, text: str) -> Optional[Place]:
        """Returns the first line of a file of the application that has the text as a
        literal."""
        for module in list(sys.modules.values()):
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and "channel_routing" in vars(module) and file.startswith(self.folder):
                for n, line in enumerate(linecache.getlines(file)):
                    if '"%s"' % text in line or "'%s'" % text in line:
                        return file, n + 1
        return None

    def _add_route(self, item: Route, includes: List[Patterns]) -> None:
        fields: Dict[str, Any] = {
            "kind": item.kind,
            "channel": item.channel,
            "place": self._shown(item.place),
            "patterns": item.patterns,
            "includes": includes,
            "ordered": item.ordered,
            "concurrency": item.concurrency,
        }
        if item.kind == "view":
            fields.update(path=item.path, methods=item.methods)
        elif item.kind == "static":
            fields.update(prefix=item.prefix, directory=self._relative(item.directory))
        if item.consumer is None:
            fields["name"] = item.kind
        else:
            fields["name"] = name_of(item.consumer)
            at = place_of(item.consumer)
            if at is not None:
                fields.update(self._shown(at))
            signature = _signature(item.consumer)
            if signature is not None:
                fields["signature"] = signature
        self.routes.append(fields)
        self.consumers.append(item.consumer)

    def _relative(self, directory: str) -> str:
        """Returns a folder relative to that of the application, if it is absolute."""
        if os.path.isabs(directory):
            return os.path.relpath(directory, self.folder).replace(os.sep, "/")
        return directory

    def _add_clock(self, item: Clock) -> None:
        fields = {"every": item.seconds, "channel": item.channel, "content": item.content}
        fields.update(self._shown(item.place))
        self.clocks.append(fields)

    def _shown(self, place: Place) -> Dict[str, Any]:
        return {"file": shown_path(place[0], self.folder), "line": place[1]}

    # Running a handler.

    def handle(self, job: Dict[str, Any], connection: Any) -> Dict[str, Any]:
        """Runs the handler of a job and returns the fields of its outcome. It raises
        what the handler raises."""
        run = Run(None if "hook" in job else Message(job["channel"], job["message"]))
        current.connection, current.run = connection, run
        try:
            outcome = self._run(job, run)
            run.save_sessions()
            if run.cookie and "reply" not in outcome:
                self._check_cookie(run)
            if run.held:
                outcome["hold"] = True
            return outcome
        except Exception:
            self._save_after_error(run)
            raise
        finally:
            current.run = None
            memory.give_back(run.memory)

    @staticmethod
    def _check_cookie(run: Run) -> None:
        """Raises an error if another handler sends the response, without the cookie."""
        import asgibox

        if run.held or asgibox.layer.call("unanswered", {})["open"]:
            raise hinted(
                RuntimeError("the response needs the new cookie of the session, so this handler must send its first message"),
                'send {"status": 200, "more_content": True} or the whole response here, or change the session in another request',
            )

    @staticmethod
    def _save_after_error(run: Run) -> None:
        try:
            run.save_sessions()
        except Exception:
            pass  # the error of the handler says more

    def _run(self, job: Dict[str, Any], run: Run) -> Dict[str, Any]:
        if run.message is None:
            self.hooks[job["hook"]]()
            return {}
        number = job["consumer"]
        consumer = self.consumers[number]
        assert consumer is not None
        kwargs = job.get("kwargs") or {}
        if self.routes[number]["kind"] != "view":
            consumer(run.message, **kwargs)
            return {}
        request = Request(run.message, job.get("params"))
        result = consumer(request, **kwargs)
        if result is None:
            if run.held or run.started:
                return {}
            self._check_return(consumer, number, run)
            if run.held:
                return {}
        response = response_of(result)
        message = response.respond(request)
        if message is None:
            return {}
        run.save_sessions()
        return {"reply": run.with_cookie(message)}

    def _check_return(self, consumer: Callable[..., Any], number: int, run: Run) -> None:
        """Raises an error if a view returned None and probably was meant to return a
        response. If the view has passed on its reply channel instead, it holds the request."""
        import asgibox

        from ._noreturn import may_return_none

        if may_return_none(consumer):
            return
        run.save_sessions()  # one may contain the reply channel
        answer = asgibox.layer.call("unanswered", {})
        if not answer["unanswered"]:
            run.held = answer["open"]
            return
        fields = self.routes[number]
        name = "%s (%s:%d)" % (fields["name"], fields["file"], fields["line"]) if "file" in fields else fields["name"]
        error = hinted(
            NoReturnError("%s ended without return: is a return missing?" % name),
            "return the response; for an empty one, write return None or return HttpResponse(status=204)",
        )
        if "file" in fields:
            error.asgibox_place = (fields["file"], fields["line"], 0)  # type: ignore[attr-defined]
        raise error


class NoReturnError(Exception):
    """A view ended without return."""


def _signature(consumer: Any) -> Optional[Dict[str, Any]]:
    """Returns the parameters of a consumer, or None if they are unknown."""
    if isinstance(consumer, type) and issubclass(consumer, WebsocketConsumer):
        return None  # it passes its arguments on to its methods
    plain = getattr(unwrap(consumer), "__code__", None)
    if plain is None or not hasattr(consumer, "__code__") or hasattr(consumer, "__self__"):
        return _inspected(consumer)
    function = unwrap(consumer)
    count, only = plain.co_argcount, plain.co_kwonlyargcount
    optional = set(plain.co_varnames[count - len(function.__defaults__ or ()) : count]) | set(function.__kwdefaults__ or ())
    return {
        "params": [[name, name in optional] for name in plain.co_varnames[: count + only]],
        "positional": count,
        "varargs": bool(plain.co_flags & VARARGS),
        "kwargs": bool(plain.co_flags & KWARGS),
    }


def _inspected(consumer: Any) -> Optional[Dict[str, Any]]:
    """Returns the parameters of a consumer that is no plain function."""
    import inspect  # takes a while to import

    try:
        parameters = list(inspect.signature(consumer).parameters.values())
    except (TypeError, ValueError):
        return None
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    ordinary = [p for p in parameters if p.kind in positional or p.kind is inspect.Parameter.KEYWORD_ONLY]
    return {
        "params": [[p.name, p.default is not inspect.Parameter.empty] for p in ordinary],
        "positional": sum(p.kind in positional for p in parameters),
        "varargs": any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters),
        "kwargs": any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters),
    }


def _flags(function: Any) -> int:
    """Returns the flags of a function's code."""
    flags: int = getattr(getattr(unwrap(function), "__code__", None), "co_flags", 0)
    return flags


_application: Optional[Application] = None


def describe(namespace: Mapping[str, Any], folder: str) -> Dict[str, Any]:
    """Returns the fields of ready for a routed application with these globals, whose
    messages handle then gets. Raises an exception for routes that cannot work."""
    global _application
    app = Application(os.path.abspath(folder))
    routing = namespace["channel_routing"]
    if isinstance(routing, str):
        routing = _import(routing)
    app.add("channel_routing", routing, [])
    for name in HOOKS:
        if callable(namespace.get(name)):
            app.hooks[name] = namespace[name]
    _application = app
    return {"routes": app.routes, "clocks": app.clocks, "hooks": sorted(app.hooks)}


def handle(job: Dict[str, Any], connection: Any) -> Dict[str, Any]:
    """Runs the handler of a job of the described application and returns the fields of
    its outcome. It belongs to one thread and one connection."""
    assert _application is not None
    return _application.handle(job, connection)
