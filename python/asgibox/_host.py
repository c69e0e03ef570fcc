"""The entry of a process that asgibox starts to run a Python application.

    main() with sys.argv = [..., "run", FILE] or [..., "call", "package.module:name"]

The first connection to the server is the control connection. A thread of its own
reads it all the time, so that a ping is answered and a handler can be ended whatever
the application does. When it is lost, the process exits. Each thread that handles
messages has a connection of its own, on which it gets jobs and makes calls."""

import ctypes
import faulthandler
import gc
import importlib
import os
import queue
import select
import socket
import sys
import threading
import time
import traceback
from typing import Any, Callable, Dict, List, Optional, Tuple

from . import _load
from ._check import check, find_invalid
from ._errors import Cancelled, Closed, Gone, InvalidMessage, LayerError, ProtocolError, Retired, ServerLost, error_of
from ._layer import ChannelLayer, current
from ._memory import memory
from ._place import describe
from ._text import writable
from ._wire import Connection, Head, Segments, connect, unmark

GONE = 1.0  # seconds that a handler may go on without a call after its client has left

Handle = Callable[[Head, Segments, Connection], Optional[Head]]


class Options:
    """What the command line says."""

    def __init__(self, arguments: List[str]) -> None:
        self.debug = False
        self.variables = True  # errors show the variables of the application
        self.interface, self.threads, self.concurrency = "auto", 8, 1000
        self.folder = ""
        plain: List[str] = []
        rest = iter(arguments)
        for a in rest:
            if a == "--debug":
                self.debug = True
            elif a == "--no-variables":
                self.variables = False
            elif a.startswith("--"):
                name, equals, value = a[2:].partition("=")
                value = value if equals else next(rest, "")
                if name == "interface":
                    self.interface = value
                elif name == "threads":
                    self.threads = int(value)
                elif name == "concurrency":
                    self.concurrency = int(value)
                elif name == "folder":
                    self.folder = value
            else:
                plain.append(a)
        if len(plain) != 2 or plain[0] not in ("run", "call"):
            raise SystemExit("usage: run FILE, or call MODULE:NAME, with --interface, --threads, --folder, --debug")
        self.command, self.target = plain
        if self.command == "run":
            self.target = os.path.abspath(self.target)
        if not self.folder:
            self.folder = os.path.dirname(self.target) if self.command == "run" else os.getcwd()
        self.folder = os.path.abspath(self.folder)


class Host:
    """This process, as the server sees it."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.folder = options.folder
        self.concurrency = options.concurrency
        self.files = _load.Files()
        self.kind = ""  # known once the application is ready
        self._address = os.environ.get("ASGIBOX_SOCKET", "")
        self._token = os.environ.get("ASGIBOX_TOKEN", "")
        self._control: Connection = connect(self._address, self._token)
        self.settings: Dict[str, str] = self._control.hello.get("settings") or {}
        memory.limit = int(self._control.hello.get("memory") or 0)
        self.max_message: int = int(self._control.hello.get("max_message") or 0)
        self._lock = threading.Lock()  # guards the fields below and writing to the control connection
        self._asked = 0
        self._answers: Dict[int, List[Any]] = {}  # by number of the call: an event, then the answer
        self._ending = False
        self._on_end: List[Callable[[], None]] = []
        self._threads: List["Worker"] = []
        self.early: Dict[Any, str] = {}  # why jobs were cancelled that no thread had begun; each step on it is atomic
        self.forked = False  # this process is a fork of the one that the server has started
        self._pid = os.getpid()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._after_fork)
        self._gone: "queue.SimpleQueue[Tuple[float, Any, str]]" = queue.SimpleQueue()  # jobs to cancel, and when
        threading.Thread(target=self._cancel_gone, name="asgibox gone", daemon=True).start()
        threading.Thread(target=self._listen, name="asgibox control", daemon=True).start()
        self.files.report_further(self._report)  # at once, so that a change of a file that never ends loads it again

    # For the kinds of applications.

    def connect(self) -> socket.socket:
        """Returns a new connection to the server that has said hello."""
        return self.connection().sock

    def connection(self) -> Connection:
        return connect(self._address, self._token)

    def ready(self, kind: str, **fields: Any) -> None:
        """Tells the server that the application has loaded."""
        self.kind = kind
        gc.freeze()  # what was loaded stays; collecting garbage need not look at it
        fields.update(kind=kind, files=self.files.all())
        check(fields, self._control.limit)
        self.ask("ready", writable(fields))

    def failed(self, error: BaseException) -> None:
        """Tells the server that the application did not load, or that a loop failed."""
        _load.hint_shadowed(error, self.folder)
        import asgibox

        asgibox.layer.sync()  # replies come before the failure
        self.ask("failed", {"explanation": self.explain(error), "files": writable(self.files.all())})

    def explain(self, error: BaseException, variables: bool = True) -> Dict[str, Any]:
        """Returns the explanation of an error, for a frame. It does not fail, except
        with Cancelled."""
        from ._explain import explain

        limit = self.max_message or 1 << 20
        try:
            return explain(error, self.folder, variables=variables and self.options.variables, limit=limit)
        except Cancelled:
            raise
        except BaseException as why:  # a class of the application lies about itself
            return {"type": "", "message": "an error that cannot be explained: %s" % type(why).__name__}

    def on_end(self, callback: Callable[[], None]) -> None:
        """Calls back, on another thread, when the server asks this process to end."""
        with self._lock:
            self._on_end.append(callback)
            ending = self._ending
        if ending:
            callback()

    @property
    def ending(self) -> bool:
        return self._ending

    # The control connection.

    def ask(self, name: str, fields: Head) -> Head:
        """Makes a call on the control connection."""
        waiting: List[Any] = [threading.Event(), None]
        with self._lock:
            self._asked += 1
            number = self._asked
            self._answers[number] = waiting
            self._control.send(dict(fields, id=number, call=name))
        waiting[0].wait()
        answer: Head = waiting[1]
        if "error" in answer:
            raise error_of(answer)
        return answer

    def _tell(self, head: Head) -> None:
        with self._lock:
            self._control.send(head)

    def _report(self, files: List[str]) -> None:
        self._tell({"call": "uses", "files": writable(files)})

    def _listen(self) -> None:
        """Reads the control connection. It owns the process: when the connection is
        lost, the process exits."""
        try:
            while True:
                head, _ = self._control.read()
                if "ping" in head:
                    self._tell({"pong": head["ping"]})
                elif "cancel" in head:
                    reason = str(head.get("reason", ""))
                    if head.get("gone"):
                        self._gone.put((time.monotonic() + GONE, head["cancel"], reason))
                    else:
                        self._cancel(head["cancel"], reason)
                elif "end" in head:
                    self._end()
                else:
                    waiting = self._answers.pop(head.get("id"), None)  # type: ignore[arg-type]
                    if waiting is not None:
                        waiting[1] = head
                        waiting[0].set()
        except ServerLost:
            exit_now(1)
        except BaseException:
            traceback.print_exc()
            exit_now(1)

    def _cancel_gone(self) -> None:
        """Cancels the jobs whose clients have left. Their next call raises Gone. This is
        for those that make none. One thread waits for all of them, because a system
        allows only so many."""
        while True:
            due, job, reason = self._gone.get()
            time.sleep(max(0.0, due - time.monotonic()))
            self._cancel(job, reason)

    def _cancel(self, job: Any, reason: str) -> None:
        if job == 0:  # the program of a loop, which runs on the main thread
            raise_in(threading.main_thread().ident)
            return
        # The thread may not have read the job yet. It looks here when it has.
        self.early[job] = reason
        if any([worker.cancel(job, reason) for worker in self._threads]):
            self.early.pop(job, None)
        elif len(self.early) > 100:
            self.early.pop(list(self.early)[0], None)

    def _end(self) -> None:
        with self._lock:
            if self._ending:
                return
            self._ending = True
            callbacks = self._on_end[:]
        for callback in callbacks:
            callback()

    def _after_fork(self) -> None:
        """Leaves the connections to the parent, in a process that the application has
        forked."""
        import asgibox

        self.forked = True
        self.files.report_further(lambda _: None)
        asgibox.layer._first = None
        asgibox.layer.refuse(
            "process %d is a fork of worker process %d, and only the worker may use this layer: start more processes with "
            "--workers, or make a layer with ChannelLayer(url=…)" % (os.getpid(), self._pid)
        )
        self._control.sock.close()
        for worker in self._threads:
            worker.connection.sock.close()

    # Applications whose messages the server sends to threads.

    def serve(self, kind: str, handle: Handle, fields: Head) -> None:
        """Handles messages on threads until the server asks this process to end."""
        count = 1 if self.options.debug else max(1, self.options.threads)
        self._threads = [Worker(self, handle) for _ in range(count)]
        if self.options.debug:
            running = []  # the main thread handles, so that breakpoint() works
        else:
            running = [
                threading.Thread(target=w.run, name="asgibox %d" % (i + 1), daemon=True)
                for i, w in enumerate(self._threads)
            ]
        for t in running:
            t.start()
        self.ready(kind, **fields)
        self.on_end(lambda: threading.Thread(target=self._drain, name="asgibox end", daemon=True).start())
        if self.options.debug:
            self._threads[0].run()
        for t in running:
            t.join()

    def _drain(self) -> None:
        """Ends the threads when the last job is done. The server sends no job after end,
        but one that it sent before may still be in a socket."""
        quiet = 0
        while quiet < 2:
            quiet = quiet + 1 if all(w.idle() for w in self._threads) else 0
            time.sleep(0.02)
        for w in self._threads:
            w.stop()


class Worker:
    """A thread that handles one job at a time."""

    def __init__(self, host: Host, handle: Handle) -> None:
        self._host = host
        self._handle = handle
        self._lock = threading.Lock()  # held while the job changes, and while it is cancelled
        self._job: Optional[int] = None
        self._reason: Optional[str] = None  # why the job was cancelled
        self._ident: Optional[int] = None
        self._stopped = False
        self.connection = host.connection()
        self.connection.send({"id": 1, "call": "serve"})

    def run(self) -> None:
        """Handles jobs until the server or stop ends it."""
        self._ident = threading.get_ident()
        try:
            while not self._stopped:
                self._serve()
        except (ServerLost, ProtocolError):
            if not self._stopped:
                exit_now(1)
        except KeyboardInterrupt:
            exit_now(0)  # Ctrl-C with --debug; the server stops too
        except BaseException:
            traceback.print_exc()
            exit_now(1)

    def _serve(self) -> None:
        """Handles jobs until the connection ends or is of no use any more."""
        current.connection = connection = self.connection
        read, handle, early = connection.read, self._handle, self._host.early
        while not connection.ended:
            head, segments = read()
            number = head.get("job")
            if number is None:
                connection.other(head)
                continue
            self._job = connection.job = number
            try:
                if early:
                    self._check(number)
                done = handle(head, segments, connection)
            except BaseException as err:
                done = self._failure(err)
            self._finish()
            if connection.broken:
                # A call was interrupted, so its answer may still come.
                connection.close()
                self.connection = self._host.connection()
                self.connection.send({"id": 1, "call": "serve"})
                return
            if done is None:
                done = {}
            done["done"] = number
            try:
                connection.send(done)
            except ServerLost:
                raise
            except (LayerError, ValueError, TypeError, RecursionError) as err:
                connection.send({"done": number, "error": self._host.explain(_unsendable(done, err))})
        self._stopped = True

    def _check(self, job: int) -> None:
        """Raises Cancelled if the job was cancelled before the thread had read it."""
        reason = self._host.early.pop(job, None)
        if reason is not None:
            raise Cancelled(reason)

    def _failure(self, error: BaseException) -> Head:
        """Returns the fields of done for an exception of the handler."""
        if isinstance(error, (Gone, Closed, Retired)) and not hasattr(error, "asgibox_status"):
            return {"hold": True}  # there is nobody to reply to
        if isinstance(error, Cancelled) and not error.args:
            error.args = (self._reason or "the server has ended this handler",)
        for variables in (True, False):
            try:
                return {"error": self._host.explain(error, variables)}
            except Cancelled:
                pass  # once more, but faster
        return {"error": {"type": "", "message": "the error could not be explained in time"}}

    def _finish(self) -> None:
        """Ends the job. Afterwards, cancel does nothing."""
        while True:
            try:
                with self._lock:
                    self._job = self.connection.job = None
                    self._reason = self.connection.cancelled = None
                    self.connection.over = False
                _checkpoint()  # a pending exception is raised here at the latest
                return
            except Cancelled:
                pass

    def cancel(self, job: Any, reason: str) -> bool:
        """Raises Cancelled in the thread, if it has this job and has not raised it. A call
        that waits for its answer ends first, so that the connection stays usable."""
        with self._lock:
            if self._job is None or self._job != job:
                return False
            self._reason = reason
            if self.connection.over:
                return True
            self.connection.cancelled = reason
            if not self.connection.inside:
                self.connection.cancelled = None
                raise_in(self._ident)
        return True

    def idle(self) -> bool:
        """Reports whether the thread has no job, and none is waiting in its socket."""
        if self._job is not None:
            return False
        try:
            return not readable(self.connection.sock)
        except (OSError, ValueError):
            return True  # it is closed

    def stop(self) -> None:
        """Ends the thread, which must be idle."""
        self._stopped = True
        try:
            self.connection.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def _checkpoint() -> None:
    """Does nothing. Python raises a pending exception when a function is called."""


def _unsendable(done: Head, error: BaseException) -> BaseException:
    problem = find_invalid(done.get("reply"), "")
    return InvalidMessage("the reply cannot be sent: %s" % (problem or error))


def readable(sock: socket.socket) -> bool:
    """Reports whether bytes wait in a socket."""
    if hasattr(select, "poll"):
        p = select.poll()
        p.register(sock, select.POLLIN)
        return bool(p.poll(0))
    return bool(select.select([sock], [], [], 0)[0])


def raise_in(thread: Optional[int]) -> None:
    """Raises Cancelled in a thread before its next step in Python code."""
    if thread is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Cancelled))


def exit_now(status: int) -> None:
    """Ends the process at once, whatever its threads do. Printed text is not lost."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass
    os._exit(status)


def main(arguments: Optional[List[str]] = None) -> None:
    """Runs an application for the server until the server ends this process."""
    options = Options(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    faulthandler.enable(all_threads=False)  # the last lines of the output are then those of the thread that failed
    try:
        host = Host(options)
    except LayerError as err:
        raise SystemExit("asgibox: %s" % err) from None
    try:
        run(host)
    except SystemExit:
        raise  # as the application wishes; Retired has status 0
    except BaseException as err:
        if host.forked:
            if isinstance(err, ServerLost):
                raise SystemExit("asgibox: %s" % err) from None
            raise
        try:
            host.failed(err)
        except (LayerError, OSError):
            traceback.print_exception(type(err), err, err.__traceback__)
        sys.exit(1)


def run(host: Host) -> None:
    """Loads the application and runs it."""
    import asgibox

    options = host.options
    _load.add_folder(options.folder)
    _load.Finder(options.folder, host.files.note).install()
    layer: ChannelLayer = asgibox.layer
    layer._folder = options.folder + os.sep
    layer._first = lambda: host.ready("loop")
    sys.argv = [options.target]
    if options.command == "run":
        host.files.note(options.target)
        module = _load.load_file(options.target, {"layer": layer})
        namespace, application = module.__dict__, None
    else:
        application, module = _load.load_object(options.target, options.folder)
        namespace = module.__dict__
    if host.kind == "loop":
        return  # the program has ended
    layer._first = None
    start(host, namespace, application)


def start(host: Host, namespace: Dict[str, Any], application: Any) -> None:
    """Runs an application that was loaded, and is no loop. Without an application, the
    namespace says what it is."""
    interface = host.options.interface
    if application is None:
        routed = namespace.get("channel_routing") is not None
        application = _load.find_application(namespace)
    else:
        routed = isinstance(application, (dict, list, tuple))
        if routed or interface == "channels":
            namespace = dict(namespace, channel_routing=application)
            routed = True
    if interface == "channels" or (interface == "auto" and routed):
        if not routed:
            raise nothing_found(host, "it sets no channel_routing")
        _routing: Any = importlib.import_module("asgibox._routing")
        fields = _routing.describe(namespace, host.folder)
        host.serve("routed", routed_handler(host, _routing.handle, namespace.get("application"), fields), fields)
        return
    if application is None:
        raise nothing_found(host, "it calls no layer.receive, and sets neither channel_routing nor application nor app")
    if interface == "auto":
        interface = _load.interface_of(application)
    if interface == "asgi3":
        from ._asgi3 import run as run_asgi3

        run_asgi3(application, host)
        return
    if not callable(application):
        raise _load.LoadError("the application is %s, which cannot be called" % _load.describe(application))
    from ._wsgi import handler

    host.serve("wsgi", handler(application), {"application": describe(application, host.folder)})


def routed_handler(host: Host, routed: Callable[[Head, Connection], Optional[Head]], application: Any, fields: Head) -> Handle:
    """Returns the function that handles the jobs of a routed application. Requests
    without a route go to the WSGI application of the file, if it has one."""
    if not callable(application) or _load.interface_of(application) != "wsgi":
        return lambda head, segments, connection: routed(unmark(head, segments), connection)
    from ._wsgi import handler

    wsgi, number = handler(application), len(fields["routes"])
    fields["application"] = dict(describe(application, host.folder), consumer=number)

    def handle(head: Head, segments: Segments, connection: Connection) -> Optional[Head]:
        if head.get("consumer") == number and "hook" not in head:
            return wsgi(head, segments, connection)
        return routed(unmark(head, segments), connection)

    return handle


def nothing_found(host: Host, why: str) -> _load.LoadError:
    return _load.LoadError(
        "%s is no application: %s" % (os.path.basename(host.options.target), why),
        "receive messages in a loop, set channel_routing, or define a WSGI or ASGI 3 application named application or app",
    )
