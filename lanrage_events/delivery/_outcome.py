"""What came of one request: delivered, retry, or rejected for good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ..backoff import MAX_RETRY_AFTER, retry_after
from ._entry import Entry

# https://www.rfc-editor.org/rfc/rfc9110#section-15.5 and https://www.rfc-editor.org/rfc/rfc6585
_RETRIED = (408, 425, 429)
_ABOUT_THE_TARGET = (401, 403, 404, 405, 407, 410)


class OutcomeKind(StrEnum):
    """What to do after a request."""

    DELIVERED = "delivered"
    RETRY = "retry"
    DEAD = "dead"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one request; make one with the methods of the class."""

    kind: OutcomeKind
    reason: str = ""
    """one line to show, without secrets"""
    entries: frozenset[int] | None = None
    """the ids of the entries that it is about; None if that is all of them, or unknown"""
    after: float | None = None
    """seconds that the receiver asks to wait"""
    detail: str = ""
    """the exact answer, which dead letters keep; without secrets"""
    code: str = ""
    """a short name of the reason for metrics, one of a bounded number, such as ``http_503``"""

    @classmethod
    def delivered(cls, entries: Sequence[Entry] | None = None) -> Outcome:
        """Return that the receiver has the entries.

        :param entries: which, if it has only a part of them; the others go with the next request
        """
        return cls(OutcomeKind.DELIVERED, entries=_ids(entries))

    @classmethod
    def retry(cls, reason: str, *, after: float | None = None, code: str = "") -> Outcome:
        """Return that the same entries are to be sent again, after a back-off.

        :param reason: why, in one line, without secrets
        :param after: seconds that the receiver asks to wait; at most a day
        :param code: for metrics, see :attr:`code`
        """
        if after is not None:
            after = min(after, MAX_RETRY_AFTER) if after > 0 else 0.0

        return cls(OutcomeKind.RETRY, reason, after=after, code=code)

    @classmethod
    def dead(
        cls,
        reason: str,
        entries: Sequence[Entry] | None = None,
        *,
        detail: str = "",
        code: str = "",
    ) -> Outcome:
        """Return that the receiver rejects entries for good; they become dead letters.

        :param reason: why, in one line, without secrets
        :param entries: which; the others go with the next request. None if that is not known: then
            halves of them are sent, until a request of one entry is rejected
        :param detail: the exact answer, without secrets
        :param code: for metrics, see :attr:`code`
        """
        return cls(OutcomeKind.DEAD, reason, _ids(entries), detail=detail, code=code)

    @classmethod
    def stop(cls, reason: str, *, code: str = "") -> Outcome:
        """Return that the lane is not to send anything more, such as because a token is wrong.

        Its entries are kept. It sends again after a restart or a reload of the plugin, or after
        :meth:`Delivery.resume`.

        :param reason: why and what to do, in one line, without secrets
        :param code: for metrics, see :attr:`code`
        """
        return cls(OutcomeKind.STOP, reason, code=code)

    @classmethod
    def from_status(
        cls, status: int, headers: Mapping[str, str] | None = None, detail: str = ""
    ) -> Outcome:
        """Return what an answer of HTTP usually means.

        2xx is delivered. 408, 425, 429 and 5xx are retried, not before ``Retry-After``. 3xx is
        retried, too, since a network that wants a login redirects. 401, 403, 404, 405, 407 and 410
        stop the lane, since they are about the address or the token. Anything else rejects the
        entries.

        :param status: HTTP's status
        :param headers: of the answer, in any case
        :param detail: such as its body; without secrets
        """
        code, reason = f"http_{status}", f"HTTP {status}"
        if 200 <= status < 300:
            return cls.delivered()

        if status in _RETRIED or status >= 500:
            return cls.retry(reason, after=retry_after(headers or {}), code=code)

        if 300 <= status < 400:
            remedy = "set the address that it redirects to, which is not followed"
            return cls.retry(f"{reason}: {remedy}", code=code)

        if status in _ABOUT_THE_TARGET:
            return cls.stop(f"{reason}: check the address and the token", code=code)

        return cls.dead(reason, detail=detail, code=code)


def _ids(entries: Sequence[Entry] | None) -> frozenset[int] | None:
    return None if entries is None else frozenset(entry.id for entry in entries)
