"""An embed, which keeps Discord's limits whatever it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from typing import Any, Self

from lanrage_events.events import in_utc

from .. import limits
from .address import parse_url
from .length import length
from .picture import is_own
from .truncation import shorten, shorten_markdown

_NOTHING_TO_SHOW = "…"
URLS = ("url", "footer_icon", "author_url", "author_icon", "thumbnail", "image")
"""the parts of an embed that are addresses"""

# Where the texts of Discord's JSON form go.
_TEXTS = frozenset({"title", "description", "url"})
NESTED_TEXTS: Mapping[str, Mapping[str, str]] = {
    "footer": {"text": "footer", "icon_url": "footer_icon"},
    "author": {"name": "author", "url": "author_url", "icon_url": "author_icon"},
    "thumbnail": {"url": "thumbnail"},
    "image": {"url": "image"},
}
PARTS: Mapping[str, str] = {
    **{name: name for name in ("title", "description", "url", "color", "timestamp")},
    **{
        f"{key}.{name}": part for key, names in NESTED_TEXTS.items() for name, part in names.items()
    },
}
"""what an embed calls its parts, by their paths in Discord's JSON form"""


@dataclass(frozen=True, slots=True)
class EmbedField:
    """One field of an embed: a bold name above a value."""

    name: str
    value: str
    inline: bool = False
    """whether it may stand beside its neighbours"""


# Not frozen, which would take four times as long: there is one for each event. Do not change one.
@dataclass(slots=True)
class Embed:
    """One card in a message; a part whose text is empty is not shown.

    It keeps Discord's limits. Texts are cut with an ellipsis, the longest first, so that short ones
    stay whole. Fields after the 25th are dropped, and so are addresses, colours and times that
    Discord would reject.
    """

    title: str = ""
    description: str = ""
    url: str = ""
    """where the title links to"""
    color: int | None = None
    timestamp: datetime | None = None
    """when it happened; a naive one is taken for UTC"""
    footer: str = ""
    footer_icon: str = ""
    author: str = ""
    author_url: str = ""
    author_icon: str = ""
    thumbnail: str = ""
    image: str = ""
    fields: tuple[EmbedField, ...] = ()

    def __post_init__(self) -> None:
        # Most embeds keep all limits, which is cheap to see. A character may count twice.
        if not (
            2 * len(self.title) <= limits.TITLE_MAX_CHARACTERS
            and 2 * len(self.author) <= limits.AUTHOR_MAX_CHARACTERS
            and 2 * (len(self.description) + len(self.footer)) <= limits.FOOTER_MAX_CHARACTERS
            and (self.title.strip() or self.description.strip())
            and (self.color is None or 0 <= self.color <= limits.COLOR_MAX)
            and (self.timestamp is None or _is_plain(self.timestamp))
            and not (self.fields or self.url or self.author_url or self.image or self.thumbnail)
            and not (self.author_icon or self.footer_icon)
        ):
            self._fit()

    def to_dict(self) -> dict[str, object]:
        """Return Discord's JSON form, without what is empty and without white space around texts."""
        data: dict[str, object] = {}
        for key, text in (
            ("title", self.title),
            ("description", self.description),
            ("url", self.url),
        ):
            if text and (cleaned := _clean(text)):
                data[key] = cleaned

        if self.color is not None:
            data["color"] = self.color

        if self.timestamp is not None:
            data["timestamp"] = in_utc(self.timestamp).isoformat()

        if self.footer and (footer := _clean(self.footer)):
            data["footer"] = _with_urls({"text": footer}, icon_url=self.footer_icon)

        if self.author and (author := _clean(self.author)):
            data["author"] = _with_urls(
                {"name": author}, url=self.author_url, icon_url=self.author_icon
            )

        for key, url in (("thumbnail", self.thumbnail), ("image", self.image)):
            if url:
                data[key] = {"url": _clean(url)}

        if self.fields:
            data["fields"] = [
                {"name": _clean(field.name), "value": _clean(field.value), "inline": field.inline}
                for field in self.fields
            ]

        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> Self:
        """Read Discord's JSON form.

        :param data: what :meth:`to_dict` gave; keys that it does not give are ignored
        :raises ValueError: if a value has another type than Discord's
        """
        parts: dict[str, Any] = {}
        # A call for each value would take longer than all the rest.
        for key, value in data.items():
            if key in _TEXTS:
                parts[key] = value if type(value) is str else _text(value, key)
            elif key in NESTED_TEXTS:
                names = NESTED_TEXTS[key]
                for name, text in _mapping(value, key).items():
                    if name in names:
                        is_text = type(text) is str
                        parts[names[name]] = text if is_text else _text(text, f"{key}.{name}")

            elif key == "color" and value is not None:
                parts["color"] = value if type(value) is int else _color(value)
            elif key == "timestamp" and value != "":
                parts["timestamp"] = datetime.fromisoformat(_text(value, key))
            elif key == "fields":
                parts["fields"] = _fields(value)

        return cls(**parts)

    def texts(self) -> list[str]:
        """Return what counts towards the sum."""
        texts = [self.title, self.description, self.author, self.footer]
        for field in self.fields:
            texts += field.name, field.value

        return texts

    def _fit(self) -> None:
        if not 0 <= (self.color or 0) <= limits.COLOR_MAX:
            self.color = None

        if self.timestamp is not None and not _is_timestamp(self.timestamp):
            self.timestamp = None

        for name in URLS:
            if url := getattr(self, name):
                setattr(self, name, _accepted_url(url))

        self.fields = tuple(filter(_is_complete, self.fields))[: limits.EMBED_MAX_FIELDS]
        self._shorten(limits.DESCRIPTION_MAX_CHARACTERS)
        if embed_size(self) > limits.MESSAGE_EMBEDS_MAX_CHARACTERS:
            self._shorten(_common_maximum(list(map(length, self.texts()))))

        if not (
            any(map(str.strip, self.texts()[:3])) or self.fields or self.image or self.thumbnail
        ):
            self.description = _NOTHING_TO_SHOW

    def _shorten(self, maximum: int) -> None:
        """Cut each text to its own limit and to ``maximum``."""
        self.title = shorten_markdown(self.title, min(limits.TITLE_MAX_CHARACTERS, maximum))
        self.description = shorten_markdown(
            self.description, min(limits.DESCRIPTION_MAX_CHARACTERS, maximum)
        )
        self.footer = shorten(self.footer, min(limits.FOOTER_MAX_CHARACTERS, maximum))
        self.author = shorten(self.author, min(limits.AUTHOR_MAX_CHARACTERS, maximum))
        self.fields = tuple(
            EmbedField(
                shorten_markdown(field.name, min(limits.FIELD_NAME_MAX_CHARACTERS, maximum)),
                shorten_markdown(field.value, min(limits.FIELD_VALUE_MAX_CHARACTERS, maximum)),
                field.inline,
            )
            for field in self.fields
        )


def embed_size(embed: Embed) -> int:
    """Count the characters that go towards the 6000 that the embeds of a message may have."""
    return sum(map(length, embed.texts()))


def text_size(texts: Iterable[str], fields: Iterable[EmbedField]) -> int:
    """Count the characters that an embed of such parts has, before it is cut."""
    size = sum(map(length, texts))
    for field in fields:
        if _is_complete(field):
            size += length(field.name) + length(field.value)

    return size


def _clean(text: str) -> str:
    text = text.strip()
    if text.isascii():
        return text

    try:
        text.encode()
    except UnicodeEncodeError:
        # A lone surrogate has no place in UTF-8; two that belong together become one character.
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    return text


def _accepted_url(url: str) -> str:
    if is_own(url):
        return url

    try:
        return parse_url(url)
    except ValueError:
        return ""


def _is_complete(field: EmbedField) -> bool:
    return bool(field.name.strip() and field.value.strip())


def _with_urls(data: dict[str, object], **urls: str) -> dict[str, object]:
    return data | {key: _clean(url) for key, url in urls.items() if url}


def _is_plain(time: datetime) -> bool:
    return time.tzinfo is UTC and MINYEAR < time.year < MAXYEAR


def _is_timestamp(time: datetime) -> bool:
    try:
        in_utc(time)
    except ValueError:
        return False

    return True


def _common_maximum(lengths: list[int]) -> int:
    """Find the length to which the longest texts must be cut for all to be within the sum."""
    share = room = limits.MESSAGE_EMBEDS_MAX_CHARACTERS
    for index, size in enumerate(sorted(lengths)):
        share = room // (len(lengths) - index)
        if size > share:
            break

        room -= size

    return share


def _text(value: object, path: str) -> str:
    if isinstance(value, str):
        return value

    raise ValueError(f"{path}: expected a text")


def _color(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value

    raise ValueError("color: expected a whole number")


def _mapping(value: object, path: str) -> Mapping[str, object]:
    # A dict first: to ask for any mapping takes ten times as long.
    if isinstance(value, (dict, Mapping)):
        return value

    raise ValueError(f"{path}: expected an object")


def _fields(value: object) -> tuple[EmbedField, ...]:
    fields = [_mapping(field, "fields") for field in (value if isinstance(value, list) else [0])]
    return tuple(
        EmbedField(
            _text(field.get("name", ""), "fields.name"),
            _text(field.get("value", ""), "fields.value"),
            field.get("inline") is True,
        )
        for field in fields
    )
