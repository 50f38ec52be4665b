"""The interface of a connection to Discord, and its exceptions."""

from __future__ import annotations

from typing import Literal, Protocol

from ._activity import Activity

_Kind = Literal["absent", "broken", "rejected"]


class DiscordUnreachable(Exception):
    """Raised when there is no connection to Discord, or no longer.

    :param reason: a sentence for people
    :param kind: ``absent`` if Discord is not running, which is normal; ``broken`` if it misbehaves;
        ``rejected`` if it does not accept this application, so that retrying soon is no use
    """

    def __init__(self, reason: str, kind: _Kind = "absent") -> None:
        self.reason = reason
        self.kind: _Kind = kind
        super().__init__(reason)


class ActivityRejected(Exception):
    """Raised when Discord rejects an activity; the connection stays usable."""


class Connection(Protocol):
    """A connection to the Discord client on this computer."""

    async def show(self, activity: Activity | None) -> None:
        """Replace the activity that Discord shows, or clear it with ``None``.

        :raises ActivityRejected: if Discord rejects it
        :raises DiscordUnreachable: if the connection fails
        """
        ...

    async def wait_closed(self) -> DiscordUnreachable:
        """Wait until Discord ends the connection; return why."""
        ...
