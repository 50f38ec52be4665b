"""What an answer of Discord means: delivered, retry, or rejected for good."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from lanrage_events.backoff import parse_seconds, retry_after

# A wait that Discord asks for without saying how long, in seconds.
DEFAULT_RETRY_AFTER = 5.0
# Invalid requests are counted over 10 minutes, and too many of them end in a block by Cloudflare.
# https://docs.discord.com/developers/topics/rate-limits#invalid-request-limit-aka-cloudflare-bans
BLOCKED_RETRY_AFTER = 600.0

# What Discord asks to wait before another old message of a channel is edited, if it does not say:
# https://github.com/discord-userdoccers/discord-userdoccers/pull/551
OLD_EDITS_RETRY_AFTER = 6.0
OLD_EDITS_CODE = 30046

# A gateway got no answer in time to a request that it had passed on.
# https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/
_ANSWER_LOST_STATUSES = (504, 524)

_CLOUDFLARE_BLOCK = 40333
_UNKNOWN_WEBHOOK = 10015
_INVALID_WEBHOOK_TOKEN = 50027
_TOO_LARGE = 40005

_FILES = ("files", "attachments")
"""what the paths of errors about files begin with"""

_ID = re.compile(r"[0-9]{1,20}")
_BAD_EMBED = re.compile(r"embeds\.([0-9]{1,3})(?:\.|$)")
_TEXT_MAX_CHARACTERS = 300
_MAX_ERRORS = 50
_MAX_ERROR_DEPTH = 16


class OutcomeKind(StrEnum):
    """What to do after one request."""

    DELIVERED = "delivered"
    """Discord has it"""
    RETRY_AFTER = "retry_after"
    """the same request again, but not before ``retry_after`` seconds have passed"""
    RETRY = "retry"
    """the same request again, after a back-off"""
    DEAD = "dead"
    """this message is rejected for good; another one may be accepted"""
    LANE_DEAD = "lane_dead"
    """nothing will be accepted here until the configuration is changed"""


# https://docs.discord.com/developers/topics/opcodes-and-status-codes#json-json-error-codes
_BY_CODE: Mapping[int, tuple[OutcomeKind, str]] = {
    10003: (OutcomeKind.LANE_DEAD, "the channel or thread does not exist any more"),
    10008: (OutcomeKind.DEAD, "the message to change does not exist any more"),
    _UNKNOWN_WEBHOOK: (
        OutcomeKind.LANE_DEAD,
        "the webhook was deleted in Discord: create a new one",
    ),
    20016: (OutcomeKind.RETRY_AFTER, "the channel is in slow mode"),
    20028: (OutcomeKind.RETRY_AFTER, "the channel takes no more messages for now"),
    20029: (OutcomeKind.RETRY_AFTER, "the server takes no more messages for now"),
    OLD_EDITS_CODE: (
        OutcomeKind.RETRY_AFTER,
        "old messages of this channel are edited too often",
    ),
    40004: (OutcomeKind.RETRY, "Discord has switched off sending for now"),
    _TOO_LARGE: (OutcomeKind.DEAD, "the message is too large"),
    40006: (OutcomeKind.RETRY, "Discord has switched off this feature for now"),
    40058: (OutcomeKind.LANE_DEAD, "the channel is a forum: set thread_id or thread_name"),
    40062: (OutcomeKind.RETRY_AFTER, "Discord is short of resources"),
    40067: (OutcomeKind.LANE_DEAD, "the forum asks for a tag on each post: set applied_tags"),
    # Not HTML, so it does not look like Cloudflare's answer (discord-api-docs#6473).
    _CLOUDFLARE_BLOCK: (OutcomeKind.RETRY_AFTER, "Cloudflare blocks this address"),
    50006: (OutcomeKind.DEAD, "the message is empty"),
    _INVALID_WEBHOOK_TOKEN: (
        OutcomeKind.LANE_DEAD,
        "the token of the webhook URL is wrong: copy the URL again",
    ),
    50035: (OutcomeKind.DEAD, "Discord finds the message invalid"),
    50083: (OutcomeKind.LANE_DEAD, "the thread is archived: open it again or name another"),
    50109: (OutcomeKind.DEAD, "Discord could not read the message as JSON"),
    130000: (OutcomeKind.RETRY, "Discord is overloaded"),
    160005: (OutcomeKind.LANE_DEAD, "the thread is locked: unlock it or name another"),
    160006: (OutcomeKind.RETRY, "the server has too many active threads"),
    200000: (OutcomeKind.DEAD, "automatic moderation blocked the message"),
    200001: (OutcomeKind.DEAD, "automatic moderation blocked the thread's name"),
    220001: (OutcomeKind.LANE_DEAD, "the channel is a forum: set thread_id or thread_name"),
    220002: (OutcomeKind.LANE_DEAD, "at most one of thread_id and thread_name can be set"),
    220003: (
        OutcomeKind.LANE_DEAD,
        "thread_name, and thread: true of cards, are only for forum channels: remove them",
    ),
    220004: (OutcomeKind.LANE_DEAD, "the webhook cannot post to a forum channel"),
    240000: (OutcomeKind.DEAD, "Discord's filter against harmful links blocked the message"),
}

# https://docs.discord.com/developers/topics/opcodes-and-status-codes#http-http-response-codes
_BY_STATUS: Mapping[int, tuple[OutcomeKind, str]] = {
    401: (OutcomeKind.LANE_DEAD, "Discord does not accept the webhook URL: copy it again"),
    # A retry would not help, and each one counts towards the invalid requests that get the whole
    # address blocked. So the lane stops and keeps its events until someone has looked at it.
    403: (OutcomeKind.LANE_DEAD, "Discord does not permit the webhook to post here"),
    404: (OutcomeKind.LANE_DEAD, "the webhook does not exist: create a new one in Discord"),
    407: (OutcomeKind.RETRY, "the proxy asks for a login"),
    408: (OutcomeKind.RETRY, "the request took too long"),
    409: (OutcomeKind.RETRY, "the request met another one"),
    410: (OutcomeKind.LANE_DEAD, "the webhook does not exist any more: create a new one"),
    413: (OutcomeKind.DEAD, "the message is too large"),
    421: (OutcomeKind.RETRY, "the request reached the wrong server"),
    425: (OutcomeKind.RETRY, "the request came too early"),
    429: (OutcomeKind.RETRY_AFTER, "too many requests"),
}

# What has neither a code nor a status above, by the first digit of the status.
_BY_CLASS: Mapping[int, tuple[OutcomeKind, str]] = {
    2: (OutcomeKind.DELIVERED, "delivered"),
    # Discord's API does not redirect; a network that wants a login does.
    3: (OutcomeKind.RETRY, "the answer is a redirect, which Discord does not give"),
    4: (OutcomeKind.DEAD, "Discord rejected the message"),
    5: (OutcomeKind.RETRY, "Discord has an internal error"),
}
_NOT_HTTP = (OutcomeKind.RETRY, "the answer has a status that HTTP does not define")


@dataclass(frozen=True, slots=True)
class DiscordError:
    """One error that Discord found in a message."""

    path: str
    """where, such as ``embeds.0.description``; empty for the message as a whole"""
    code: str
    """such as ``BASE_TYPE_MAX_LENGTH``"""
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What the headers of an answer say about the bucket that the request was counted in."""

    limit: int | None = None
    """requests that the bucket holds when it is full"""
    remaining: int | None = None
    """requests that can still be made"""
    reset_after: float | None = None
    """seconds until the bucket is full again"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one request."""

    kind: OutcomeKind
    reason: str
    """one sentence to show, without secrets"""
    status: int | None = None
    """HTTP's status; None if there was no answer"""
    code: int | None = None
    """Discord's own error code"""
    errors: tuple[DiscordError, ...] = ()
    """what Discord found in the message"""
    bad_embeds: tuple[int, ...] = ()
    """indexes of the embeds that the errors are about; empty if Discord names none"""
    retry_after: float | None = None
    """seconds that the server asks to wait"""
    scope: str | None = None
    """of a 429: ``user``, ``global`` or ``shared``, which does not count as an invalid request"""
    is_global: bool = False
    """whether a 429 is about every request from this address"""
    is_blocked: bool = False
    """whether Cloudflare, and not Discord, rejected the request"""
    message_id: str | None = None
    """the id of the message that Discord made"""
    channel_id: str | None = None
    """where it stands; for a thread that it created, the id of the thread"""
    may_be_carried_out: bool = False
    """whether Discord may have done what was asked, since only the answer is missing"""
    webhook_name: str = ""
    """the webhook's name in Discord, if it was looked up; others wrote it, so escape it"""
    webhook_channel_id: str | None = None
    """the channel in which it posts, if it was looked up"""
    webhook_guild_id: str | None = None
    """the server of that channel"""
    rate_limit: RateLimit = RateLimit()

    @property
    def is_known_code(self) -> bool:
        """Whether Discord's own error code is one that has a meaning here."""
        return self.code in _BY_CODE

    @property
    def is_rejection(self) -> bool:
        """Whether the same request would be rejected again."""
        return self.kind in (OutcomeKind.LANE_DEAD, OutcomeKind.DEAD)

    @property
    def is_about_files(self) -> bool:
        """Whether the files of the message were rejected, or its size."""
        if self.status == 413 or self.code == _TOO_LARGE:
            return True

        return any(error.path.partition(".")[0] in _FILES for error in self.errors)

    @property
    def is_gone(self) -> bool:
        """Whether Discord says itself that the webhook does not exist, which no one can restore."""
        return self.code in (_UNKNOWN_WEBHOOK, _INVALID_WEBHOOK_TOKEN)

    @property
    def is_server_error(self) -> bool:
        """Whether Discord has an error of its own, of which it does not say that all requests get it."""
        is_error = self.status is not None and 500 <= self.status <= 599
        return self.kind is OutcomeKind.RETRY and is_error and not self.is_known_code

    @property
    def is_about_channel(self) -> bool:
        """Whether a 429 is about the hidden limit of the channel, which no header shows."""
        return self.status == 429 and (self.scope == "shared" or bool(self.rate_limit.remaining))

    @property
    def wait_reason(self) -> str:
        """Who asks to wait, and for which limit; it completes "it waits because ..."."""
        if self.is_blocked:
            return "Cloudflare blocks this address"

        limit = "limit of the webhook"
        if self.kind is OutcomeKind.RETRY:
            limit = f"HTTP {self.status}"
        elif self.is_global:
            limit = "global limit"
        elif self.code is not None and self.code in _BY_CODE:
            limit = _BY_CODE[self.code][1]
        elif self.is_about_channel:
            limit = "limit of the channel"

        return f"Discord asked for it ({limit})"

    @property
    def wait_detail(self) -> str:
        """What :attr:`wait_reason` says, and what the answer said, without saying it twice."""
        if self.reason.startswith(self.wait_reason):
            return self.reason

        if self.is_known_code and not self.is_global:
            return f"Discord asked for it: {self.reason}"

        return f"{self.wait_reason}: {self.reason}"


def classify(status: int, headers: Mapping[str, str], body: bytes) -> Outcome:
    """Return what an answer to the execution of a webhook means.

    :param status: HTTP's status
    :param headers: of the answer, in any case
    :param body: of the answer, as far as it could be read
    """
    headers = {name.lower(): value for name, value in headers.items()}
    answer = _json_object(body)
    data = answer or {}
    rate_limit = RateLimit(
        limit=_whole(headers.get("x-ratelimit-limit")),
        remaining=_whole(headers.get("x-ratelimit-remaining")),
        reset_after=parse_seconds(headers.get("x-ratelimit-reset-after")),
    )
    if 200 <= status < 300:
        return _delivered(status, headers, body, data, rate_limit)

    code = _whole(data.get("code"))
    is_blocked = code == _CLOUDFLARE_BLOCK
    if code is not None and code in _BY_CODE:
        kind, reason = _BY_CODE[code]
    elif _is_cloudflares(status, headers, body, answer):
        is_blocked = True
        kind, reason = _BY_CODE[_CLOUDFLARE_BLOCK]
    elif status in _BY_STATUS:
        kind, reason = _BY_STATUS[status]
    else:
        kind, reason = _BY_CLASS.get(status // 100, _NOT_HTTP)

    errors = tuple(islice(_errors(data), _MAX_ERRORS))
    # The header is in whole seconds, rounded up; the body is exact.
    seconds = parse_seconds(data.get("retry_after"))
    if seconds is None:
        seconds = retry_after(headers)

    if kind is OutcomeKind.RETRY_AFTER and seconds is None:
        seconds = _default_retry_after(code, is_blocked, rate_limit)

    scope = headers.get("x-ratelimit-scope", "").lower()
    return Outcome(
        kind=kind,
        reason=_sentence(reason, status, code, data, errors),
        status=status,
        code=code,
        errors=errors,
        bad_embeds=_bad_embeds(errors),
        retry_after=seconds,
        scope=scope if scope in ("user", "global", "shared") else None,
        is_global=scope == "global"
        or data.get("global") is True
        or headers.get("x-ratelimit-global", "").lower() == "true",
        is_blocked=is_blocked,
        may_be_carried_out=status in _ANSWER_LOST_STATUSES,
        rate_limit=rate_limit,
    )


def _default_retry_after(code: int | None, is_blocked: bool, rate_limit: RateLimit) -> float:
    """Return how long to wait, in seconds, if the answer does not say."""
    if code == OLD_EDITS_CODE:
        # The bucket in the headers is another limit.
        return OLD_EDITS_RETRY_AFTER

    return rate_limit.reset_after or (BLOCKED_RETRY_AFTER if is_blocked else DEFAULT_RETRY_AFTER)


def _delivered(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    data: Mapping[str, object],
    rate_limit: RateLimit,
) -> Outcome:
    # A proxy or a network that asks for a login answers 200 with a page of its own.
    is_html = headers.get("content-type", "").lower().startswith("text/html")
    if is_html and body.lstrip().startswith(b"<"):
        return Outcome(
            OutcomeKind.RETRY,
            f"the answer is a web page and not Discord's (HTTP {status})",
            status=status,
        )

    return Outcome(
        OutcomeKind.DELIVERED,
        f"delivered (HTTP {status})",
        status=status,
        message_id=read_id(data, "id"),
        channel_id=read_id(data, "channel_id"),
        rate_limit=rate_limit,
    )


def _is_cloudflares(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    answer: Mapping[str, object] | None,
) -> bool:
    """Return whether the request was stopped before it reached Discord.

    Discord's own rejections are JSON, come through its proxies, which add ``Via``, and say when to
    retry.
    """
    if status not in (403, 429):
        return False

    if answer is None:
        return bool(body.strip())

    return status == 429 and "via" not in headers and "retry_after" not in answer


def _json_object(body: bytes) -> Mapping[str, object] | None:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return None

    return data if isinstance(data, dict) else None


def _whole(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)

    return value if isinstance(value, int) and not isinstance(value, bool) else None


def read_id(data: Mapping[str, object], key: str) -> str | None:
    """Return an id from an answer, None if there is none."""
    value = data.get(key)
    return value if isinstance(value, str) and _ID.fullmatch(value) else None


def _sentence(
    reason: str,
    status: int,
    code: int | None,
    data: Mapping[str, object],
    errors: tuple[DiscordError, ...],
) -> str:
    number = f"HTTP {status}, code {code}" if code else f"HTTP {status}"
    text = f"{reason} ({number})"
    if errors:
        return _bounded(f"{text}: {errors[0]}")

    said = data.get("message")
    return _bounded(f"{text}: {said}") if isinstance(said, str) and said else text


def _bounded(value: object) -> str:
    """Make a text from outside short and printable."""
    text = str(value)
    if len(text) > _TEXT_MAX_CHARACTERS:
        text = f"{text[: _TEXT_MAX_CHARACTERS - 1]}…"

    return "".join(c if c.isprintable() else " " for c in text)


def _errors(data: Mapping[str, object]) -> Iterator[DiscordError]:
    """Flatten Discord's nested errors.

    https://docs.discord.com/developers/reference#error-messages. An older form has no code and
    names fields or embeds in lists, such as ``{"embeds": ["0"]}`` or
    ``{"content": ["Must be 2000 or fewer in length."]}``.
    """
    nested = data.get("errors")
    if isinstance(nested, dict):
        yield from _flatten(nested, ())
    elif "code" not in data:
        for key, messages in data.items():
            if isinstance(messages, list):
                yield from (_old_error(key, message) for message in messages)


def _flatten(node: Mapping[str, object], path: tuple[str, ...]) -> Iterator[DiscordError]:
    if len(path) > _MAX_ERROR_DEPTH:
        return

    for key, value in node.items():
        if key == "_errors" and isinstance(value, list):
            for error in value:
                if isinstance(error, dict):
                    code, message = error.get("code", ""), error.get("message", "")
                    where = _bounded(".".join(path))
                    yield DiscordError(where, _bounded(code), _bounded(message))
        elif isinstance(value, dict):
            yield from _flatten(value, (*path, key))


def _old_error(key: str, message: object) -> DiscordError:
    text = _bounded(message)
    if text.isascii() and text.isdigit():
        return DiscordError(_bounded(f"{key}.{text}"), "", "is invalid")

    return DiscordError(_bounded(key), "", text)


def _bad_embeds(errors: Iterable[DiscordError]) -> tuple[int, ...]:
    found = (_BAD_EMBED.match(error.path) for error in errors)
    return tuple(sorted({int(match[1]) for match in found if match}))
