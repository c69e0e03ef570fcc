"""ASGI's channel layer, of a running asgibox, for Python programs.

In a program that asgibox runs, layer is the channel layer:

    while True:
        _, request = layer.receive_many("http.request", block=True)
        response = {"content": "Hello World!", "status": 200}
        layer.send(request['reply_channel'], response)

Any other program connects with ChannelLayer(url="http://127.0.0.1:8001").

A routed application says which function handles which message:

    from asgibox import route, view

    channel_routing = [
        view("/", lambda request: "Hello World!"),
        route("websocket.receive", lambda message: message.reply({"text": message["text"]})),
    ]
"""

from typing import Any, TYPE_CHECKING

from ._errors import (
    Cancelled,
    ChannelFull,
    Gone,
    InvalidMessage,
    InvalidName,
    LayerError,
    MessageTooLarge,
    Retired,
    ServerLost,
    StateFull,
    StoreFailed,
    TooManyNames,
    WrongType,
)
from ._layer import ChannelLayer

layer = ChannelLayer()
"""The layer of the server that has started this program. In another program, it is
the layer that ASGIBOX_SOCKET or ASGIBOX_URL names."""

if TYPE_CHECKING:
    from ._http import (
        FileResponse as FileResponse,
        HttpResponse as HttpResponse,
        JsonResponse as JsonResponse,
        Request as Request,
        StreamingHttpResponse as StreamingHttpResponse,
        redirect as redirect,
        render as render,
    )
    from ._messages import (
        Channel as Channel,
        Group as Group,
        JsonWebsocketConsumer as JsonWebsocketConsumer,
        Message as Message,
        WebsocketConsumer as WebsocketConsumer,
        channel_and_http_session as channel_and_http_session,
        channel_session as channel_session,
        enforce_ordering as enforce_ordering,
        hold as hold,
        http_session as http_session,
        settings as settings,
        state as state,
    )
    from ._routing import (
        every as every,
        include as include,
        route as route,
        route_class as route_class,
        static as static,
        view as view,
    )

# Most programs need only some of these, so they are imported when they are used.
_LAZY = {
    "FileResponse": "_http",
    "HttpResponse": "_http",
    "JsonResponse": "_http",
    "Request": "_http",
    "StreamingHttpResponse": "_http",
    "redirect": "_http",
    "render": "_http",
    "Channel": "_messages",
    "Group": "_messages",
    "JsonWebsocketConsumer": "_messages",
    "Message": "_messages",
    "WebsocketConsumer": "_messages",
    "channel_and_http_session": "_messages",
    "channel_session": "_messages",
    "enforce_ordering": "_messages",
    "hold": "_messages",
    "http_session": "_messages",
    "settings": "_messages",
    "state": "_messages",
    "every": "_routing",
    "include": "_routing",
    "route": "_routing",
    "route_class": "_routing",
    "static": "_routing",
    "view": "_routing",
}


def __getattr__(name: str) -> Any:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError("module 'asgibox' has no attribute %r" % name)
    import importlib

    value = getattr(importlib.import_module("." + module, __name__), name)
    globals()[name] = value
    return value


__all__ = [
    "Cancelled",
    "Channel",
    "ChannelFull",
    "ChannelLayer",
    "FileResponse",
    "Gone",
    "Group",
    "HttpResponse",
    "InvalidMessage",
    "InvalidName",
    "JsonResponse",
    "JsonWebsocketConsumer",
    "LayerError",
    "Message",
    "MessageTooLarge",
    "Request",
    "Retired",
    "ServerLost",
    "StateFull",
    "StoreFailed",
    "StreamingHttpResponse",
    "TooManyNames",
    "WebsocketConsumer",
    "WrongType",
    "channel_and_http_session",
    "channel_session",
    "enforce_ordering",
    "every",
    "hold",
    "http_session",
    "include",
    "layer",
    "redirect",
    "render",
    "route",
    "route_class",
    "settings",
    "state",
    "static",
    "view",
]
