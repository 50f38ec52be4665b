"""What a daemon answers, as the commands need it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx

from lanrage_events import LanrageEventsError

# What goes by without anybody's help: too busy, too many requests, restarting.
PASSING_STATUSES = frozenset({408, 429, 502, 503, 504})


class DaemonError(LanrageEventsError):
    """Raised when the daemon did not do what it was asked for.

    :param reason: why, and the remedy, in one line
    :param is_passing: whether the same request may succeed later
    :param retry_after: how many seconds the daemon wants to be left alone
    :param status: the HTTP status, if there is an answer
    """

    def __init__(
        self,
        reason: str,
        *,
        is_passing: bool = False,
        retry_after: float = 0.0,
        status: int | None = None,
    ) -> None:
        self.reason = reason
        self.is_passing = is_passing
        self.retry_after = retry_after
        self.status = status
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that the daemon does not take."""

    index: int
    """its position among those that were posted"""
    errors: tuple[tuple[str, str], ...]
    """the path of each field with what is wrong with it"""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of events that were posted once."""

    taken: frozenset[str]
    """the ids of those that will be delivered"""
    repeated: frozenset[str] = frozenset()
    """the ids that the daemon had taken before"""
    refused: tuple[Rejection, ...] = ()
    """those that it will never take"""
    problem: DaemonError | None = None
    """why the others were not taken and are worth another attempt"""


def texts(value: object) -> frozenset[str]:
    items = value if isinstance(value, list) else []
    return frozenset(item for item in items if isinstance(item, str))


def rejections(value: object, count: int) -> Iterator[Rejection]:
    for item in value if isinstance(value, list) else ():
        index = item.get("index") if isinstance(item, dict) else None
        if type(index) is int and 0 <= index < count:
            yield Rejection(index, field_errors(item.get("errors")) or (("", "refused"),))


def field_errors(value: object) -> tuple[tuple[str, str], ...]:
    """Read what is wrong with fields, each as path and message."""
    return tuple(
        (str(item.get("path") or ""), str(item.get("message") or "refused"))
        for item in (value if isinstance(value, list) else ())
        if isinstance(item, dict)
    )


def retry_after(headers: httpx.Headers) -> float:
    """Return the seconds to wait.

    https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
    """
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        return float(text)

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError, OSError):
        return 0.0


def media_type(headers: httpx.Headers) -> str:
    media_type: str = headers.get("Content-Type", "")
    return media_type.partition(";")[0].strip().lower()
