"""Compares frames of JSON and segments, which docs/layer-socket.md describes, with
MessagePack, both with Python's standard library alone.

    python3 benchmarks/wire.py

It prints the best time of many runs, in microseconds. "raw" is reading without the
conversion of byte strings, which is all that WSGI needs."""

import os
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))

from asgibox import _wire  # noqa: E402


def pack(value, out):
    """Appends the MessagePack of a value to a list of byte strings."""
    kind = type(value)
    if kind is str or kind is bytes:
        raw = value.encode() if kind is str else value
        n = len(raw)
        if n < 32 and kind is str:
            out.append(bytes((0xA0 | n,)))
        elif n < 256:
            out.append(bytes((0xD9 if kind is str else 0xC4, n)))
        elif n < 65536:
            out.append(struct.pack(">BH", 0xDA if kind is str else 0xC5, n))
        else:
            out.append(struct.pack(">BI", 0xDB if kind is str else 0xC6, n))
        out.append(raw)
    elif value is None or kind is bool:
        out.append(b"\xc0" if value is None else b"\xc3" if value else b"\xc2")
    elif kind is int:
        out.append(bytes((value,)) if 0 <= value < 128 else struct.pack(">Bq", 0xD3, value))
    elif kind is list:
        out.append(bytes((0x90 | len(value),)) if len(value) < 16 else struct.pack(">BH", 0xDC, len(value)))
        for item in value:
            pack(item, out)
    else:
        out.append(bytes((0x80 | len(value),)) if len(value) < 16 else struct.pack(">BH", 0xDE, len(value)))
        for key, item in value.items():
            pack(key, out)
            pack(item, out)


u16, u32, i64 = struct.Struct(">H").unpack_from, struct.Struct(">I").unpack_from, struct.Struct(">q").unpack_from
atoms = {0xC0: None, 0xC2: False, 0xC3: True}


def unpack(data, at):
    """Returns a value and the offset after it."""
    first = data[at]
    at += 1
    if first < 0x80:
        return first, at
    if 0xA0 <= first < 0xC0:
        end = at + (first & 31)
        return data[at:end].decode(), end
    if 0x90 <= first < 0xA0 or first == 0xDC:
        n = first & 15
        if first == 0xDC:
            n, at = u16(data, at)[0], at + 2
        items = []
        for _ in range(n):
            item, at = unpack(data, at)
            items.append(item)
        return items, at
    if first < 0x90 or first == 0xDE:
        n = first & 15
        if first == 0xDE:
            n, at = u16(data, at)[0], at + 2
        fields = {}
        for _ in range(n):
            key, at = unpack(data, at)
            fields[key], at = unpack(data, at)
        return fields, at
    if first in atoms:
        return atoms[first], at
    if first == 0xD3:
        return i64(data, at)[0], at + 8
    if first in (0xC4, 0xD9):
        end = at + 1 + data[at]
        at += 1
    elif first in (0xC5, 0xDA):
        end = at + 2 + u16(data, at)[0]
        at += 2
    else:
        end = at + 4 + u32(data, at)[0]
        at += 4
    return (data[at:end] if first in (0xC4, 0xC5, 0xC6) else data[at:end].decode()), end


def read(frame):
    return _wire.unmark(*_wire.parse(frame, 4, len(frame) - 4))


def write_msgpack(value):
    out = []
    pack(value, out)
    return b"".join(out)


def best(call, *args):
    """Returns the microseconds of a call, in the best of 100 runs."""
    fastest = float("inf")
    for _ in range(100):
        began = time.perf_counter()
        for _ in range(200):
            call(*args)
        fastest = min(fastest, time.perf_counter() - began)
    return fastest / 200 * 1e6


BROWSER = """host: 127.0.0.1:8000
connection: keep-alive
cache-control: max-age=0
sec-ch-ua: "Chromium";v="130", "Not?A_Brand";v="99"
upgrade-insecure-requests: 1
user-agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36
accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8
sec-fetch-site: none
accept-encoding: gzip, deflate, br, zstd
accept-language: en-US,en;q=0.9
cookie: session=abcdef0123456789abcdef0123456789"""


def job(headers, body=b""):
    message = {
        "reply_channel": "asgibox.response.kQzRtYpLmN!c1", "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": "/rooms/7", "query_string": b"a=1", "root_path": "", "headers": headers, "body": body, "body_channel": None,
        "client": ["127.0.0.1", 50000], "server": ["127.0.0.1", 8000],
    }  # fmt: skip
    return {"job": 7, "channel": "http.request", "message": message}


def main():
    headers = [[part.encode() for part in line.split(": ", 1)] for line in BROWSER.splitlines()]
    page = {"status": 200, "headers": [["content-type", "text/html; charset=utf-8"]], "content": b"<p>Hello" * 100}
    hello = {"content": "Hello World!", "status": 200}
    print("Python %s        write: JSON MessagePack   read: JSON   raw MessagePack" % sys.version.split()[0])
    for name, value in [
        ("request of a browser", job(headers)),
        ("request with one header", job(headers[:1])),
        ("request with 64 KiB", job(headers[:1], bytes(65536))),
        ("page of 800 bytes", {"done": 7, "reply": page}),
        ("four lines: send", {"id": 5, "call": "send", "channel": "asgibox.response.kQzRtYpLmN!c1", "message": hello}),
        ("four lines: receive", {"id": 6, "call": "receive", "channels": "http.request", "block": True}),
    ]:
        encode = _wire.Encoder().encode
        frame, packed = encode(value), write_msgpack(value)
        assert read(frame) == value and unpack(packed, 0)[0] == value
        figures = [
            best(encode, value), best(write_msgpack, value), best(read, frame),
            best(_wire.parse, frame, 4, len(frame) - 4), best(unpack, packed, 0),
        ]  # fmt: skip
        print("%-24s%12.1f %11.1f %12.1f %5.1f %11.1f" % (name, *figures))


if __name__ == "__main__":
    main()
