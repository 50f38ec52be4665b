"""The delivery of the last minutes, and what was refused for good."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from lanrage_events import Notification, PeerJoined
from lanrage_events_discord.testing import StandInDiscord

pytestmark = pytest.mark.real_clock

INVALID = {"code": 50035, "message": "Invalid Form Body"}


def configured(discord: StandInDiscord) -> dict[str, Any]:
    return {
        "webhook_url": discord.create_webhook().url,
        "batch": {"window": "0s", "style": "embeds"},
    }


def lane(page: Page) -> Any:
    return page.locator("[data-lane=default]")


def letters(page: Page) -> Any:
    return page.locator(".letter")


def refuse(site: Any, *titles: str) -> None:
    """Have Discord refuse some messages for good."""
    for title in titles:
        # With all of its embeds, and once more reduced to plain text.
        site.call(lambda: site.discord.faults.fail(400, **INVALID, times=2, action="execute"))
        site.publish(Notification(title=title, message="never arrives"))
        wait_until_dead(site)


def wait_until_dead(site: Any) -> None:
    pass
