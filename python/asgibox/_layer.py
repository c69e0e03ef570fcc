"""The channel layer of ASGI 1.x, on the socket or the control server of asgibox."""

import atexit
import os
import sys
import threading
import time
import weakref
from itertools import islice
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple, Union

from . import _errors
from ._check import brief, check, find_invalid
from ._text import writable
from ._wire import Connection, Head, connect

PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep

_FOREVER = 1e9  # seconds

Channels = Union[str, Sequence[str]]
Received = Tuple[Optional[str], Optional[Dict[str, Any]]]


class ChannelLayer:
    """A channel layer. Any number of threads may use it at once.

    In a program that asgibox started, it needs no arguments. Elsewhere, url is the
    address of the control server, such as "http://127.0.0.1:8001", or socket the
    path of the server's socket, which is faster. Without both, the environment
    variables ASGIBOX_SOCKET and ASGIBOX_URL have them, and ASGIBOX_TOKEN the token.

    A Django project with Channels 1.1 can name "asgibox.ChannelLayer" as BACKEND, and
    these arguments as CONFIG."""

    ChannelFull = _errors.ChannelFull
    MessageTooLarge = _errors.MessageTooLarge
    InvalidName = _errors.InvalidName
    InvalidMessage = _errors.InvalidMessage
    StoreFailed = _errors.StoreFailed
    Error = _errors.LayerError

    def __init__(
        self, url: Optional[str] = None, token: Optional[str] = None, socket: Optional[str] = None
    ) -> None:
        self._url, self._token, self._socket = url, token, socket
        self._free: List[Any] = []  # connections that no thread uses; append and pop are atomic
        self._about: Optional[Head] = None
        self._first: Optional[Callable[[], None]] = None  # called before the first receive
        self._folder: Optional[str] = None  # of the application, to name lines of sends
        self._places: Dict[Any, str] = {}
        self._refusal = ""  # why the calls fail
        _layers.add(self)

    # The calls of ASGI 1.x.

    def send(
        self,
        channel: str,
        message: Dict[str, Any],
        wait: Optional[float] = None,
        delay: float = 0,
        volatile: bool = False,
        _quiet: bool = False,
        _retry: bool = False,
    ) -> None:
        """Sends a message. If the channel is full, it tries again for wait seconds and
        then raises ChannelFull. Without wait, the handler of a WebSocket waits until its
        own client reads, and all others do not wait. With delay, the message is sent that
        many seconds later. A volatile message is never stored on disk."""
        run = getattr(current, "run", None)
        if run is not None:
            message = run.sending(channel, message)
        fields: Head = {"channel": channel, "message": message}
        if _retry and run is None:
            wait = _FOREVER
        elif _retry or wait is None and run is not None and run.waits_for(channel) and self._own() is not None:
            fields["retry"] = True  # by the server
        if delay:
            fields["delay"] = _seconds("delay", delay)
        if volatile:
            fields["volatile"] = True
        if self._folder is not None:
            fields["at"] = self._place()
        if wait is None:
            (self._post if _quiet else self.call)("send", fields)
            return
        end, pause = time.monotonic() + _seconds("wait", wait), 0.005
        while True:
            try:
                self.call("send", fields)
                return
            except _errors.ChannelFull:
                left = end - time.monotonic()
                if left <= 0:
                    raise
                time.sleep(min(pause, left))
                pause = min(pause * 2, 0.1)

    def receive(self, channels: Channels, block: bool = False, timeout: Optional[float] = None) -> Received:
        """Returns the channel and the message that arrived first, or (None, None). With
        block it waits for a message, at most for timeout seconds, or forever."""
        if self._first is not None:
            first, self._first = self._first, None
            first()
        names = channels if isinstance(channels, str) else _names(channels)
        if not block:
            got = self.call("receive", {"channels": names})
            return got["channel"], got["message"]
        if timeout is None:
            while True:
                got = self.call("receive", {"channels": names, "block": True})
                if got["channel"] is not None:  # over HTTP, a receive ends after some time
                    return got["channel"], got["message"]
        end = time.monotonic() + _seconds("timeout", timeout)
        while True:
            left = max(0.0, end - time.monotonic())
            got = self.call("receive", {"channels": names, "block": True, "timeout": min(left, 300.0)})
            if got["channel"] is not None or left == 0 or time.monotonic() >= end:
                return got["channel"], got["message"]

    receive_many = receive

    def new_channel(self, pattern: str) -> str:
        """Returns an unused name that begins with the pattern, which ends in "?"."""
        name: str = self.call("new_channel", {"pattern": pattern})["channel"]
        return name

    def group_add(self, group: str, channel: str) -> None:
        """Adds a channel to a group, or renews its membership."""
        self.call("group_add", {"group": group, "channel": channel})

    def group_discard(self, group: str, channel: str) -> None:
        """Removes a channel from a group."""
        self.call("group_discard", {"group": group, "channel": channel})

    def group_leave(self, channel: str) -> None:
        """Removes a channel from all groups."""
        self.call("group_leave", {"channel": channel})

    def group_channels(self, group: str) -> List[str]:
        """Returns the channels of a group, each once."""
        channels: List[str] = self.call("group_channels", {"group": group})["channels"]
        return channels

    def send_group(self, group: str, message: Dict[str, Any], volatile: bool = False, _quiet: bool = False) -> None:
        """Sends a copy of a message to each channel of a group, except to full ones."""
        run = getattr(current, "run", None)
        if run is not None:
            message = run.sending("", message)
        fields: Head = {"group": group, "message": message}
        if volatile:
            fields["volatile"] = True
        if self._folder is not None:
            fields["at"] = self._place()
        if _quiet:
            self._post("send_group", fields)
        else:
            self.call("send_group", fields)

    def flush(self) -> None:
        """Drops all messages that wait, and all groups."""
        self.call("flush", {})

    def global_statistics(self) -> Dict[str, Any]:
        """Returns the statistics of all channels together."""
        return self._statistics({})

    def channel_statistics(self, channel: str) -> Dict[str, Any]:
        """Returns the statistics of a channel."""
        return self._statistics({"channel": channel})

    def _statistics(self, fields: Head) -> Dict[str, Any]:
        answer = self.call("statistics", fields)
        answer.pop("id", None)
        return answer

    @property
    def extensions(self) -> List[str]:
        """The extensions of the layer, such as "groups"."""
        extensions: List[str] = self._information()["extensions"]
        return extensions

    @property
    def expiry(self) -> float:
        """The seconds after which a message that nothing has received is dropped."""
        expiry: float = self._information()["expiry"]
        return expiry

    @property
    def group_expiry(self) -> float:
        """The seconds after which a membership ends."""
        expiry: float = self._information()["group_expiry"]
        return expiry

    @property
    def capacity(self) -> int:
        """The number of messages that a channel holds."""
        capacity: int = self._information()["capacity"]
        return capacity

    # How the calls are made.

    def _own(self) -> Optional[Connection]:
        """Returns the connection of this thread's job, if it leads to the server of this
        layer."""
        if self._url is not None or self._socket is not None:
            return None
        return getattr(current, "connection", None)

    def _post(self, name: str, fields: Head) -> None:
        """Makes a call of a handler without waiting for it. If it fails, the handler fails
        when it has ended."""
        own = self._own()
        if own is None or own.job is None:
            self.call(name, fields)
            return
        try:
            check(fields, own.limit)
            own.post(name, fields)
        except _encoding_errors as err:
            raise _invalid(name, fields, err) from None

    def call(self, name: str, fields: Head) -> Head:
        """Makes a call of docs/layer-http.md by its name, such as "state/get", and
        returns its result. In a handler, a call of the layer of its server belongs to the
        handler's job."""
        own = self._own()
        if own is not None:
            try:
                check(fields, own.limit)
                return own.call(name, fields)
            except _encoding_errors as err:
                raise _invalid(name, fields, err) from None
        try:
            connection = self._free.pop()
        except IndexError:
            connection = self._connect()
        try:
            if name == "receive":
                answer: Head = connection.call(name, fields)
                if answer["channel"] == "http.request":
                    connection.reply_channel = answer["message"].get("reply_channel")
            else:
                check(fields, connection.limit)
                if name == "send" and _is_reply(fields, connection.reply_channel):
                    connection.post(name, fields)
                    connection.reply_channel = None
                    answer = {}
                else:
                    answer = connection.call(name, fields)
        except _encoding_errors as err:
            self._give_back(connection)
            raise _invalid(name, fields, err) from None
        except BaseException as err:
            self._give_back(connection)
            if isinstance(err, (_errors.Gone, _errors.Closed)):
                err.asgibox_status = 500  # type: ignore[union-attr]  # the client of a handler is still there
            raise
        self._free.append(connection)
        return answer

    def _give_back(self, connection: Any) -> None:
        """Keeps a connection after a failed call, if it can make another one."""
        if connection.broken:
            connection.close()
        else:
            self._free.append(connection)

    def refuse(self, reason: str) -> None:
        """Lets all calls fail from now on."""
        self.close()
        self._refusal = reason

    def _connect(self) -> Any:
        if self._refusal:
            raise _errors.ServerLost(self._refusal)
        token = self._token
        if token is None:
            token = os.environ.get("ASGIBOX_TOKEN", "")
        url, address = self._url, self._socket
        if url is None and address is None:
            address = os.environ.get("ASGIBOX_SOCKET")
            url = os.environ.get("ASGIBOX_URL")
        if address:
            return connect(address, token)
        if not url:
            raise _errors.ServerLost(
                "no asgibox server is known: pass url, the address of its control server, "
                "such as http://127.0.0.1:8001, or set ASGIBOX_URL"
            )
        from ._remote import HTTPConnection

        return HTTPConnection(url, token)

    def _information(self) -> Head:
        if self._about is None:
            connection = self._connect()
            self._about = connection.hello
            self._free.append(connection)
        return self._about

    def _place(self) -> str:
        """Returns the line of the application that makes the call, such as app.py:12."""
        frame = sys._getframe(2)
        while frame.f_code.co_filename.startswith(PACKAGE) and frame.f_back is not None:
            frame = frame.f_back
        key = (frame.f_code, frame.f_lineno)
        place = self._places.get(key)
        if place is None:
            file = frame.f_code.co_filename
            if self._folder and file.startswith(self._folder):
                file = file[len(self._folder) :]
            place = "%s:%d" % (writable(file.replace(os.sep, "/")), frame.f_lineno)
            if len(self._places) < 10000:
                self._places[key] = place
        return place

    def sync(self) -> None:
        """Waits until the server has made all calls."""
        for connection in list(self._free):
            connection.sync()

    def close(self) -> None:
        """Closes the connections that no thread uses."""
        while self._free:
            self._free.pop().close()


def _names(channels: Any) -> List[str]:
    """Returns the names of the channels of a receive."""
    if isinstance(channels, Iterable) and not isinstance(channels, (bytes, dict)):
        names = list(islice(channels, 10001))  # the server allows 10000
        if all(isinstance(name, str) for name in names):
            return [name[:200] for name in names]  # a longer one is not valid
    raise _errors.BadRequest("receive takes the name of a channel or a list of names, not %s" % type(channels).__name__)


def _seconds(name: str, value: Any) -> float:
    """Returns an argument that is a number of seconds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e15:
        raise _errors.BadRequest("%s is %s; it must be a number of seconds" % (name, brief(value)))
    return float(value)


def _is_reply(fields: Head, reply_channel: Optional[str]) -> bool:
    """Reports whether a message is the complete reply on the reply channel of a request.
    The program need not wait for the answer then: it could only be that the client has
    left."""
    message = fields["message"]
    return (
        reply_channel is not None
        and fields["channel"] == reply_channel
        and isinstance(message, dict)
        and "more_content" not in message
        and "request" not in message
        and "__asgi_channel__" not in message
        and "delay" not in fields
    )


_encoding_errors = (ValueError, TypeError, RecursionError, OverflowError)


def _invalid(name: str, fields: Head, err: BaseException) -> BaseException:
    """Returns the error for a call whose fields cannot be written."""
    if isinstance(err, _errors.LayerError):
        return err
    for key in _contents:
        if key in fields:
            path = "" if key == "message" else "session" if name.startswith("session/") else key
            problem = find_invalid(fields[key], path)
            if problem:
                return _errors.InvalidMessage(problem)
    return _errors.InvalidMessage("%s: %s" % (name, find_invalid(fields, "") or err))


_contents = ("message", "value", "new", "context")  # fields with a value of the application


# connection: that of the thread's job, if it has one; run: the state of its handler, if
# the application is routed, see _run
current = threading.local()

_layers: "weakref.WeakSet[ChannelLayer]" = weakref.WeakSet()


def _after_fork() -> None:
    """Forgets, in a forked process, the connections that belong to its parent."""
    for layer in list(_layers):
        layer.close()
    current.__dict__.clear()


def _at_exit() -> None:
    for layer in list(_layers):
        try:
            layer.sync()
        except Exception:
            pass  # the server is not there any more


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
