"""What the updater needs of Discord, and what can go wrong with it."""

from __future__ import annotations

from typing import Literal, Protocol

from ._activity import Activity


class DiscordUnreachable(Exception):
    """Raised when there is no connection to Discord, or no longer.

    :param reason: one sentence for people
    :param kind: ``absent`` if Discord is not there, which is nothing special, ``broken`` if it does
        not behave, ``rejected`` if it does not accept this application, so that trying soon is no use
    """

    def __init__(
        self, reason: str, kind: Literal["absent", "broken", "rejected"] = "absent"
    ) -> None:
        self.reason = reason
        self.kind = kind
        super().__init__(reason)


class ActivityRejected(Exception):
    """Raised when Discord does not accept an activity; the connection is still good."""


class Connection(Protocol):
    """A connection to the Discord client on this computer."""

    async def show(self, activity: Activity | None) -> None:
        """Replace what Discord shows; ``None`` shows nothing.

        :raises ActivityRejected: if Discord does not accept it
        :raises DiscordUnreachable: if it cannot be asked
        """
        ...

    async def wait_closed(self) -> DiscordUnreachable:
        """Wait until Discord ends the connection; return why."""
        ...
