from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import urlsplit

from .truncation import shorten, shorten_markdown

# https://docs.discord.com/developers/resources/message#embed-object-embed-limits
TITLE_MAX_CHARACTERS = 256
DESCRIPTION_MAX_CHARACTERS = 4096
EMBED_MAX_FIELDS = 25
FIELD_NAME_MAX_CHARACTERS = 256
FIELD_VALUE_MAX_CHARACTERS = 1024
FOOTER_MAX_CHARACTERS = 2048
AUTHOR_MAX_CHARACTERS = 256
# The same page: the sum over all embeds of one message.
MESSAGE_EMBEDS_MAX_CHARACTERS = 6000

# https://docs.discord.com/developers/resources/webhook#execute-webhook
MESSAGE_MAX_EMBEDS = 10

# Not documented: the answer to a longer one is "Must be 2048 or fewer in length."
URL_MAX_CHARACTERS = 2048

# https://docs.discord.com/developers/resources/message#embed-object: a colour is a 24 bit number
COLOR_MAX = 0xFFFFFF

_NOTHING_TO_SHOW = "(no text)"

# Where the texts of Discord's JSON form belong here.
_TEXTS = frozenset({"title", "description", "url"})
_NESTED_TEXTS: Mapping[str, Mapping[str, str]] = {
    "footer": {"text": "footer", "icon_url": "footer_icon"},
    "author": {"name": "author", "url": "author_url", "icon_url": "author_icon"},
    "thumbnail": {"url": "thumbnail"},
    "image": {"url": "image"},
}


@dataclass(frozen=True, slots=True)
class EmbedField:
    """One field of an embed: a bold name above a value."""

    name: str
    value: str
    inline: bool = False
    """whether it may stand beside its neighbours"""


@dataclass(frozen=True, slots=True)
class EmbedProblem:
    """One of Discord's limits that an embed breaks."""

    path: str
    """where, in Discord's words, such as ``fields.3.value``; empty for the embed as a whole"""
    message: str
    """what was found and what is allowed"""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


# Not frozen, which would take four times as long: one is made of each event. Nobody changes one.
@dataclass(slots=True)
class Embed:
    """What Discord shows as one card in a message; an empty text is a part that is left out."""

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
            if url and (cleaned := _clean(url)):
                data[key] = {"url": cleaned}

        if self.fields and (
            fields := [
                {"name": _clean(field.name), "value": _clean(field.value), "inline": field.inline}
                for field in self.fields
                if _is_complete(field)
            ]
        ):
            data["fields"] = fields

        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> Self:
        """Read Discord's JSON form.

        :param data: what :meth:`to_dict` gave; keys that it does not give are ignored
        :raises ValueError: if a value has another type than Discord's
        """
        parts: dict[str, Any] = {}
        for key, value in data.items():
            if key in _TEXTS:
                parts[key] = _text(value, key)
            elif key in _NESTED_TEXTS:
                nested = _mapping(value, key)
                for name, part in _NESTED_TEXTS[key].items():
                    if name in nested:
                        parts[part] = _text(nested[name], f"{key}.{name}")

            elif key == "color" and value is not None:
                parts["color"] = _color(value)
            elif key == "timestamp" and value != "":
                parts["timestamp"] = datetime.fromisoformat(_text(value, key))
            elif key == "fields":
                parts["fields"] = _fields(value)

        return cls(**parts)


def length(text: str) -> int:
    """Count as Discord does: code points, without the white space at both ends."""
    return len(text.strip())


def embed_size(embed: Embed) -> int:
    """Count the characters that go towards the 6000 that the embeds of a message may have."""
    size = sum(map(length, (embed.title, embed.description, embed.footer, embed.author)))
    for field in embed.fields:
        if _is_complete(field):
            size += length(field.name) + length(field.value)

    return size


def problems(embed: Embed) -> list[EmbedProblem]:
    """Tell each of Discord's limits that the embed breaks; none means that Discord takes it."""
    found = [
        EmbedProblem(path, f"{length(text)} characters, at most {maximum} are allowed")
        for path, text, maximum in _counted(embed)
        if len(text) > maximum and length(text) > maximum
    ]
    count = sum(_is_complete(field) for field in embed.fields)
    if count > EMBED_MAX_FIELDS:
        found.append(
            EmbedProblem("fields", f"{count} fields, at most {EMBED_MAX_FIELDS} are allowed")
        )

    size = embed_size(embed)
    if size > MESSAGE_EMBEDS_MAX_CHARACTERS:
        allowed = MESSAGE_EMBEDS_MAX_CHARACTERS
        found.append(EmbedProblem("", f"{size} characters, at most {allowed} are allowed"))

    found.extend(
        EmbedProblem(path, "expected an http or https address of at most 2048 characters")
        for path, url, _ in _urls(embed)
        if not _is_url(url)
    )
    if embed.color is not None and not 0 <= embed.color <= COLOR_MAX:
        found.append(EmbedProblem("color", f"{embed.color} is not between 0 and {COLOR_MAX}"))

    if embed.timestamp is not None and not _is_timestamp(embed.timestamp):
        found.append(EmbedProblem("timestamp", "cannot be written in UTC"))

    if _is_bare(embed):
        found.append(EmbedProblem("", "has neither text nor picture"))

    return found


def fit(embed: Embed) -> Embed:
    """Make an embed legal, as the last resort.

    Texts are cut with an ellipsis, the longest first, so that short ones stay whole; fields after
    the 25th and addresses, colours and times that Discord would refuse are left out.

    :param embed: any embed; a legal one is returned as it is
    """
    if _is_surely_legal(embed) or not problems(embed):
        return embed

    fields = tuple(field for field in embed.fields if _is_complete(field))[:EMBED_MAX_FIELDS]
    embed = replace(
        embed,
        fields=fields,
        color=embed.color if 0 <= (embed.color or 0) <= COLOR_MAX else None,
        timestamp=embed.timestamp
        if embed.timestamp is not None and _is_timestamp(embed.timestamp)
        else None,
        **{name: "" for _, url, name in _urls(embed) if not _is_url(url)},
    )
    embed = _shortened(embed, DESCRIPTION_MAX_CHARACTERS)
    if embed_size(embed) > MESSAGE_EMBEDS_MAX_CHARACTERS:
        embed = _shortened(embed, _common_maximum([length(text) for _, text, _ in _counted(embed)]))

    if _is_bare(embed):
        embed = replace(embed, description=_NOTHING_TO_SHOW)

    return embed


def _is_surely_legal(embed: Embed) -> bool:
    """Tell at little cost that an embed breaks no limit, as most do; False to take a closer look."""
    return (
        len(embed.title) <= TITLE_MAX_CHARACTERS
        and len(embed.author) <= AUTHOR_MAX_CHARACTERS
        and len(embed.description) + len(embed.footer) <= FOOTER_MAX_CHARACTERS
        and bool(embed.title.strip() or embed.description.strip())
        and (embed.color is None or 0 <= embed.color <= COLOR_MAX)
        and (embed.timestamp is None or embed.timestamp.tzinfo is UTC)
        and not (embed.fields or embed.url or embed.author_url or embed.image or embed.thumbnail)
        and not (embed.author_icon or embed.footer_icon)
    )


def in_utc(time: datetime) -> datetime:
    """Return the same moment in UTC; a naive time is taken for UTC."""
    if time.tzinfo is UTC:
        return time

    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


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


def _is_complete(field: EmbedField) -> bool:
    return bool(field.name.strip() and field.value.strip())


def _is_bare(embed: Embed) -> bool:
    texts = (embed.title, embed.description, embed.author, embed.image, embed.thumbnail)
    return not any(text.strip() for text in texts) and not any(map(_is_complete, embed.fields))


def _with_urls(data: dict[str, object], **urls: str) -> dict[str, object]:
    for key, url in urls.items():
        if url and (cleaned := _clean(url)):
            data[key] = cleaned

    return data


def _counted(embed: Embed) -> Iterator[tuple[str, str, int]]:
    """Give path, text and limit of everything that counts towards the sum."""
    yield "title", embed.title, TITLE_MAX_CHARACTERS
    yield "description", embed.description, DESCRIPTION_MAX_CHARACTERS
    yield "footer.text", embed.footer, FOOTER_MAX_CHARACTERS
    yield "author.name", embed.author, AUTHOR_MAX_CHARACTERS
    for index, field in enumerate(field for field in embed.fields if _is_complete(field)):
        yield f"fields.{index}.name", field.name, FIELD_NAME_MAX_CHARACTERS
        yield f"fields.{index}.value", field.value, FIELD_VALUE_MAX_CHARACTERS


def _urls(embed: Embed) -> Iterator[tuple[str, str, str]]:
    """Give path, value and attribute of each address that would be sent."""
    for path, url, attribute in (
        ("url", embed.url, "url"),
        ("footer.icon_url", embed.footer_icon, "footer_icon"),
        ("author.url", embed.author_url, "author_url"),
        ("author.icon_url", embed.author_icon, "author_icon"),
        ("thumbnail.url", embed.thumbnail, "thumbnail"),
        ("image.url", embed.image, "image"),
    ):
        if url.strip():
            yield path, url.strip(), attribute


def _is_url(url: str) -> bool:
    if len(url) > URL_MAX_CHARACTERS or not url.isprintable() or " " in url:
        return False

    try:
        parts = urlsplit(url)
    except ValueError:
        return False

    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _is_timestamp(time: datetime) -> bool:
    try:
        in_utc(time)
    except OverflowError:
        return False

    return True


def _shortened(embed: Embed, maximum: int) -> Embed:
    """Cut each text to its own limit and to ``maximum``."""
    return replace(
        embed,
        title=shorten_markdown(embed.title, min(TITLE_MAX_CHARACTERS, maximum)),
        description=shorten_markdown(embed.description, min(DESCRIPTION_MAX_CHARACTERS, maximum)),
        footer=shorten(embed.footer, min(FOOTER_MAX_CHARACTERS, maximum)),
        author=shorten(embed.author, min(AUTHOR_MAX_CHARACTERS, maximum)),
        fields=tuple(
            replace(
                field,
                name=shorten_markdown(field.name, min(FIELD_NAME_MAX_CHARACTERS, maximum)),
                value=shorten_markdown(field.value, min(FIELD_VALUE_MAX_CHARACTERS, maximum)),
            )
            for field in embed.fields
        ),
    )


def _common_maximum(lengths: list[int]) -> int:
    """Find the length to which the longest texts must be cut for all to be within the sum."""
    share = room = MESSAGE_EMBEDS_MAX_CHARACTERS
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
