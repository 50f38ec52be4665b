"""What the command ``outbox list`` shows of the cards, on files as the daemon leaves them."""

from __future__ import annotations

import json
from contextvars import Context
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread

from lanrage_events import PeerJoined
from lanrage_events._cli import main
from lanrage_events.outbox import Outbox
from lanrage_events_discord._cards import CardStore
from lanrage_events_discord._config import CardConfig

POSTED = datetime(2026, 11, 30, 20, 0, tzinfo=UTC).timestamp()


@pytest.mark.real_clock
async def test_outbox_list_shows_the_open_cards_beside_the_daemon(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Outbox(tmp_path / "discord.outbox"):
        pass

    def listed() -> list[dict[str, Any]]:
        capsys.readouterr()
        assert main(["outbox", "list", "--json", "--state-folder", str(tmp_path)]) == 0
        cards: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["cards"]
        return cards

    events = [
        *(
            PeerJoined(peer_name="Ann", party_name=name)
            for name in ("Shown", "Stopped", "Waits", "Removed", "Over")
        ),
        PeerJoined(peer_name="Ann", party_name="", party_id="lan-7"),
    ]
    async with CardStore.opened(tmp_path / "discord.cards", [CardConfig()]) as store:
        for event in events:
            store.follow(event)

        shown, stopped, waits, removed, over, by_id = store.cards_of("default")
        shown.message_id, shown.posted_at, shown.is_due = "123", POSTED, False
        stopped.stopped, removed.is_removed, over.is_done = "Discord rejects it", True, True
        await store.save()
        for card in (shown, stopped, removed, over):
            await store.save(card)

        beside = await to_thread.run_sync(Context().run, listed)

    after = await to_thread.run_sync(Context().run, listed)
    not_posted = {"webhook": "default", "over": "no", "posted": None, "message": None}
    expected = [
        {**not_posted, "card": stopped.id, "party": "Stopped", "state": "stopped"}
        | {"reason": "Discord rejects it"},
        {**not_posted, "card": shown.id, "party": "Shown", "state": "shown", "reason": ""}
        | {"posted": "2026-11-30 20:00:00Z", "message": "123"},
        {**not_posted, "card": waits.id, "party": "Waits", "state": "waiting", "reason": ""},
        {**not_posted, "card": by_id.id, "party": "lan-7", "state": "waiting", "reason": ""},
    ]
    assert beside == expected
    assert after == expected
