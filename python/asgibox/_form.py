"""Query strings and forms. Starlark applications read them by the same rules."""

import re
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from ._text import as_text, valid_text, width

_MAX_HEAD = 4096  # bytes of the headers of a part
_MAX_BOUNDARY = 70  # bytes, RFC 2046; re keeps compiled patterns, which are far longer
_CHUNK = 64 << 10  # bytes that are unquoted at once

_TOKEN = r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+"
_SPECIAL = r'()<>@,;:\\"/\[\]?='  # characters that a backslash quotes
_PARAMETER = (
    r'\s*;\s*(' + _TOKEN + r')\s*=\s*(?:"((?:\\[' + _SPECIAL + r"]|\\(?![" + _SPECIAL + r'])|[^"\\\r\n])*)"|(' + _TOKEN + "))"
)


class Upload:
    """A file of a form."""

    def __init__(self, name: str, content_type: str, content: memoryview) -> None:
        self.name = name
        self.content_type = content_type
        self._content = content  # of the body of the request

    @property
    def content(self) -> bytes:
        return bytes(self._content)

    @property
    def size(self) -> int:
        return len(self._content)

    def read(self) -> bytes:
        return self.content

    def __repr__(self) -> str:
        return "<file %r, %d bytes>" % (self.name, self.size)


def parse_query(data: bytes) -> Iterator[Tuple[str, str]]:
    """Yields the pairs of a query string or a urlencoded form."""
    for pair in data.split(b"&"):
        if pair:
            key, _, value = pair.partition(b"=")
            yield _unescape(key), _unescape(value)


def _unescape(data: bytes) -> str:
    """Decodes a text. One that is not well encoded remains as it is."""
    if (b"%" in data or b"+" in data) and not re.search(rb"%(?![0-9A-Fa-f]{2})", data):
        data = _unquote(data.replace(b"+", b" "))
    return valid_text(data)


def _unquote(data: bytes) -> bytes:
    from urllib.parse import unquote_to_bytes  # takes a while to import

    # It makes an object of each escape, so only some of them at once.
    out, at = bytearray(), 0
    while at < len(data):
        end = at + _CHUNK
        if end < len(data):
            escape = data.rfind(b"%", end - 2, end)
            end = escape if escape >= 0 else end
        out += unquote_to_bytes(data[at:end])
        at = end
    return bytes(out)


def media_type(text: str) -> Tuple[str, Dict[str, str]]:
    """Returns the type and the parameters of a header like Content-Type. Parameters
    that are malformed are none, and a type that is malformed is empty."""
    base = text.partition(";")[0]
    kind, at = base.strip().lower(), len(base)
    if not re.match(_TOKEN + "(/" + _TOKEN + r")?\Z", kind):
        return "", {}
    found: Dict[str, str] = {}
    parameter, end = re.compile(_PARAMETER), re.compile(r"(?:\s*;)?\s*\Z")
    while not end.match(text, at):
        match = parameter.match(text, at)
        if match is None:
            return kind, {}
        key, quoted, value = match.groups()
        if quoted is not None:
            value = re.sub(r"\\([" + _SPECIAL + "])", r"\1", quoted)
        if found.setdefault(key.lower(), value) != value:
            return "", {}
        at = match.end()
    params = {key: value for key, value in found.items() if "*" not in key}
    for name in {key.partition("*")[0] for key in found if "*" in key}:
        extended = _extended(found, name)
        if extended is not None:
            params[name] = extended
    return kind, params


def _extended(found: Dict[str, str], name: str) -> Optional[str]:
    """Returns a parameter of RFC 2231: name*=UTF-8''text, or in parts name*0, name*1."""
    if name + "*" in found:
        return _encoded(found[name + "*"])
    parts: List[str] = []
    while True:
        key = "%s*%d" % (name, len(parts))
        if key in found:
            parts.append(found[key])
        elif key + "*" in found:
            value = found[key + "*"]
            parts.append((_encoded(value) if not parts else _percent(value)) or "")
        else:
            return "".join(parts) if parts else None


def _encoded(value: str) -> Optional[str]:
    parts = value.split("'", 2)
    if len(parts) < 3 or parts[0].lower() not in ("us-ascii", "utf-8"):
        return None
    return _percent(parts[2])


def _percent(value: str) -> Optional[str]:
    if re.search(r"%(?![0-9A-Fa-f]{2})", value):
        return None
    return _unquote(value.encode("latin-1")).decode("latin-1")


def read_multipart(
    body: bytes, boundary: bytes, limit: int, hold: Callable[[int], None]
) -> Tuple[List[Tuple[str, Any]], List[Tuple[str, Upload]]]:
    """Returns the fields and the files of a form, RFC 7578. Raises ValueError for a
    broken one. Calls hold with the memory that it takes."""
    held = len(body)

    def take(size: int) -> None:
        nonlocal held
        held += size
        hold(held)

    if len(boundary) > _MAX_BOUNDARY:
        raise ValueError("the boundary has more than %d bytes" % _MAX_BOUNDARY)
    fields: List[Tuple[str, Any]] = []
    files: List[Tuple[str, Upload]] = []
    for n, (head, content) in enumerate(_parts(body, boundary)):
        if n == limit:
            raise ValueError("it has more than %d fields" % limit)
        _add_part(head, content, take, fields, files)
    return fields, files


def _parts(body: bytes, boundary: bytes) -> Iterator[Tuple[bytes, memoryview]]:
    """Yields the headers and the content of each part."""
    dashes = re.escape(b"--" + boundary)
    if b"--" + boundary + b"--" not in body:
        raise ValueError("the closing boundary is missing")
    # What may follow the boundary. The lookahead tries only the longest padding. To try
    # the shorter ones too would take long if there is much of it.
    rest = rb"(?P<last>--)?(?=(?P<padding>[ \t]*))(?P=padding)"
    first = re.compile(dashes + rest + rb"(\r?\n|\Z)")
    line = first.match(body) or re.compile(rb"\n" + first.pattern).search(body)
    if line is None:
        raise ValueError("it has no boundary")
    if line.group("last") is not None:
        return
    newline = line.group(3)  # the lines of some clients end without a carriage return
    end = re.compile(dashes + rb"(?=--|[ \t\r\n]|\Z)")
    next_end = re.compile(newline + end.pattern)
    after = re.compile(rest + rb"(?:" + newline + rb"|\Z)")
    empty_line = re.compile(rb"^\r?\n", re.MULTILINE)
    at = line.end()
    while True:
        blank = empty_line.search(body, at, at + _MAX_HEAD)
        if blank is None and len(body) - at > _MAX_HEAD:
            raise ValueError("a part has more than %d bytes of headers" % _MAX_HEAD)
        if blank is None:
            raise ValueError("a part has no end of its headers")
        found = end.match(body, blank.end()) or next_end.search(body, blank.end())
        if found is None:
            raise ValueError("the closing boundary is missing")
        yield body[at : blank.start()], memoryview(body)[blank.end() : found.start()]
        following = after.match(body, found.end())
        if following is None:
            raise ValueError("a line begins with the boundary and has more")
        if following.group("last") is not None:
            return
        at = following.end()


def _add_part(
    head: bytes, content: memoryview, take: Callable[[int], None], fields: List[Tuple[str, Any]], files: List[Tuple[str, Upload]]
) -> None:
    headers: Dict[str, str] = {}
    for row in re.sub(r"\r?\n[ \t]+", " ", head.decode("latin-1")).split("\n")[:-1]:
        key, colon, value = row.partition(":")
        value = value.strip()
        if not colon or not key or re.search(r"[\x00-\x08\n-\x1f\x7f]", value):
            raise ValueError("a part has a malformed header")
        headers.setdefault(key.lower(), value)
    disposition = headers.get("content-disposition", "")
    kind, params = media_type(disposition)
    name = _decoded(params.get("name", ""))
    if kind != "form-data" or not name:
        raise ValueError("a part has no name")
    if headers.get("content-transfer-encoding", "").lower() == "quoted-printable":
        import quopri

        take(3 * len(content))  # a copy of the content, and two of the result
        content = memoryview(quopri.decodestring(bytes(content)))
    filename = _decoded(params.get("filename", ""))
    if filename:
        content_type = headers.get("content-type") or "application/octet-stream"
        upload = Upload(re.split(r"[/\\]", filename.rstrip("/"))[-1], as_text(content_type.encode("latin-1")), content)
        files.append((name, upload))
    elif not re.search(r";\s*filename[*=\s]", disposition, re.IGNORECASE):  # otherwise an empty file field
        take((1 + width(content)) * len(content))
        fields.append((name, valid_text(bytes(content))))


def _decoded(latin: str) -> str:
    return valid_text(latin.encode("latin-1"))
