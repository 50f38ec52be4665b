"""The answers of a daemon."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from lanrage_events import LanrageEventsError
from lanrage_events.events import FieldProblem

# Too busy, too many requests, restarting.
TRANSIENT_STATUSES = frozenset({408, 429, 502, 503, 504})


class DaemonError(LanrageEventsError):
    """Raised when a request to the daemon failed.

    :param reason: why, and the remedy, in one line
    :param is_transient: whether the same request may succeed later
    :param retry_after: seconds to wait before that, from the daemon
    :param status: the HTTP status, if there is an answer
    :param is_in_doubt: whether an answer is missing, so that the daemon may have done what was asked
    """

    def __init__(
        self,
        reason: str,
        *,
        is_transient: bool = False,
        retry_after: float = 0.0,
        status: int | None = None,
        is_in_doubt: bool = False,
    ) -> None:
        self.is_in_doubt = is_in_doubt
        self.is_transient = is_transient
        self.retry_after = retry_after
        self.status = status
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that the daemon rejects, or of which it drops fields."""

    index: int
    """its position in the request"""
    errors: tuple[FieldProblem, ...]
    """what is wrong with which fields"""


@dataclass(frozen=True, slots=True)
class PostAnswer:
    """What became of the events of one request."""

    taken: frozenset[str]
    """the ids of the accepted events"""
    repeated: frozenset[str] = frozenset()
    """the ids that the daemon had accepted before"""
    rejected: tuple[Rejection, ...] = ()
    """the events that are not valid"""
    problem: DaemonError | None = None
    """why the others were not accepted, if they are worth another attempt"""
    dropped: tuple[Rejection, ...] = ()
    """the accepted events that have fields which their type does not have"""


def texts(value: object) -> frozenset[str]:
    items = value if isinstance(value, list) else []
    return frozenset(item for item in items if isinstance(item, str))


def rejections(value: object, count: int, key: str = "errors") -> Iterator[Rejection]:
    for item in value if isinstance(value, list) else ():
        index = item.get("index") if isinstance(item, dict) else None
        if type(index) is int and 0 <= index < count:
            yield Rejection(index, field_errors(item.get(key)) or (FieldProblem("", "rejected"),))


def field_errors(value: object) -> tuple[FieldProblem, ...]:
    return tuple(
        FieldProblem(str(item.get("path") or ""), str(item.get("message") or "rejected"))
        for item in (value if isinstance(value, list) else ())
        if isinstance(item, dict)
    )


def media_type(headers: httpx.Headers) -> str:
    media_type: str = headers.get("Content-Type", "")
    return media_type.partition(";")[0].strip().lower()
