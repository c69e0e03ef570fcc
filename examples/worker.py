"""A worker in Python, which uses the channel layer over HTTP.

    asgibox run app.star --no-workers
    python3 examples/worker.py http://127.0.0.1:8001

The argument is the address of the control server. If the server needs a token,
set the environment variable ASGIBOX_TOKEN. The worker needs only Python's
standard library. docs/layer-http.md describes the calls.
"""

import base64
import http.client
import json
import os
import sys
import time
import urllib.parse


class Layer:
    """The channel layer of a running asgibox. It has one connection, so only one
    thread may use it."""

    class ChannelFull(Exception):
        """The channel is full; try again later."""

    def __init__(self, control="http://127.0.0.1:8001", token=None):
        self.address = urllib.parse.urlsplit(control).netloc
        self.headers = {"Content-Type": "application/json"}
        if token:
            self.headers["Authorization"] = "Bearer " + token
        self.connection = None

    def send(self, channel, message):
        self.call("send", channel=channel, message=message)

    def receive_many(self, channels, block=False):
        """Returns a channel and a message. Without block it may return (None, None)."""
        while True:
            result = self.call("receive", channels=channels, block=block)
            if result["channel"] or not block:
                return result["channel"], result["message"]

    receive = receive_many

    def new_channel(self, pattern):
        return self.call("new_channel", pattern=pattern)["channel"]

    def group_add(self, group, channel):
        self.call("group_add", group=group, channel=channel)

    def group_discard(self, group, channel):
        self.call("group_discard", group=group, channel=channel)

    def send_group(self, group, message):
        self.call("send_group", group=group, message=message)

    def call(self, name, **arguments):
        """Makes a call. Repeats a receive or new_channel until the server responds."""
        body = json.dumps(pack(arguments)).encode()
        while True:
            try:
                if self.connection is None:
                    self.connection = http.client.HTTPConnection(self.address, timeout=60)
                self.connection.request("POST", "/layer/" + name, body, self.headers)
                response = self.connection.getresponse()
                result = json.loads(response.read())
                break
            except (OSError, http.client.HTTPException) as error:
                self.connection = None
                if name not in ("receive", "new_channel"):
                    raise  # the server may have made the call
                print("waiting for", self.address, "-", error, file=sys.stderr)
                time.sleep(1)
        if response.status == 200:
            return unpack(result)
        if result["error"] == "ChannelFull":
            raise self.ChannelFull(result["detail"])
        raise RuntimeError(result["error"] + ": " + result["detail"])


MARK = "\uffff"  # first character of a text that encodes a byte string


def pack(value):
    if isinstance(value, bytes):
        return MARK + base64.b64encode(value).decode()
    if isinstance(value, str):
        return MARK + value if value.startswith(MARK) else value
    if isinstance(value, dict):
        return {key: pack(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [pack(item) for item in value]
    return value


def unpack(value):
    if isinstance(value, str) and value.startswith(MARK):
        rest = value[1:]
        return rest if rest.startswith(MARK) else base64.b64decode(rest)
    if isinstance(value, dict):
        return {key: unpack(item) for key, item in value.items()}
    if isinstance(value, list):
        return [unpack(item) for item in value]
    return value


if __name__ == "__main__":
    layer = Layer(*sys.argv[1:2], token=os.environ.get("ASGIBOX_TOKEN"))

    while True:
        _, request = layer.receive_many("http.request", block=True)
        response = {"content": "Hello World!", "status": 200}
        layer.send(request['reply_channel'], response)
