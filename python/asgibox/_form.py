"""Forms with files: multipart/form-data, RFC 7578."""

import re
from typing import Any, List, Tuple


class Upload:
    """A file of a form."""

    def __init__(self, name: str, content_type: str, content: bytes) -> None:
        self.name = name
        self.content_type = content_type
        self.content = content

    @property
    def size(self) -> int:
        return len(self.content)

    def read(self) -> bytes:
        return self.content

    def __repr__(self) -> str:
        return "<file %r, %d bytes>" % (self.name, len(self.content))


def read_multipart(body: bytes, boundary: bytes, limit: int) -> Tuple[List[Tuple[str, Any]], List[Tuple[str, Upload]]]:
    """Returns the fields and the files of a form. Raises ValueError for a broken one."""
    fields: List[Tuple[str, Any]] = []
    files: List[Tuple[str, Upload]] = []
    line = b"--" + boundary
    if line + b"--" not in body:
        raise ValueError("the closing boundary is missing")
    # A boundary begins a line, so the body gets the end of the line before it.
    pieces = (b"\r\n" + body).split(b"\r\n" + line)
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            break
        head, separator, content = piece.lstrip(b" \t").partition(b"\r\n\r\n")
        if not separator:
            raise ValueError("a part has no end of its headers")
        if len(fields) + len(files) >= limit:
            raise ValueError("it has more than %d fields" % limit)
        _add_part(head, content, fields, files)
    return fields, files


def _add_part(head: bytes, content: bytes, fields: List[Tuple[str, Any]], files: List[Tuple[str, Upload]]) -> None:
    headers = {}
    for row in head.decode("utf-8", "replace").split("\r\n"):
        key, _, value = row.partition(":")
        headers[key.strip().lower()] = value.strip()
    disposition = headers.get("content-disposition", "")
    name = _parameter(disposition, "name")
    if not name:
        raise ValueError("a part has no name")
    filename = _parameter(disposition, "filename")
    if filename is None:
        fields.append((name, content.decode("utf-8", "replace")))
    elif filename:  # otherwise an empty file field
        kind = headers.get("content-type") or "application/octet-stream"
        files.append((name, Upload(re.split(r"[/\\]", filename)[-1], kind, content)))


def _parameter(disposition: str, name: str) -> Any:
    """Returns a parameter of the header Content-Disposition, or None."""
    found = re.search(r';\s*%s=(?:"((?:\\["\\]|[^"])*)"|([^;\s]*))' % name, disposition, re.IGNORECASE)
    if found is None:
        return None
    if found.group(1) is None:
        return found.group(2)
    # Browsers write a quotation mark as %22, others with a backslash.
    return re.sub(r'\\(["\\])', r"\1", found.group(1)).replace("%22", '"')
