"""Messages, channels, groups and shared state, with the names of Django Channels 1.x."""

import copy
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, TypeVar, Union

import asgibox

from ._check import brief
from ._json import decode_json, dumps
from ._run import Run, Session, open_session, running

F = TypeVar("F", bound=Callable[..., Any])


class Channel(str):
    """A channel. In a message it is its name."""

    __slots__ = ()

    @property
    def name(self) -> str:
        return str(self)

    def send(self, content: "Content", wait: Optional[float] = None) -> None:
        """Sends a message. If the channel is full, it tries again for wait seconds and
        then raises ChannelFull. The reply channel of the handler's message is an
        exception: without wait, send does not wait for the server, and an error fails
        the handler at its end. If the message came from a WebSocket, there is no
        ChannelFull: further sends wait until the client reads."""
        run = running()
        quiet = run is not None and self == run.reply
        asgibox.layer.send(str(self), _plain(content), wait=wait, _quiet=quiet)

    def send_later(self, seconds: float, content: "Content") -> None:
        """Sends a message after a number of seconds. It waits on the server's disk."""
        asgibox.layer.send(str(self), _plain(content), delay=seconds)

    def __repr__(self) -> str:
        return "Channel(%s)" % super().__repr__()


class Group(str):
    """A group of channels. In a message it is its name."""

    __slots__ = ()

    @property
    def name(self) -> str:
        return str(self)

    def add(self, channel: str) -> None:
        """Adds a channel, or renews its membership."""
        _enter("Group.add")
        asgibox.layer.group_add(str(self), _name(channel))

    def discard(self, channel: str) -> None:
        """Removes a channel."""
        _enter("Group.discard")
        asgibox.layer.group_discard(str(self), _name(channel))

    def send(self, content: "Content") -> None:
        """Sends a message to each channel of the group, except to full ones. It does not
        wait for the server; an error fails the handler at its end."""
        asgibox.layer.send_group(str(self), _plain(content), _quiet=True)

    def channels(self) -> List[str]:
        """Returns the names of the channels."""
        return asgibox.layer.group_channels(str(self))

    def __repr__(self) -> str:
        return "Group(%s)" % super().__repr__()


def _name(channel: Any) -> str:
    if isinstance(channel, str):
        return str(channel)
    if isinstance(channel, bytes):
        return channel.decode("ascii")
    name = getattr(channel, "name", None)
    if isinstance(name, str):
        return name
    raise TypeError("a channel name must be text, not %s" % type(channel).__name__)


def _plain(content: "Content") -> Dict[str, Any]:
    if not isinstance(content, dict):
        raise TypeError('a message is a dict, like {"text": "hello"}, not %s' % type(content).__name__)
    return content


def _enter(call: str) -> None:
    run = running()
    if run is not None:
        run.enter(call)


class Message(Dict[str, Any]):
    """A message that a consumer gets: a dict of the handler's own."""

    def __init__(self, channel: str, content: Dict[str, Any]) -> None:
        super().__init__(content)
        self.channel = Channel(channel)
        reply = content.get("reply_channel") or ""
        self.reply_name: str = reply if isinstance(reply, str) else reply.decode("latin-1")
        self._channel_session: Optional[Session] = None
        self._http_session: Optional[Session] = None

    @property
    def content(self) -> Dict[str, Any]:
        """The message itself, as Channels names its dict."""
        return self

    @property
    def reply_channel(self) -> Channel:
        """The channel for replies to the sender of the message."""
        if not self.reply_name:
            raise AttributeError("a message on %s has no reply channel" % self.channel)
        return Channel(self.reply_name)

    @property
    def channel_session(self) -> Session:
        """The session of the connection, a dict."""
        if self._channel_session is None:
            self._channel_session = open_session("channel")
        return self._channel_session

    @property
    def http_session(self) -> Session:
        """The session of the browser, a dict."""
        if self._http_session is None:
            self._http_session = open_session("http")
        return self._http_session

    def reply(self, content: "Content", wait: Optional[float] = None) -> None:
        """Sends a message to the reply channel."""
        self.reply_channel.send(content, wait=wait)

    def deny(self) -> None:
        """Refuses a WebSocket."""
        if self.channel != "websocket.connect":
            error = TypeError("only a message on websocket.connect can be denied, and this message is on %s" % self.channel)
            error.asgibox_hint = 'to close an open WebSocket: message.reply_channel.send({"close": True})'  # type: ignore[attr-defined]
            raise error
        self.reply_channel.send({"accept": False})

    def consume_later(self) -> None:
        """Puts the message back, with a longer delay each time, ten times at most."""
        run = running()
        if run is None:
            raise RuntimeError("consume_later: no message is being handled here")
        run.enter("consume_later")
        run.save_sessions()
        asgibox.layer.call("put_back", {})

    def __missing__(self, key: str) -> Any:
        error = KeyError(key)
        error.asgibox_hint = "message.get(%r) returns None for a missing key; the keys are %s" % (key, ", ".join(map(str, self)))  # type: ignore[attr-defined]
        raise error

    def __deepcopy__(self, memo: Dict[int, Any]) -> "Message":
        # Without the sessions: a session that contains the message copies itself.
        new = memo[id(self)] = Message(self.channel, {})
        new.reply_name = self.reply_name
        new.update((key, copy.deepcopy(value, memo)) for key, value in self.items())
        return new

    def __repr__(self) -> str:
        return "<message on %s: %s>" % (self.channel, super().__repr__())


Content = Dict[str, Any]


def hold(request: Any) -> None:
    """Says that another handler will reply later."""
    from ._http import Request

    if not isinstance(request, (Message, Request)):
        raise TypeError("hold: the argument is of type %s; it must be the request or message" % type(request).__name__)
    run = running()
    if run is None:
        raise RuntimeError("hold: no request is being handled here")
    run.held = True


# The decorators of Channels 1.x. Sessions are loaded when a handler uses them, and
# messages of a connection are handled in order, so they have nothing to do.


def channel_session(func: F) -> F:
    """Returns the consumer unchanged: message.channel_session is always there."""
    return func


def http_session(func: F) -> F:
    """Returns the consumer unchanged: message.http_session is always there."""
    return func


def channel_and_http_session(func: F) -> F:
    """Returns the consumer unchanged: both sessions are always there."""
    return func


def enforce_ordering(func: Optional[F] = None, slight: bool = False) -> Any:
    """Returns the consumer unchanged: the messages of a connection are handled in
    order, one at a time. A route with ordered=False gives that up."""
    if func is None:
        return lambda decorated: decorated
    return func


class State:
    """Values that all handlers of all processes share, on the server's disk."""

    def get(self, key: str, default: Any = None) -> Any:
        """Returns the value of a key, or the default."""
        answer = self._call("get", {"key": key})
        return answer["value"] if answer["found"] else default

    def set(self, key: str, value: Any) -> Any:
        """Sets a value and returns it."""
        self._call("set", {"key": key, "value": value})
        return value

    def delete(self, key: str) -> None:
        """Removes a key, if it is there."""
        self._call("delete", {"key": key})

    def incr(self, key: str, n: int = 1) -> int:
        """Adds n to a number, which is 0 at first, and returns the sum."""
        total: int = self._call("incr", {"key": key, "n": n})["value"]
        return total

    def append(self, key: str, value: Any, keep: Optional[int] = None) -> List[Any]:
        """Appends to a list and returns it. With keep, only the newest values stay."""
        fields: Dict[str, Any] = {"key": key, "value": value}
        if keep is not None:
            if isinstance(keep, bool) or not isinstance(keep, int) or keep < 1:
                raise ValueError("state.append: keep must be the number of newest values to keep, at least 1, not %s" % brief(keep))
            fields["keep"] = keep
        values: List[Any] = self._call("append", fields)["value"]
        return values

    def keys(self, prefix: str = "") -> List[str]:
        """Returns the keys that begin with a prefix, sorted."""
        names: List[str] = self._call("keys", {"prefix": prefix} if prefix else {})["keys"]
        return names

    def update(self, key: str, fn: Callable[[Any], Any], default: Any = None) -> Any:
        """Replaces a value by fn(value) and returns the new one. fn may run again if
        another handler has changed the value meanwhile, so it must have no effects."""
        run = running() or Run()
        while True:
            answer = self._call("get", {"key": key})
            found, old = answer["found"], answer["value"]
            run.enter("state.update")
            run.forbids = "state.update"
            try:
                # fn may change its argument, so it gets a copy.
                new = fn(copy.deepcopy(old if found else default))
            finally:
                run.forbids = ""
            fields = {"key": key, "new": new}
            if found:
                fields["old"] = old
            if self._call("swap", fields)["swapped"]:
                return new

    def _call(self, name: str, fields: Dict[str, Any]) -> Dict[str, Any]:
        _enter("state." + name)
        return asgibox.layer.call("state/" + name, fields)

    def __repr__(self) -> str:
        return "<state>"


state = State()


class Settings(Mapping[str, str]):
    """The settings of --set name=value and of the file .env."""

    def _values(self) -> Dict[str, str]:
        values: Dict[str, str] = asgibox.layer._information().get("settings") or {}
        return values

    def __getitem__(self, name: str) -> str:
        values = self._values()
        if name not in values:
            error = KeyError(name)
            error.asgibox_hint = "pass --set %s=…, add it to .env, or write settings.get(%r, default)" % (name, name)  # type: ignore[attr-defined]
            raise error
        return values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._values()))

    def __len__(self) -> int:
        return len(self._values())

    def __repr__(self) -> str:
        return "<settings %s>" % ", ".join(self)  # the values may be secret


settings = Settings()


class WebsocketConsumer:
    """A consumer of a WebSocket as a class, as in channels.generic.websockets."""

    method_mapping: Mapping[str, str] = {
        "websocket.connect": "raw_connect",
        "websocket.receive": "raw_receive",
        "websocket.disconnect": "raw_disconnect",
    }
    groups: List[str] = []

    # Accepted for consumers of Channels; all of them are the default here.
    channel_session = False
    http_user = False
    strict_ordering = False
    slight_ordering = False

    def __init__(self, message: Message, **kwargs: Any) -> None:
        self.message = message
        self.kwargs = kwargs
        self.path = message.get("path")
        getattr(self, self.method_mapping[message.channel.name])(message, **kwargs)

    @classmethod
    def channel_names(cls) -> List[str]:
        return sorted(cls.method_mapping)

    @classmethod
    def as_route(cls, **patterns: Any) -> Any:
        """Returns the routes of the consumer. The patterns are those of route."""
        from ._routing import route_class

        return route_class(cls, **patterns)

    def connection_groups(self, **kwargs: Any) -> List[str]:
        """Returns the names of the groups that each connection joins."""
        return list(self.groups)

    def raw_connect(self, message: Message, **kwargs: Any) -> None:
        for group in self.connection_groups(**kwargs):
            Group(group).add(message.reply_channel)
        self.connect(message, **kwargs)

    def connect(self, message: Message, **kwargs: Any) -> None:
        """Accepts the connection. Override it to do more, and call it at the end, or to
        refuse: message.deny()."""
        self.message.reply_channel.send({"accept": True})

    def raw_receive(self, message: Message, **kwargs: Any) -> None:
        if message.get("text") is not None:
            self.receive(text=message["text"], **kwargs)
        else:
            self.receive(bytes=message.get("bytes"), **kwargs)

    def receive(self, text: Optional[str] = None, bytes: Optional[bytes] = None, **kwargs: Any) -> None:
        """Handles a frame. Override it."""

    def send(self, text: Optional[str] = None, bytes: Optional[bytes] = None, close: Union[bool, int] = False) -> None:
        """Sends a frame, and closes the connection if asked to."""
        self.message.reply_channel.send(self._frame(text, bytes, close))

    @classmethod
    def group_send(
        cls, name: str, text: Optional[str] = None, bytes: Optional[bytes] = None, close: Union[bool, int] = False
    ) -> None:
        """Sends a frame to each connection of a group."""
        Group(name).send(cls._frame(text, bytes, close))

    @staticmethod
    def _frame(text: Optional[str], bytes: Optional[bytes], close: Union[bool, int]) -> Dict[str, Any]:
        message: Dict[str, Any] = {}
        if close:
            message["close"] = close
        if text is not None:
            message["text"] = text
        elif bytes is not None:
            message["bytes"] = bytes
        elif not close:
            raise ValueError("you must pass text or bytes")
        return message

    def close(self, status: Union[bool, int] = True) -> None:
        """Closes the connection."""
        self.message.reply_channel.send({"close": status})

    def raw_disconnect(self, message: Message, **kwargs: Any) -> None:
        for group in self.connection_groups(**kwargs):
            Group(group).discard(message.reply_channel)
        self.disconnect(message, **kwargs)

    def disconnect(self, message: Message, **kwargs: Any) -> None:
        """Called when the connection has ended. Override it."""


class JsonWebsocketConsumer(WebsocketConsumer):
    """A WebsocketConsumer whose frames are JSON."""

    def raw_receive(self, message: Message, **kwargs: Any) -> None:
        if message.get("text") is None:
            raise ValueError("No text section for incoming WebSocket frame!")
        self.receive(self.decode_json(message["text"]), **kwargs)

    def receive(self, content: Any = None, **kwargs: Any) -> None:  # type: ignore[override]
        """Handles a decoded frame. Override it."""

    def send(self, content: Any, close: Union[bool, int] = False) -> None:  # type: ignore[override]
        super().send(text=self.encode_json(content), close=close)

    @classmethod
    def group_send(cls, name: str, content: Any, close: Union[bool, int] = False) -> None:  # type: ignore[override]
        WebsocketConsumer.group_send(name, cls.encode_json(content), close=close)

    @classmethod
    def decode_json(cls, text: str) -> Any:
        return decode_json(text)

    @classmethod
    def encode_json(cls, content: Any) -> str:
        return dumps(content)
