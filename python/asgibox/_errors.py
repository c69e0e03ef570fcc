"""The errors of the channel layer. The server names them by their kind, which is
the name of the class here."""

from typing import Any, Dict, Type


class LayerError(Exception):
    """A call of the channel layer failed. kind is the server's name of the error."""

    kind = "Error"


class ChannelFull(LayerError):
    """The channel is full. Try again later, or drop the message."""


class MessageTooLarge(LayerError):
    """The message is longer than the server's --max-message."""


class InvalidName(LayerError, TypeError):
    """The name is not valid for a channel or group, or not for this call."""


class InvalidMessage(LayerError, ValueError):
    """A value is not allowed in a message. The text has its path."""


class BadRequest(LayerError):
    """The call has a wrong argument."""


class WrongType(LayerError, TypeError):
    """The call does not work with the type of the stored value."""


class StateFull(LayerError):
    """The state would take more memory than the server's --state-memory."""


class TooManyNames(LayerError):
    """The receives that wait name too many channels together. Try again later."""


class StoreFailed(LayerError):
    """The server could not write to its disk."""


class Closed(LayerError):
    """The server is shutting down."""


class NotFound(LayerError):
    """The layer does not have this call."""


class Unauthorized(LayerError):
    """The token is missing or wrong."""


class Gone(LayerError, ConnectionError):
    """The client of the reply channel has left."""


class ServerLost(LayerError, ConnectionError):
    """There is no connection to the server."""


class ProtocolError(LayerError):
    """The other side sent bytes that are not the protocol."""


class Cancelled(BaseException):
    """The server ended the handler, for example because it ran too long. It is no
    Exception, so that a handler does not catch it by accident."""


class Retired(SystemExit):
    """New code has replaced this process, which must end. A program that does not
    catch it exits with status 0."""

    def __init__(self, *args: object) -> None:
        super().__init__(0)
        self.detail = args[0] if args else ""


_kinds: Dict[str, Type[BaseException]] = {
    c.__name__: c
    for c in (
        ChannelFull, MessageTooLarge, InvalidName, InvalidMessage, BadRequest, WrongType, StateFull,
        TooManyNames, StoreFailed, Closed, NotFound, Unauthorized, Gone, Cancelled, Retired,
    )
}  # fmt: skip


def error_of(answer: Dict[str, Any]) -> BaseException:
    """Returns the exception for an answer that has an error."""
    kind, detail = answer.get("error", "Error"), str(answer.get("detail", ""))
    known = _kinds.get(kind)
    if known is not None:
        return known(detail)
    error = LayerError("%s: %s" % (kind, detail))
    error.kind = kind
    return error


for _kind, _class in _kinds.items():
    if issubclass(_class, LayerError):
        _class.kind = _kind
