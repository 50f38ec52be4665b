"""Files of messages: which ones an edit keeps, and how they are shown."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from .._form import Form

# https://docs.discord.com/developers/resources/webhook#execute-webhook
ATTACHMENTS_MAX = 10

# https://docs.discord.com/developers/resources/message#attachment-object
_DESCRIPTION_MAX_CHARACTERS = 1024

_SCHEME = "attachment://"


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file that came with a request."""

    index: int
    """the ``n`` of its field ``files[n]``, by which ``attachments`` names it"""
    filename: str
    size: int
    """bytes"""


def check_attachments(form: Form, value: object) -> Sequence[Mapping[str, Any]]:
    """Check what a body says about its files, and about those that an edit keeps."""
    found = []
    for path, attachment in form.mappings(("attachments",), value, ATTACHMENTS_MAX):
        checked: dict[str, Any] = {"id": str(attachment.get("id", ""))}
        for key in ("filename", "title", "description"):
            maximum = _DESCRIPTION_MAX_CHARACTERS
            if text := form.text((*path, key), attachment.get(key), maximum):
                checked[key] = text

        found.append(checked)

    return found


def attach(
    files: Iterable[UploadedFile],
    described: Sequence[Mapping[str, Any]] | None,
    kept: Sequence[Mapping[str, Any]] | None,
    *,
    make_id: Callable[[], str],
    folder: str,
) -> list[dict[str, Any]]:
    """Return the attachments of a message.

    :param files: the files of the request
    :param described: what the request says in ``attachments``, None if nothing
    :param kept: what the message had before an edit, None if it is new. An edit with ``attachments``
        keeps and adds only what these name
    :param make_id: makes the id of a new one; no two are alike
    :param folder: the address of the files of the channel
    """
    # https://docs.discord.com/developers/reference#editing-message-attachments
    named = {entry["id"]: entry for entry in described or ()}
    attachments = [
        {**attachment, **_changeable(named.get(attachment["id"], {}))}
        for attachment in kept or ()
        if described is None or attachment["id"] in named
    ]
    for file in files:
        if kept is None or described is None or str(file.index) in named:
            entry = named.get(str(file.index), {})
            attachments.append(_uploaded(file, entry, make_id(), folder))

    return attachments


def media_name(url: object) -> str | None:
    """Return the name of the file that ``attachment://name`` refers to, None for other addresses."""
    if isinstance(url, str) and url.startswith(_SCHEME):
        return url.removeprefix(_SCHEME)

    return None


def resolve(value: Any, attachments: Sequence[Mapping[str, Any]]) -> Any:
    """Return embeds or components with the files' addresses for ``attachment://name``."""
    if isinstance(value, list):
        return [resolve(item, attachments) for item in value]

    if not isinstance(value, dict):
        return value

    resolved = {key: resolve(item, attachments) for key, item in value.items()}
    for key in ("url", "icon_url"):
        name = media_name(value.get(key))
        for attachment in attachments:
            if name is not None and attachment["filename"] == name:
                resolved |= {key: attachment["url"], f"proxy_{key}": attachment["proxy_url"]}

    return resolved


def shown_apart(attachments: Iterable[Mapping[str, Any]], shown: object) -> list[Mapping[str, Any]]:
    """Return the attachments that no embed and no component shows."""
    # https://docs.discord.com/developers/resources/message#message-object
    urls = set(texts_of(shown))
    return [attachment for attachment in attachments if attachment["url"] not in urls]


def texts_of(value: object) -> Iterator[str]:
    """Yield every text within a value of JSON, but for the keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts_of(item)


def _changeable(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: entry[key] for key in ("title", "description") if key in entry}


def _uploaded(
    file: UploadedFile, entry: Mapping[str, Any], attachment_id: str, folder: str
) -> dict[str, Any]:
    filename = entry.get("filename") or file.filename
    url = f"{folder}/{attachment_id}/{quote(filename)}"
    attachment = {
        "id": attachment_id,
        "filename": filename,
        "size": file.size,
        "url": url,
        "proxy_url": url,
        **_changeable(entry),
    }
    content_type, _ = mimetypes.guess_type(filename)
    if content_type is not None:
        attachment["content_type"] = content_type

    return attachment
