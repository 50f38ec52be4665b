"""A problem: something that does not work, as it was seen at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lanrage_events.cli import counted


class ProblemKind(StrEnum):
    """What does not work."""

    WEBHOOK = "webhook"
    """a webhook is not used any more"""
    REJECTED = "rejected"
    """Discord rejected events for a webhook, which are dead letters now"""
    DROPPED = "dropped"
    """a plugin lost events, because its mailbox or its outbox is full or cannot be written"""
    PLUGIN = "plugin"
    """a plugin failed, and perhaps was restarted"""
    SILENT = "silent"
    """nothing comes from a source"""
    LATE = "late"
    """events for a webhook wait for too long"""
    CARD = "card"
    """cards of a webhook have stopped"""

    @property
    def happens(self) -> bool:
        """Whether it matters even if it was over within moments."""
        return self in (ProblemKind.REJECTED, ProblemKind.DROPPED, ProblemKind.PLUGIN)

    @property
    def recurs(self) -> bool:
        """Whether it is over only if it does not happen again for a while."""
        return self in (ProblemKind.REJECTED, ProblemKind.DROPPED)

    @property
    def is_about_webhook(self) -> bool:
        """Whether its subject is the name of a webhook."""
        return self not in (ProblemKind.DROPPED, ProblemKind.PLUGIN, ProblemKind.SILENT)


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem, as it was seen at one moment."""

    kind: ProblemKind
    subject: str
    """the name of the webhook, the plugin or the source"""
    detail: str = ""
    """why, without secrets; empty if that is not known"""
    count: int = 0
    """how many events or failures there were since the last look"""
    seconds: float = 0.0
    """how long it has lasted, if that is known"""

    @property
    def key(self) -> tuple[ProblemKind, str]:
        """What is the same for each sight of the same problem."""
        return self.kind, self.subject

    def __str__(self) -> str:
        """Return it in words for the log."""
        count, minutes = counted(self.count, "event"), max(1, round(self.seconds / 60))
        what = {
            ProblemKind.WEBHOOK: f"webhook '{self.subject}' does not work",
            ProblemKind.REJECTED: f"webhook '{self.subject}': Discord rejected {count}",
            ProblemKind.DROPPED: f"plugin '{self.subject}' lost {count}",
            ProblemKind.PLUGIN: f"plugin '{self.subject}' failed",
            ProblemKind.SILENT: f"nothing has come from '{self.subject}' for {minutes:,} min",
            ProblemKind.LATE: f"events for webhook '{self.subject}' wait for {minutes:,} min",
            ProblemKind.CARD: f"a card of webhook '{self.subject}' has stopped",
        }[self.kind]
        return f"{what}: {self.detail}" if self.detail else what
