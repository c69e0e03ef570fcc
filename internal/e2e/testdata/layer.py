"""Uses the channel layer of a running server as any Python program can: with the
arguments of asgibox.ChannelLayer as JSON. It makes the calls that the worker of
Channels 1.1 makes."""

import json
import sys

import asgibox

layer = asgibox.ChannelLayer(**json.loads(sys.argv[1]))

# Types stay, in both directions.
values = {"bytes": b"\xff\x00", "text": "\uffffé", "int": -(2**63), "float": 1.0, "none": None, "list": [[b"a", "b"], {"c": True}]}
layer.send("test.values", dict(values, tuple=(1, 2)))
channel, message = layer.receive(["test.values", "test.other"])
assert channel == "test.values" and message == dict(values, tuple=[1, 2]), message
assert type(message["float"]) is float and list(message)[:3] == ["bytes", "text", "int"]
assert layer.receive_many(["test.values"], block=False) == (None, None)
assert layer.receive("test.values", block=True, timeout=0.01) == (None, None)

# Names, groups, statistics.
own = layer.new_channel("test.own?")
assert own.startswith("test.own?") and len(own) > len("test.own?")
layer.group_add("people", own)
layer.group_add("people", "test.values")
assert sorted(layer.group_channels("people")) == sorted([own, "test.values"])
layer.send_group("people", {"n": 1})
layer.group_discard("people", "test.values")
layer.send_group("people", {"n": 2})
assert [layer.receive([own])[1]["n"] for _ in range(2)] == [1, 2]
assert layer.receive(["test.values"])[1] == {"n": 1}
layer.group_leave(own)
assert layer.group_channels("people") == []
assert layer.channel_statistics("test.values")["messages_count"] >= 2
assert layer.global_statistics()["messages_count"] >= 4
assert {"groups", "flush", "statistics"} <= set(layer.extensions)
assert (layer.expiry, layer.group_expiry, layer.capacity) == (60, 86400, 1000)

# Errors are attributes of the layer.
for call, error in [
    (lambda: [layer.send("test.full", {}) for _ in range(4)], layer.ChannelFull),
    (lambda: layer.send("test.values", {"text": "x" * (3 << 20)}), layer.MessageTooLarge),
    (lambda: layer.send("no name", {}), layer.InvalidName),
    (lambda: layer.send("test.values", {"a": [{1: 2}]}), layer.InvalidMessage),
    (lambda: layer.send("test.values", {"a": 2**64}), layer.InvalidMessage),
]:
    try:
        call()
    except error:
        pass
    else:
        raise AssertionError("no " + error.__name__)
layer.send("test.values", {"text": "x" * (1 << 20)})
layer.flush()
assert layer.receive(["test.values", "test.full"]) == (None, None)
print("ready", flush=True)

# The worker of Channels 1.1.
while True:
    channel, content = layer.receive_many(["http.request", "test.end"], block=True)
    if channel == "test.end":
        break
    reply = content["reply_channel"]
    if content["path"] == "/stream":
        for n in range(3):
            layer.send(reply, {"status": 200, "content": b"%d" % n, "more_content": True} if n == 0 else {"content": b"%d" % n, "more_content": n < 2})
    else:
        layer.send(reply, {"status": 200, "content": content["path"]})
