"""The state of the handler that a thread runs: its message, its sessions, and
whether it has replied."""

import copy
from typing import Any, Dict, List, Optional, TYPE_CHECKING

import asgibox

from ._layer import current

if TYPE_CHECKING:
    from ._messages import Message


_WAITING = ("websocket.connect", "websocket.receive")


class Run:
    """One run of a handler. It belongs to the handler's thread."""

    def __init__(self, message: "Optional[Message]" = None) -> None:
        self.message = message
        self.reply = message.reply_name if message is not None else ""
        self.sessions: List[Session] = []
        self.cookie = b""  # Set-Cookie for the response
        self.held = False
        self.started = False  # the response has a first message
        self.memory = 0  # bytes of the request body and what was made of it
        self.forbids = ""  # the call like state.update whose function runs

    def waits_for(self, channel: str) -> bool:
        """Reports whether a send waits for room: the handler of a WebSocket waits for its
        own client."""
        return channel == self.reply != "" and self.message is not None and self.message.channel in _WAITING

    def sending(self, channel: str, message: Any) -> Any:
        """Prepares a message that the handler sends: saves its sessions first, and adds
        the cookie of the session to a response. Returns the message to send."""
        self.enter("send")
        self.save_sessions()
        if channel and channel == self.reply and isinstance(message, dict):
            message = self.with_cookie(message)
        return message

    def with_cookie(self, message: Dict[str, Any]) -> Dict[str, Any]:
        """Returns a message of the response, with the cookie if it is the first one."""
        if "status" not in message:
            return message
        self.started = True
        if not self.cookie:
            return message
        headers = list(message.get("headers") or [])
        headers.append([b"set-cookie", self.cookie])
        self.cookie = b""
        return dict(message, headers=headers)

    def save_sessions(self) -> None:
        """Saves the sessions that have changed."""
        for session in self.sessions:
            session.save()

    def enter(self, call: str) -> None:
        """Raises an error if a function runs that may run again, such as that of
        state.update, because the call has an effect that others may notice."""
        if self.forbids:
            error = RuntimeError(
                "%s cannot be called inside the function passed to %s, because that function may run more than once"
                % (call, self.forbids)
            )
            error.asgibox_hint = "call it before or after, with the value that the function returned"  # type: ignore[attr-defined]
            raise error


def running() -> Optional[Run]:
    """Returns the run of this thread's handler, or None."""
    run: Optional[Run] = getattr(current, "run", None)
    return run


class Session(Dict[str, Any]):
    """A dict that belongs to a connection or a browser. If it changed, it is saved
    before the handler's next send, and at the end of the handler."""

    def __init__(self, kind: str, saved: Dict[str, Any]) -> None:
        super().__init__(copy.deepcopy(saved))
        self._kind = kind  # channel or http
        self._saved = saved
        self._changed = False  # besides its content

    def cycle(self) -> None:
        """Gives the session of a browser a new id when it is saved, for example after
        a login."""
        if self._kind != "http":
            raise TypeError("only http_session has a cookie that cycle can change")
        if asgibox.layer.call("session/cycle", {})["save"]:
            self._changed = True

    cycle_key = cycle  # as Django names it

    def save(self) -> None:
        """Saves the session now, if it has changed."""
        now = dict(self)
        # 1, 1.0 and True are equal, but not the same.
        if now == self._saved and repr(now) == repr(self._saved) and not self._changed:
            return
        answer = asgibox.layer.call("session/save_" + self._kind, {"old": self._saved, "new": now})
        self._saved, self._changed = copy.deepcopy(now), False
        run = running()
        if run is not None and answer.get("cookie"):
            run.cookie = answer["cookie"]


def open_session(kind: str) -> Session:
    """Returns the session of the handler's message: that of its connection (channel)
    or of its browser (http)."""
    run = running()
    if run is None or run.message is None:
        raise RuntimeError("%s_session: no message is being handled here" % kind)
    if not run.reply:
        raise TypeError("a message on %s has no connection, so it has no %s_session" % (run.message.channel, kind))
    session = Session(kind, asgibox.layer.call("session/" + kind, {})["data"])
    run.sessions.append(session)
    return session
