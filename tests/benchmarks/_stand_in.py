"""The process that the senders post to: the stand-in for Discord on loopback."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import anyio
import anyio.to_thread

from lanrage_events_discord.testing import Record, StandInDiscord

from ._process import Line, hear, say

NAME = re.compile(r"player[0-9]+")


def text_of(record: Record) -> str:
    """Return what a message tells, as far as names can be in it."""
    body = record.body
    parts = [body.get("content") or ""]
    for embed in body.get("embeds") or ():
        parts += [embed.get("title") or "", embed.get("description") or ""]
        parts += [field["value"] for field in embed.get("fields") or ()]

    return "\n".join(parts)


class Service:
    """Does with a stand-in what the parent asks for."""

    def __init__(self, webhooks: int, **options: Any) -> None:
        self.discord = StandInDiscord(**options)
        self.webhooks = [self.discord.create_webhook() for _ in range(webhooks)]
        # Trio's clock begins anywhere; the senders tell the time of this one.
        self._offset = time.monotonic() - anyio.current_time()
        self._told: set[tuple[str | None, str]] = set()
        self._read = 0

    async def answer(self, do: str, **arguments: Any) -> Line:
        """Do one thing and return what to answer."""
        match do:
            case "fault":
                return self._fault(**arguments)
            case "delete_webhook":
                self.webhooks[0].delete(**arguments)
            case "wait_told":
                return await self._wait(self._count_told, **arguments)
            case "wait_accepted":
                return await self._wait(lambda: len(self.discord.journal.accepted), **arguments)
            case "report":
                indexes = {webhook.id: i for i, webhook in enumerate(self.webhooks)}
                records = self.discord.journal
                return {"records": [self._describe(r, indexes, **arguments) for r in records]}

        return {}

    def _fault(self, name: str, webhook: int | None = None, **arguments: Any) -> Line:
        if webhook is not None:
            arguments["webhook"] = self.webhooks[webhook]

        getattr(self.discord.faults, name)(**arguments)
        return {"time": time.monotonic()}

    async def _wait(
        self, counter: Callable[[], int], count: int, timeout: float, more: bool = False
    ) -> Line:
        """Wait until there are as many, or as many more."""
        wanted = count + (counter() if more else 0)
        with anyio.move_on_after(timeout) as scope:
            await self.discord.journal.wait_for(lambda _: counter() >= wanted)

        return {"in_time": not scope.cancelled_caught}

    def _count_told(self) -> int:
        journal = self.discord.journal
        for record in journal[self._read :]:
            if record.accepted and record.action == "execute":
                self._told.update((record.webhook_id, name) for name in names_in(record))

        self._read = len(journal)
        return len(self._told)

    def _describe(self, record: Record, indexes: dict[str, int], texts: bool = False) -> Line:
        return {
            "time": record.time + self._offset,
            "status": record.status,
            "accepted": record.accepted,
            "fault": record.fault,
            "webhook": indexes[record.webhook_id or ""],
            "names": names_in(record) if record.accepted else [],
            "text": text_of(record) if texts else "",
        }


def names_in(record: Record) -> list[str]:
    """Return the names of the events that a message tells."""
    return NAME.findall(text_of(record))


async def main() -> None:
    """Serve until the parent ends it."""
    service = Service(**hear())
    async with service.discord.serve():
        say(host=service.discord.host, urls=[webhook.url for webhook in service.webhooks])
        while (line := await anyio.to_thread.run_sync(hear))["do"] != "end":
            say(**await service.answer(**line))


if __name__ == "__main__":
    anyio.run(main)
