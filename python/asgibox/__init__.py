"""ASGI's channel layer, of a running asgibox, for Python programs.

In a program that asgibox runs, layer is the channel layer:

    while True:
        _, request = layer.receive_many("http.request", block=True)
        response = {"content": "Hello World!", "status": 200}
        layer.send(request['reply_channel'], response)

Any other program connects with ChannelLayer(url="http://127.0.0.1:8001").
"""

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
    WrongType,
)
from ._layer import ChannelLayer

layer = ChannelLayer()
"""The layer of the server that has started this program. In another program, it is
the layer that ASGIBOX_SOCKET or ASGIBOX_URL names."""

__all__ = [
    "Cancelled",
    "ChannelFull",
    "ChannelLayer",
    "Gone",
    "InvalidMessage",
    "InvalidName",
    "LayerError",
    "MessageTooLarge",
    "Retired",
    "ServerLost",
    "StateFull",
    "StoreFailed",
    "WrongType",
    "layer",
]
