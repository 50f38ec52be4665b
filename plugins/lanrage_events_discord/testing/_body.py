"""The body of a request, read as Discord reads it: JSON or a form."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from ._form import Form
from ._messages import ATTACHMENTS_MAX, UploadedFile
from ._reply import Reply, error, form_error

# https://docs.discord.com/developers/resources/message#create-message
REQUEST_MAX_BYTES = 25 * 1024 * 1024

# https://docs.discord.com/developers/reference#uploading-files
FILE_MAX_BYTES = 10 * 1024 * 1024
# A message of components within components has a dozen.
_JSON_MAX_LEVELS = 64

_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
_NAME = re.compile(r'(?<![a-z])name="((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_FILENAME = re.compile(r'filename="((?:[^"\\]|\\.)*)"', re.IGNORECASE)
# https://www.rfc-editor.org/rfc/rfc5987, as aiohttp and requests write names that are not ASCII
_EXTENDED_FILENAME = re.compile(r"filename\*=utf-8''([^\s;]*)", re.IGNORECASE)
_INDEX = re.compile(r"files\[(\d{1,9})\]")
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Body:
    """What a request's body says, or why it cannot be read."""

    data: Any = None
    files: tuple[UploadedFile, ...] = ()
    rejection: Reply | None = None


def read_body(content_type: str, raw: bytes) -> Body:
    """Read a body as Discord does: JSON, a form, or a form with files."""
    if not raw:
        return Body()

    if len(raw) > REQUEST_MAX_BYTES:
        return Body(rejection=_too_large())

    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        return _read_json(raw)

    if kind == "application/x-www-form-urlencoded":
        return Body(dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True)))

    if kind == "multipart/form-data" and (match := _BOUNDARY.search(content_type)):
        return _read_multipart(raw, match[1].encode("latin-1"))

    message = (
        "Expected \"Content-Type\" header to be one of {'application/json', "
        "'application/x-www-form-urlencoded', 'multipart/form-data'}."
    )
    form = Form()
    form.add((), "CONTENT_TYPE_INVALID", message)
    return Body(rejection=form_error(form.errors))


def _read_json(raw: bytes, files: tuple[UploadedFile, ...] = ()) -> Body:
    try:
        data = json.loads(raw.decode("utf-8"), parse_constant=_reject_constant)
        _check_depth(data)
    except (ValueError, RecursionError):
        rejection = error(400, 50109, "The request body contains invalid JSON.")
        return Body(files=files, rejection=rejection)

    form = Form()
    # Here null is not absent.
    form.mapping((), [] if data is None else data)
    return Body(data, files, form_error(form.errors) if form.errors else None)


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _read_multipart(raw: bytes, boundary: bytes) -> Body:
    fields: dict[str, str] = {}
    files: list[UploadedFile] = []
    for disposition, content in _parts(raw, boundary):
        name = _NAME.search(disposition)
        filename = _read_filename(disposition)
        if filename is not None:
            index = _INDEX.fullmatch(name[1]) if name is not None else None
            number = len(files) if index is None else int(index[1])
            files.append(UploadedFile(number, filename, len(content)))
        elif name is not None:
            fields[name[1]] = content.decode("utf-8", "replace")

    attachments = tuple(files)
    if any(file.size > FILE_MAX_BYTES for file in attachments):
        return Body(files=attachments, rejection=_too_large())

    form = Form()
    form.items(("files",), files, ATTACHMENTS_MAX)
    if form.errors:
        return Body(files=attachments, rejection=form_error(form.errors))

    if "payload_json" in fields:
        return _read_json(fields["payload_json"].encode("utf-8"), attachments)

    return Body(fields, attachments)


def _parts(raw: bytes, boundary: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the headers and the content of each part."""
    for part in (b"\r\n" + raw).split(b"\r\n--" + boundary)[1:]:
        if part.startswith(b"--"):
            return

        head, _, content = part.partition(b"\r\n\r\n")
        yield head.decode("utf-8", "replace"), content


def _read_filename(disposition: str) -> str | None:
    extended = _EXTENDED_FILENAME.search(disposition)
    if extended is not None:
        return unquote(extended[1])

    plain = _FILENAME.search(disposition)
    # Browsers and urllib3 write a quotation mark as %22, aiohttp with a backslash.
    return None if plain is None else _ESCAPED.sub(r"\1", plain[1]).replace("%22", '"')


def _check_depth(data: object) -> None:
    """Raise RecursionError if checking or showing the data might exceed Python's limit."""
    level = [data]
    for _ in range(_JSON_MAX_LEVELS):
        level = [child for value in level for child in _children(value)]

    if level:
        raise RecursionError


def _children(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()

    return value if isinstance(value, list) else ()


def _too_large() -> Reply:
    return error(413, 40005, "Request entity too large")
