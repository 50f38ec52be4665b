"""Discord's limits on the body of a message, and on the name of a webhook."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lanrage_events.templates import utf16_units

from .._form import Form, Path
from .attachments import check_attachments
from .components import check_components, shown_files
from .poll import check_poll

# https://docs.discord.com/developers/resources/webhook#execute-webhook
CONTENT_MAX_CHARACTERS = 2000
EMBEDS_MAX = 10
_THREAD_NAME_MAX_CHARACTERS = 100
_APPLIED_TAGS_MAX = 5

# https://docs.discord.com/developers/resources/message#embed-object-embed-limits
TITLE_MAX_CHARACTERS = 256
DESCRIPTION_MAX_CHARACTERS = 4096
FIELDS_MAX = 25
FIELD_NAME_MAX_CHARACTERS = 256
FIELD_VALUE_MAX_CHARACTERS = 1024
FOOTER_MAX_CHARACTERS = 2048
AUTHOR_MAX_CHARACTERS = 256
EMBEDS_TOTAL_MAX_CHARACTERS = 6000
_COLOR_MAX = 0xFFFFFF

# https://docs.discord.com/developers/resources/webhook#create-webhook and
# https://docs.discord.com/developers/resources/user#usernames-and-nicknames
_USERNAME_MAX_CHARACTERS = 80
_USERNAME_PARTS = ("clyde", "discord")
_USERNAMES = ("everyone", "here")

# https://docs.discord.com/developers/resources/message#allowed-mentions-object
_MENTION_TYPES = ("roles", "users", "everyone")
_MENTION_IDS_MAX = 100

# https://docs.discord.com/developers/resources/message#message-object-message-flags
SUPPRESS_EMBEDS = 1 << 2
SUPPRESS_NOTIFICATIONS = 1 << 12
IS_COMPONENTS_V2 = 1 << 15
_FLAGS_MAX = (1 << 32) - 1


@dataclass(slots=True, kw_only=True)
class Checked:
    """The checked parts of a body; None where the body says nothing."""

    content: str | None = None
    embeds: list[dict[str, Any]] | None = None
    components: list[dict[str, Any]] | None = None
    poll: Mapping[str, Any] | None = None
    attachments: Sequence[Mapping[str, Any]] | None = None
    flags: int | None = None
    username: str = ""
    avatar_url: str = ""
    tts: bool = False
    thread_name: str = ""
    applied_tags: Sequence[str] = ()
    allowed_mentions: Mapping[str, Any] = field(default_factory=dict)
    modern: bool = False
    """whether it is, or becomes, a message of components only"""


def check_message(
    form: Form,
    body: Mapping[str, Any],
    *,
    with_components: bool,
    uploaded: Collection[str] = (),
    kept: Collection[str] = (),
    flags: int = 0,
) -> Checked:
    """Check what a message is made of, for posting and for editing.

    :param form: gathers what is wrong
    :param body: the JSON body
    :param with_components: whether the query has ``with_components``; otherwise Discord ignores
        the components of a webhook that belongs to no application
    :param uploaded: names of the files that come with the body
    :param kept: names of the files that an edited message has
    :param flags: the flags that an edited message has
    """
    checked = Checked()
    checked.flags = form.integer(("flags",), body.get("flags"), 0, _FLAGS_MAX)
    checked.modern = with_components and bool(((checked.flags or 0) | flags) & IS_COMPONENTS_V2)
    if "content" in body:
        checked.content = form.text(("content",), body["content"], CONTENT_MAX_CHARACTERS)

    if "embeds" in body:
        checked.embeds = _check_embeds(form, body["embeds"])

    if "components" in body and with_components:
        checked.components = check_components(
            form, body["components"], modern=checked.modern, filenames={*uploaded, *kept}
        )

    if body.get("attachments") is not None:
        checked.attachments = check_attachments(form, body["attachments"])

    if body.get("poll") is not None:
        checked.poll = check_poll(form, body["poll"])

    if checked.modern:
        _check_modern(form, body, uploaded, checked.components or [])

    checked.allowed_mentions = _check_mentions(form, body.get("allowed_mentions"))
    return checked


def _check_modern(
    form: Form,
    body: Mapping[str, Any],
    uploaded: Collection[str],
    components: Sequence[dict[str, Any]],
) -> None:
    """Reject what a message of components cannot have beside them."""
    for name in ("content", "embeds", "poll"):
        if body.get(name):
            form.add((name,), *legacy_field(name))

    for filename in uploaded:
        if filename not in shown_files(components):
            form.add(("files",), *legacy_field("files"))
            break


def legacy_field(name: str) -> tuple[str, str]:
    """Return code and text of the error for a field that a message of components cannot have."""
    message = f"The '{name}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2"
    return "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", message


def check_identity(form: Form, body: Mapping[str, Any], checked: Checked) -> None:
    """Check what only a new message has: who posts it and into which thread."""
    checked.username = check_webhook_name(form, ("username",), body.get("username"))
    checked.avatar_url = form.url(("avatar_url",), body.get("avatar_url"))
    checked.tts = form.boolean(("tts",), body.get("tts"))
    checked.thread_name = form.text(
        ("thread_name",), body.get("thread_name"), _THREAD_NAME_MAX_CHARACTERS
    )
    checked.applied_tags = form.snowflakes(
        ("applied_tags",), body.get("applied_tags"), _APPLIED_TAGS_MAX
    )


def check_webhook_name(form: Form, path: Path, value: object, *, required: bool = False) -> str:
    """Check the name of a webhook or of one of its messages."""
    username = form.text(path, value, _USERNAME_MAX_CHARACTERS, minimum=1, required=required)
    for part in _USERNAME_PARTS:
        if part in username.lower():
            form.add(path, "USERNAME_INVALID_CONTAINS", f'Username cannot contain "{part}"')

    if username.lower() in _USERNAMES:
        form.add(path, "USERNAME_INVALID", f'Username cannot be "{username.lower()}"')

    return username


def _check_embeds(form: Form, value: object) -> list[dict[str, Any]]:
    embeds = []
    total = 0
    for path, embed in form.mappings(("embeds",), value, EMBEDS_MAX):
        size, shown = _check_embed(form, path, embed)
        total += size
        if shown is not None:
            embeds.append(shown)

    if total > EMBEDS_TOTAL_MAX_CHARACTERS:
        message = f"Embed size exceeds maximum size of {EMBEDS_TOTAL_MAX_CHARACTERS}"
        form.add(("embeds",), "MAX_EMBED_SIZE_EXCEEDED", message)

    return embeds


def _check_embed(
    form: Form, path: Path, embed: Mapping[str, object]
) -> tuple[int, dict[str, Any] | None]:
    """Return what counts towards the total of the message, and what there is to see, if anything."""
    # https://docs.discord.com/developers/resources/webhook#execute-webhook: not to be set
    shown = {key: value for key, value in embed.items() if key not in ("provider", "video")}
    counted = [
        form.text((*path, "title"), embed.get("title"), TITLE_MAX_CHARACTERS),
        form.text((*path, "description"), embed.get("description"), DESCRIPTION_MAX_CHARACTERS),
    ]
    form.url((*path, "url"), embed.get("url"))
    color = form.integer((*path, "color"), embed.get("color"), 0, _COLOR_MAX)
    if color is not None:
        shown["color"] = color

    form.time((*path, "timestamp"), embed.get("timestamp"))
    for place, entry in form.mappings((*path, "fields"), embed.get("fields"), FIELDS_MAX):
        for key, maximum in (
            ("name", FIELD_NAME_MAX_CHARACTERS),
            ("value", FIELD_VALUE_MAX_CHARACTERS),
        ):
            counted.append(form.text((*place, key), entry.get(key), maximum, required=True))

        form.boolean((*place, "inline"), entry.get("inline"))

    for key, name, maximum in (
        ("footer", "text", FOOTER_MAX_CHARACTERS),
        ("author", "name", AUTHOR_MAX_CHARACTERS),
    ):
        place = (*path, key)
        if part := form.mapping(place, embed.get(key)):
            counted.append(form.text((*place, name), part.get(name), maximum, required=True))
            if key == "author":
                form.url((*place, "url"), part.get("url"))

            form.url((*place, "icon_url"), part.get("icon_url"), attachment=True)

    pictures = []
    for key in ("image", "thumbnail"):
        if picture := form.mapping((*path, key), embed.get(key)):
            place = (*path, key, "url")
            pictures.append(form.url(place, picture.get("url"), attachment=True, required=True))

    size = sum(map(utf16_units, counted))
    return size, shown if any(counted) or any(pictures) else None


def _check_mentions(form: Form, value: object) -> Mapping[str, Any]:
    path = ("allowed_mentions",)
    # https://docs.discord.com/developers/resources/message#allowed-mentions-object: the default
    # of webhooks
    if value is None:
        return {"parse": ["users"], "users": [], "roles": []}

    mentions = form.mapping(path, value) or {}
    parse = []
    for index, item in enumerate(form.items((*path, "parse"), mentions.get("parse"), 3)):
        if item not in _MENTION_TYPES:
            message = f"Value must be one of {_MENTION_TYPES}."
            form.add((*path, "parse", index), "BASE_TYPE_CHOICES", message)

        parse.append(item)

    ids = {}
    for key in ("users", "roles"):
        ids[key] = form.snowflakes((*path, key), mentions.get(key), _MENTION_IDS_MAX)
        if ids[key] and key in parse:
            message = f'parse:["{key}"] and {key}: [ids...] are mutually exclusive.'
            form.add(path, "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", message)

    form.boolean((*path, "replied_user"), mentions.get("replied_user"))
    return {"parse": parse, **ids}
