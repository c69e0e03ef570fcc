"""Requests and responses of views."""

import datetime
import math
import os
import re
from io import BytesIO
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple, Type, Union

import asgibox

from ._check import brief
from ._json import decode_json, encode_json
from ._memory import memory
from ._messages import Channel, Message
from ._run import Run, Session, running
from ._text import as_text, lone_surrogate, valid_text, width

HTML = "text/html; charset=utf-8"
JSON = "application/json"
BYTES = "application/octet-stream"
PIECE = 256 << 10  # bytes of the longest content of a message
MAX_HEADERS = 1000
MAX_HEADER_SIZE = 1 << 20  # characters of all headers of a response
MAX_FIELDS = 1000
MAX_VALUES = 1000000  # of the context of a template


class RequestError(Exception):
    """An error in the request, not in the application. The client gets its status."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.asgibox_status = status


def hinted(error: Exception, hint: str) -> Exception:
    """Returns the exception with a hint, which error pages show."""
    error.asgibox_hint = hint  # type: ignore[attr-defined]
    return error


class MultiDict(Dict[str, Any]):
    """A read-only dict of the first value of each key. getlist returns all values."""

    def __init__(self, kind: str, pairs: Iterable[Tuple[str, Any]] = ()) -> None:
        self._kind = kind
        self._values: Dict[str, List[Any]] = {}
        for key, value in pairs:
            self._values.setdefault(key, []).append(value)
        super().__init__((key, values[0]) for key, values in self._values.items())

    def __missing__(self, key: str) -> Any:
        raise hinted(KeyError(key), "%s.get(%r) returns None if there is no such key" % (self._kind, key))

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise hinted(TypeError("%s cannot be changed" % self._kind), "%s.dict() returns a dict that can" % self._kind)

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse  # type: ignore[assignment]

    def __reduce__(self) -> Any:
        return _restored, (type(self), dict(self), self.__dict__)

    def getlist(self, key: str) -> List[Any]:
        """Returns all values of a key."""
        return list(self._values.get(key, ()))

    def lists(self) -> List[Tuple[str, List[Any]]]:
        """Returns each key with all its values."""
        return [(key, list(values)) for key, values in self._values.items()]

    def dict(self) -> Dict[str, Any]:
        """Returns a plain dict of the first values."""
        return dict(self)

    def __repr__(self) -> str:
        return "<%s %r>" % (self._kind, self._values)


def _restored(kind: Type[MultiDict], first: Dict[str, Any], fields: Dict[str, Any]) -> MultiDict:
    """Returns a copy of a MultiDict."""
    new = kind.__new__(kind)
    dict.__init__(new, first)
    new.__dict__.update(fields)
    return new


class Headers(MultiDict):
    """The headers of a request. The case of names does not matter."""

    def __init__(self, message: Mapping[str, Any]) -> None:
        self._all: Dict[str, List[bytes]] = {}
        for name, value in message.get("headers") or ():
            self._all.setdefault(as_text(_octets(name)).lower(), []).append(_octets(value))
        joined = ((name, as_text((b"; " if name == "cookie" else b", ").join(values))) for name, values in self._all.items())
        super().__init__("headers", joined)

    def octets(self, name: str) -> List[bytes]:
        """Returns the values of a header as they came."""
        return self._all.get(name, [])

    def __getitem__(self, name: str) -> Any:
        return super().__getitem__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def getlist(self, name: str) -> List[Any]:
        return [as_text(value) for value in self.octets(name.lower())]


class Request:
    """The request of a view."""

    def __init__(self, message: Message, path_params: Optional[Dict[str, Any]] = None) -> None:
        self.message = message
        self.path_params = path_params or {}
        content = message.content
        self.method: str = content.get("method", "")
        self.path: str = content.get("path", "")
        self.scheme: str = content.get("scheme") or "http"
        self.query_string: bytes = _octets(content.get("query_string"))
        self.client: Any = content.get("client")
        self._cached: Dict[str, Any] = {}

    def __repr__(self) -> str:
        return "<request %s %s>" % (self.method, self.path)

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        if name not in self._cached:
            self._cached[name] = make()
        return self._cached[name]

    @property
    def headers(self) -> Headers:
        headers: Headers = self._once("headers", lambda: Headers(self.message.content))
        return headers

    @property
    def content_type(self) -> str:
        value: str = self.headers.get("content-type", "")
        return value

    @property
    def GET(self) -> MultiDict:
        """The fields of the query."""
        fields: MultiDict = self._once("GET", self._read_query)
        return fields

    def _read_query(self) -> MultiDict:
        from ._form import parse_query

        _check_fields("query string", self.query_string, b"&")
        return MultiDict("GET", parse_query(self.query_string))

    @property
    def POST(self) -> MultiDict:
        """The fields of the form in the body."""
        fields: MultiDict = self._once("form", self._read_form)[0]
        return fields

    @property
    def FILES(self) -> MultiDict:
        """The files of the form in the body."""
        files: MultiDict = self._once("form", self._read_form)[1]
        return files

    def _read_form(self) -> Tuple[MultiDict, MultiDict]:
        from ._form import Upload, media_type, parse_query, read_multipart

        kind, params = media_type(self.content_type.encode("utf-8").decode("latin-1"))
        fields: List[Tuple[str, Any]] = []
        files: List[Tuple[str, Upload]] = []
        if kind == "application/x-www-form-urlencoded":
            _check_fields("form", self.body, b"&")
            _hold(6 * len(self.body))  # characters of a text may take four bytes
            fields = list(parse_query(self.body))
        elif kind == "multipart/form-data":
            boundary = params.get("boundary")
            if not boundary:
                raise RequestError("the multipart form names no boundary")
            try:
                fields, files = read_multipart(self.body, boundary.encode("latin-1"), MAX_FIELDS, _hold)
            except ValueError as error:
                raise RequestError("the form is broken: %s" % error) from None
        return MultiDict("POST", fields), MultiDict("FILES", files)

    @property
    def COOKIES(self) -> Dict[str, str]:
        cookies: Dict[str, str] = self._once("COOKIES", self._read_cookies)
        return cookies

    def _read_cookies(self) -> Dict[str, str]:
        cookies: Dict[str, str] = {}
        _check_fields("request", b";".join(self.headers.octets("cookie")), b";", "cookies")
        for line in self.headers.octets("cookie"):
            for pair in line.split(b";"):
                name, equals, value = pair.strip().partition(b"=")
                name, value = name.strip(), value.strip()
                if not equals or not name:
                    continue
                if len(value) > 1 and value[:1] == value[-1:] == b'"':
                    value = value[1:-1]
                cookies.setdefault(as_text(name), as_text(value))
        return cookies

    @property
    def META(self) -> Dict[str, str]:
        """The request with the names of WSGI."""
        meta: Dict[str, str] = self._once("META", self._read_meta)
        return meta

    def _read_meta(self) -> Dict[str, str]:
        content = self.message.content
        script = content.get("root_path") or ""
        path = self.path[len(script) :] if script and self.path.startswith(script) else self.path
        client, server = content.get("client"), content.get("server")
        meta = {
            "REQUEST_METHOD": self.method,
            "SCRIPT_NAME": script,
            "PATH_INFO": path,
            "QUERY_STRING": as_text(self.query_string),
            "SERVER_PROTOCOL": "HTTP/" + str(content.get("http_version", "")),
            "SERVER_NAME": str(server[0]) if server else "unknown",
            "SERVER_PORT": str(server[1]) if server else "0",
        }
        if client:
            meta.update(REMOTE_ADDR=str(client[0]), REMOTE_HOST=str(client[0]), REMOTE_PORT=str(client[1]))
        for name, value in self.headers.items():
            key = name.upper().replace("-", "_")
            meta[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key] = value
        return meta

    @property
    def body(self) -> bytes:
        """The whole body. It waits for it."""
        body: bytes = self._once("body", self._read_body)
        return body

    def _read_body(self) -> bytes:
        pieces = self.pieces()
        if not self.message.content.get("body_channel"):
            return next(pieces, b"")
        buffer = BytesIO()  # copies nothing at the end
        declared = self.headers.get("content-length", "")
        for piece in pieces:
            buffer.write(piece)
            arrived = buffer.tell()
            _hold(min(4 * arrived, max(arrived, int(declared))) if declared.isdigit() else arrived)
        return buffer.getvalue()

    def pieces(self) -> Iterator[bytes]:
        """Yields the body as it arrives. It can be read only once."""
        if "pieces" in self._cached:
            raise RuntimeError("the body has already been read in pieces")
        self._cached["pieces"] = True
        return body_pieces(self.message.content)

    def read(self) -> bytes:
        """Returns the whole body."""
        return self.body

    @property
    def text(self) -> str:
        """The body as text. A run of bytes that are not UTF-8 becomes U+FFFD."""
        body = self.body
        if len(body) > _SMALL:
            _hold((1 + width(body)) * len(body))
        return valid_text(body)

    def json(self, *default: Any, **named: Any) -> Any:
        """Returns the decoded body, or the default if it is not JSON. Without a
        default, the client gets the status 400."""
        if named and list(named) != ["default"] or len(default) + len(named) > 1:
            raise TypeError("json takes one argument, default")
        body = self.body
        if len(body) > _SMALL:
            _hold((1 + 2 * width(body)) * len(body) + 64 * sum(map(body.count, (b",", b"[", b"{"))))
        try:
            return decode_json(body)
        except ValueError as error:
            if default or named:
                return default[0] if default else named["default"]
            raise hinted(
                RequestError("the body is not JSON: %s" % error),
                "request.json(default=None) returns None for a body that is not JSON",
            ) from None

    def is_secure(self) -> bool:
        """Reports whether the request came over TLS."""
        return self.scheme == "https"

    @property
    def session(self) -> Session:
        """The session of the browser, a dict."""
        return self.message.http_session

    @property
    def http_session(self) -> Session:
        return self.message.http_session

    @property
    def channel_session(self) -> Session:
        return self.message.channel_session

    @property
    def reply_channel(self) -> Channel:
        return self.message.reply_channel


_SMALL = 64 << 10  # bytes of a text, or of JSON, whose values are not counted


def _hold(size: int) -> None:
    """Takes memory, so that the handler has size bytes for its request."""
    run = running()
    if run is None or size <= run.memory:
        return
    if not memory.take(size - run.memory):
        if size > memory.limit:
            raise RequestError("the request needs more than %d MiB of memory in this process (--memory)" % (memory.limit >> 20), 413)
        raise RequestError("other requests use the memory that this one needs (--memory); try again in a moment", 503)
    run.memory = size


def _octets(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8")
    return bytes(value or b"")


def _check_fields(where: str, data: bytes, separator: bytes, what: str = "fields") -> None:
    separators = data.count(separator) - data.rstrip(b" ").endswith(separator)
    if separators >= MAX_FIELDS:
        raise RequestError("the %s has more than %d %s" % (where, MAX_FIELDS, what))


def body_pieces(message: Mapping[str, Any]) -> Iterator[bytes]:
    """Yields the pieces of a request's body as they arrive."""
    first = _octets(message.get("body"))
    if first:
        yield first
    channel = message.get("body_channel")
    order = 0
    while channel:
        _, piece = asgibox.layer.receive(channel, block=True)
        if piece is None:
            continue
        content = _octets(piece.get("content"))
        if piece.get("closed"):
            raise RequestError(
                "the rest of the request body will not come: the client has left, or the request was over before its body was read"
            )
        order += 1
        if piece.get("order", order) != order:
            raise RuntimeError("a part of the request body was lost in the channel layer, for example by flush or chaos")
        if content:
            yield content
        if not piece.get("more_content"):
            return


# The module re compiles them when they are used, which takes a while.
_MAX_COOKIE = 4096  # bytes of a name and value that browsers accept
_TOKEN = r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+\Z"
_CONTROL = r"[\x00-\x08\x0a-\x1f\x7f]"


class HttpResponse:
    """A response with a complete content."""

    def __init__(
        self, content: Any = b"", status: int = 200, content_type: Optional[str] = HTML, headers: Any = None
    ) -> None:
        self._headers: List[Tuple[str, str]] = []
        self.status = status
        self.content = content
        if content_type:
            self["content-type"] = content_type
        self._add_headers(headers)

    def _add_headers(self, headers: Any) -> None:
        if headers is None:
            return
        if isinstance(headers, Mapping):
            for name, value in headers.items():
                self[name] = value
            return
        if isinstance(headers, (str, bytes)) or not isinstance(headers, Iterable):
            raise hinted(TypeError("headers is of type %s; it must be a dict" % type(headers).__name__), 'write headers={"x-name": value}')
        for pair in headers:
            if not isinstance(pair, (list, tuple)) or len(pair) != 2:
                raise TypeError("headers has %s; it must have pairs of a name and a value" % brief(pair))
            self._headers.append(_header(*pair))

    @property
    def status(self) -> int:
        return self._status

    @status.setter
    def status(self, value: int) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError("status is %s; it must be a number like 200" % brief(value))
        if not 200 <= value <= 999:
            raise ValueError("status is %s; it must be from 200 to 999" % (value if -1000 < value < 10**6 else "too large"))
        self._status = int(value)

    status_code = status

    @property
    def content(self) -> bytes:
        return self._content

    @content.setter
    def content(self, value: Any) -> None:
        self._content = _content(value)

    @property
    def headers(self) -> Dict[str, str]:
        """The headers, without those that are there twice. Set one with
        response["x-name"] = value."""
        return dict(reversed(self._headers))

    def __getitem__(self, name: str) -> str:
        for key, value in self._headers:
            if key == name.lower():
                return value
        raise KeyError(name)

    def __setitem__(self, name: str, value: Any) -> None:
        values = value if isinstance(value, (list, tuple)) else [value]
        checked = [_header(name, v) for v in values]
        del self[name]
        self._headers.extend(checked)

    def __delitem__(self, name: str) -> None:
        self._headers = [h for h in self._headers if h[0] != name.lower()]

    def __contains__(self, name: str) -> bool:
        return any(key == name.lower() for key, _ in self._headers)

    def get(self, name: str, default: Optional[str] = None) -> Optional[str]:
        return self[name] if name in self else default

    def set_cookie(
        self,
        name: str,
        value: Any = "",
        max_age: Optional[int] = None,
        expires: Any = None,
        path: str = "/",
        domain: Optional[str] = None,
        secure: bool = False,
        httponly: bool = False,
        samesite: Optional[str] = None,
    ) -> None:
        """Sets a cookie. expires is a time in seconds since 1970, or a datetime."""
        value = str(value) if isinstance(value, int) else value
        for what, text in (("name", name), ("value", value), ("path", path or ""), ("domain", domain or ""), ("samesite", samesite or "")):
            if not isinstance(text, str):
                raise TypeError("set_cookie: the %s is of type %s; it must be text" % (what, type(text).__name__))
        bad = re.search(r'[^\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]', value)
        if bad:
            raise hinted(
                ValueError("set_cookie: the value contains %r, which is not allowed in a cookie" % bad.group()),
                "write urllib.parse.quote(value) here, and unquote(value) to read it",
            )
        if not re.match(_TOKEN, name):
            raise ValueError("set_cookie: the name is %r; use letters, digits, - and _" % name)
        if path and (not path.startswith("/") or re.search(r'[^\x21-\x7e]|["#;<>?\\^`{}]', path)):
            raise ValueError("set_cookie: the path is %r; it must begin with / and be quoted as in a URL" % path)
        if domain and re.search(r"[^A-Za-z0-9.\-]", domain):
            raise ValueError("set_cookie: the domain is %r; it must be a host like example.org" % domain)
        if len(name) + len(value) > _MAX_COOKIE:
            raise ValueError(
                "set_cookie: the name and the value have %d bytes; browsers accept at most %d" % (len(name) + len(value), _MAX_COOKIE)
            )
        parts = ["%s=%s" % (name, value)]
        if path:
            parts.append("Path=" + path)
        if domain:
            parts.append("Domain=" + domain.lstrip("."))
        if expires is not None:
            if isinstance(expires, datetime.datetime):
                expires = expires.timestamp()
            if not _is_number(expires) or not 0 <= expires < 253402300800:  # the year 10000
                raise ValueError("set_cookie: expires is %s; it must be a time in seconds since 1970, or a datetime" % brief(expires))
            from email.utils import formatdate  # takes a while to import

            parts.append("Expires=" + formatdate(expires, usegmt=True))
        if max_age is not None:
            if not _is_number(max_age):
                raise TypeError("set_cookie: max_age is %s; it must be a number of seconds" % brief(max_age))
            parts.append("Max-Age=%d" % max(0, int(max_age)))
        site = (samesite or "").lower()
        if site not in ("", "lax", "strict", "none"):
            raise ValueError('set_cookie: samesite is %r; it must be "Lax", "Strict" or "None"' % samesite)
        secure = secure or site == "none"  # browsers require Secure
        if name.startswith("__Secure-") and not secure:
            raise hinted(ValueError("set_cookie: a cookie with the name %s must be secure" % name), "write secure=True")
        if name.startswith("__Host-") and (not secure or path != "/" or domain):
            raise hinted(
                ValueError("set_cookie: a cookie with the name %s must be secure, for all paths, and for this host only" % name),
                'write secure=True, path="/" and no domain',
            )
        if httponly:
            parts.append("HttpOnly")
        if secure:
            parts.append("Secure")
        if site:
            parts.append("SameSite=" + site.capitalize())
        self._headers.append(("set-cookie", "; ".join(parts)))

    def delete_cookie(self, name: str, path: str = "/", domain: Optional[str] = None) -> None:
        """Removes a cookie from the browser."""
        secure = name.startswith(("__Secure-", "__Host-"))  # browsers require it
        self.set_cookie(name, "", max_age=0, path=path, domain=domain, secure=secure)

    def __repr__(self) -> str:
        return "<%s %d>" % (type(self).__name__, self._status)

    # How a response is sent. The result is the one message of a short response.

    def head(self) -> Dict[str, Any]:
        count, size = len(self._headers), sum(len(name) + len(value) for name, value in self._headers)
        if count > MAX_HEADERS:
            raise ValueError("the response has %d headers; it can have at most %d" % (count, MAX_HEADERS))
        if size > MAX_HEADER_SIZE:
            raise ValueError("the headers of the response have %d characters, more than %d" % (size, MAX_HEADER_SIZE))
        pairs = [[name.encode("ascii"), value.encode("utf-8")] for name, value in self._headers]
        return {"status": self._status, "headers": pairs}

    def respond(self, request: Request) -> Optional[Dict[str, Any]]:
        """Sends the response. If it is one message, respond returns it instead."""
        message, content = self.head(), self._content
        if len(content) > PIECE and request.method == "HEAD":
            content = b""
        last = max(0, (len(content) - 1) // PIECE * PIECE)  # where the last piece begins
        for at in range(0, last, PIECE):
            send_part(request, dict(message, content=content[at : at + PIECE], more_content=True))
            message = {}
        message["content"] = content[last:]
        if "status" in message:
            return message
        send_part(request, message)
        return None


def _is_number(value: Any) -> bool:
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < 2**53
    return isinstance(value, float) and math.isfinite(value)


def _header(name: Any, value: Any) -> Tuple[str, str]:
    name, value = (v.decode("latin-1") if isinstance(v, bytes) else v for v in (name, value))
    if not isinstance(name, str) or not re.match(_TOKEN, name):
        raise ValueError("%s cannot be the name of a header" % brief(name))
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise TypeError("the header %s is of type %s; it must be text" % (name, type(value).__name__))
    bad = re.search(_CONTROL, value)
    if bad:
        raise hinted(
            ValueError("the header %s cannot contain %r" % (name, bad.group())),
            "a header must be one line; encode user input with urllib.parse.quote",
        )
    bad_character = lone_surrogate(value)
    if bad_character:
        raise ValueError("the header %s cannot contain %a, which UTF-8 does not have" % (name, bad_character))
    return name.lower(), value


def _content(value: Any) -> bytes:
    if isinstance(value, str):
        try:
            return value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as error:
            raise ValueError("the content has the character %a, which UTF-8 does not have" % value[error.start]) from None
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if value is None:
        return b""
    hint = "write JsonResponse(data)" if isinstance(value, (dict, list, tuple)) else "write str(value)"
    raise hinted(TypeError("the content is of type %s; it must be text or bytes" % type(value).__name__), hint)


def send_part(request: Request, message: Dict[str, Any]) -> None:
    """Sends a message of a response. It waits for a client that reads slowly."""
    asgibox.layer.send(request.message.reply_name, message, _retry=True)


class JsonResponse(HttpResponse):
    """A response with JSON."""

    def __init__(self, data: Any, status: int = 200, headers: Any = None) -> None:
        super().__init__(encode_json(data), status, JSON, headers)


def redirect(url: str, permanent: bool = False, headers: Any = None) -> HttpResponse:
    """Returns a response that sends the browser to another URL."""
    if not isinstance(url, str):
        raise TypeError("redirect: the URL is of type %s; it must be text" % type(url).__name__)
    if not url:
        raise hinted(ValueError("redirect: the URL is empty"), 'to redirect to the first page, write redirect("/")')
    bad = lone_surrogate(url)
    if bad:
        raise ValueError("redirect: the URL has the character %a, which UTF-8 does not have" % bad)
    from urllib.parse import quote

    response = HttpResponse(b"", 301 if permanent else 302, None)
    response["location"] = quote(url, safe="!#$%&'()*+,/:;=?@[]~")
    response._add_headers(headers)
    return response


class TemplateError(Exception):
    """An error in a template or in its context."""


def render(
    template: str, context: Optional[Mapping[str, Any]] = None, status: int = 200, content_type: str = HTML, headers: Any = None
) -> HttpResponse:
    """Returns a response that the server makes of a template (Go's html/template) in
    the application's folder. All values are escaped."""
    if not isinstance(template, str):
        raise hinted(TypeError("render: the template is of type %s; it must be text" % type(template).__name__), 'write render("page.html", {"name": value})')
    data = {} if context is None else context
    if not isinstance(data, Mapping):
        raise hinted(TypeError("render: the context is of type %s; it must be a dict" % type(context).__name__), 'write render("page.html", {"name": value})')
    answer = asgibox.layer.call("render", {"template": template, "context": _context(data, 0, [MAX_VALUES])})
    failed = answer.get("failed")
    if failed:
        error = TemplateError(failed["message"])
        if failed.get("file"):
            error.asgibox_place = (failed["file"], failed.get("line") or 0, failed.get("col") or 0)  # type: ignore[attr-defined]
        if failed.get("hint"):
            error.asgibox_hint = failed["hint"]  # type: ignore[attr-defined]
        raise error
    return HttpResponse(answer["content"], status, content_type, headers)


def _context(value: Any, depth: int, left: List[int]) -> Any:
    """Returns a value as a template gets it. left has the number of values that may
    still come."""
    left[0] -= 1
    if depth > 100 or left[0] < 0:
        raise ValueError("render: the context is too large, or contains itself")
    if value is None or isinstance(value, (bool, float, str)):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else _counted(str(value), left)
    if isinstance(value, bytes):
        return _counted(as_text(value), left)
    if isinstance(value, Mapping):
        return {str(key): _context(item, depth + 1, left) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)) or hasattr(value, "__next__"):
        return [_context(item, depth + 1, left) for item in value]
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)) or type(value).__name__ in ("UUID", "Decimal"):
        return _counted(str(value), left)
    raise hinted(
        TypeError("render: the context contains a value of type %s, which a template cannot show" % type(value).__name__),
        "put the values that the page shows into the context",
    )


def _counted(text: str, left: List[int]) -> str:
    """Returns a text that was made of a value. 16 characters count like a value."""
    left[0] -= len(text) // 16
    return text


class StreamingHttpResponse(HttpResponse):
    """A response whose pieces are sent as they are made: by a function that takes
    write(piece), or an iterable of pieces."""

    def __init__(self, fn: Any, status: int = 200, content_type: Optional[str] = HTML, headers: Any = None) -> None:
        super().__init__(b"", status, content_type, headers)
        if not callable(fn) and not hasattr(fn, "__iter__") or isinstance(fn, (str, bytes)):
            raise hinted(
                TypeError("StreamingHttpResponse: fn is of type %s; it must be a function or an iterable" % type(fn).__name__),
                "write: def fn(write): write(piece)",
            )
        self._source = fn

    def respond(self, request: Request) -> Optional[Dict[str, Any]]:
        first = self.head()
        if request.method == "HEAD":
            _close(self._source)
            first["content"] = b""
            return first

        def write(piece: Any) -> None:
            nonlocal first
            content = _content(piece)
            for at in range(0, max(1, len(content)), PIECE):
                send_part(request, dict(first, content=content[at : at + PIECE], more_content=True))
                first = {}

        try:
            if callable(self._source):
                self._source(write)
            else:
                for piece in self._source:
                    write(piece)
        finally:
            _close(self._source)
        if "status" in first:
            first["content"] = b""
            return first
        send_part(request, {"content": b""})
        return None


def _close(source: Any) -> None:
    close = getattr(source, "close", None)
    if close is not None and not callable(source):
        close()


class FileResponse(HttpResponse):
    """A file in the application's folder. The server sends it, with ranges and ETag."""

    def __init__(
        self,
        path: Union[str, "os.PathLike[str]"],
        status: int = 200,
        content_type: Optional[str] = None,
        headers: Any = None,
        filename: Optional[str] = None,
        as_attachment: bool = False,
    ) -> None:
        if hasattr(path, "read"):
            raise hinted(TypeError("FileResponse: path is an open file; it must be a path"), "for an open file, write StreamingHttpResponse(file)")
        self._path = os.fspath(path)
        for what, text in (("path", self._path), ("filename", filename or "")):
            if not isinstance(text, str):
                raise TypeError("FileResponse: the %s is of type %s; it must be text" % (what, type(text).__name__))
            if lone_surrogate(text):
                raise ValueError("FileResponse: the %s %a is not valid UTF-8" % (what, text))
        found = asgibox.layer.call("file/check", {"path": self._path})
        failed = found.get("failed")
        if failed:
            raise hinted(FileNotFoundError("FileResponse: " + failed["message"]), failed.get("hint", ""))
        super().__init__(b"", status, content_type or found["content_type"], headers)
        if as_attachment:
            self["content-disposition"] = _disposition(filename or os.path.basename(self._path))

    def respond(self, request: Request) -> Optional[Dict[str, Any]]:
        run = running() or Run()
        run.save_sessions()
        head = run.with_cookie(self.head())
        asgibox.layer.call("file/send", {"path": self._path, "status": head["status"], "headers": head["headers"]})
        return None


def _disposition(filename: str) -> str:
    from urllib.parse import quote

    plain = re.sub(r'[^\x20-\x7e]|["\\]', "_", filename)
    if plain == filename:
        return 'attachment; filename="%s"' % plain
    return "attachment; filename=\"%s\"; filename*=UTF-8''%s" % (plain, quote(filename, safe=""))


def response_of(result: Any) -> HttpResponse:
    """Returns the response for the result of a view."""
    if isinstance(result, HttpResponse):
        return result
    if result is None:
        return HttpResponse(b"", 204, None)
    if isinstance(result, str):
        return HttpResponse(result)
    if isinstance(result, (bytes, bytearray, memoryview)):
        return HttpResponse(result, 200, BYTES)
    if isinstance(result, tuple):
        return _status_and_body(result)
    if isinstance(result, (dict, list, Mapping)):
        return JsonResponse(result)
    hint = "return text, bytes, a dict or list, None, (status, body) or an HttpResponse"
    raise hinted(TypeError("the view returned a value of type %s, which is not a response" % type(result).__name__), hint)


def _status_and_body(pair: Tuple[Any, ...]) -> HttpResponse:
    hint = "return (status, body)"
    if len(pair) != 2:
        raise hinted(TypeError("the view returned a tuple of %d, which is not a response" % len(pair)), hint)
    if isinstance(pair[1], int) and not isinstance(pair[1], bool):
        raise hinted(TypeError("the view returned (%s, int); the status must come first" % type(pair[0]).__name__), "write the status first: (status, body)")
    if isinstance(pair[1], tuple):
        raise hinted(TypeError("the view returned a tuple inside a tuple, which is not a response"), hint)
    response = response_of(pair[1])
    response.status = pair[0]
    return response
