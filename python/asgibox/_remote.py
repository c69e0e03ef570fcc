"""The layer over HTTP, as docs/layer-http.md describes it, for programs that know only
the address of the control server."""

import base64
import http.client
import json
import urllib.parse
from typing import Any, Dict, Optional

from ._errors import ProtocolError, ServerLost, error_of
from ._wire import MARK, Head

_again = ("receive", "new_channel")  # calls that can be made again if a kept connection was closed


class HTTPConnection:
    """A connection to the control server. It belongs to one thread."""

    def __init__(self, url: str, token: str = "") -> None:
        parts = urllib.parse.urlsplit(url if "//" in url else "http://" + url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ServerLost("%r is not the address of a control server, such as http://127.0.0.1:8001" % url)
        token = token or urllib.parse.parse_qs(parts.query).get("token", [""])[0]
        self._address = "%s://%s" % (parts.scheme, parts.netloc)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._http = kind(parts.hostname, parts.port)
        self._headers = {"Content-Type": "application/json", "User-Agent": "asgibox-python"}
        if token:
            self._headers["Authorization"] = "Bearer " + token
        self._used = False
        self.reply_channel: Optional[str] = None  # never set: all calls are answered
        self.broken = False
        self.hello = self._request("GET", "", None)
        self.limit = int(self.hello.get("max_message") or 1 << 26) + (64 << 10)

    def close(self) -> None:
        self.broken = True
        self._http.close()

    def post(self, name: str, fields: Head) -> None:
        """Makes a call."""
        self.call(name, fields)

    def sync(self) -> None:
        """Does nothing, because the server has answered all calls."""

    def call(self, name: str, fields: Head) -> Head:
        """Makes a call and returns its result. It raises the exception that fits."""
        fields.pop("at", None)  # only the socket has it
        text = json.dumps(_pack(fields), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return self._request("POST", name, text.encode("utf-8"))

    def _request(self, method: str, name: str, body: Any) -> Head:
        kept = self._used
        while True:
            self._used = True
            try:
                self._http.request(method, "/layer/" + name, body, self._headers)
                response = self._http.getresponse()
                data = response.read()
                break
            except (OSError, http.client.HTTPException) as err:
                self._http.close()  # the next request connects again
                # The server closes a connection that was not used for some time. It
                # has not made the call then; but it may have, if it was stopped.
                if kept and name in _again and not isinstance(err, TimeoutError):
                    kept = False
                    continue
                self.broken = True
                raise ServerLost("the asgibox server at %s cannot be reached: %s" % (self._address, err)) from None
            except BaseException:
                self.broken = True
                raise
        try:
            answer = json.loads(data)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            self.broken = True
            raise ProtocolError("%s does not speak the layer over HTTP: status %d" % (self._address, response.status))
        if response.status != 200:
            raise error_of(answer)
        unpacked: Dict[str, Any] = _unpack(answer)
        return unpacked


def _pack(value: Any) -> Any:
    """Returns a value for JSON, with byte strings as marked texts."""
    if isinstance(value, str):
        return MARK + value if value.startswith(MARK) else value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return MARK + base64.b64encode(value).decode("ascii")
    if isinstance(value, dict):
        return {key: _pack(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_pack(item) for item in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    raise TypeError("a message cannot contain a value of type %s" % type(value).__name__)


def _unpack(value: Any) -> Any:
    """Returns the value of JSON."""
    if isinstance(value, str) and value.startswith(MARK):
        rest = value[1:]
        return rest if rest.startswith(MARK) else base64.b64decode(rest)
    if isinstance(value, dict):
        return {key: _unpack(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_unpack(item) for item in value]
    return value
