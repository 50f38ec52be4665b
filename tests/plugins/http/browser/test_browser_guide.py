"""The first evening of a LAN host, as in docs/tutorial.md, with the pictures that it shows."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from lanrage_events import GameStarted, Notification, PartyCreated, PeerJoined

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

FRIENDS = ("Ben", "Cleo", "Dara", "Eli")


def joined(name: str) -> PeerJoined:
    return PeerJoined(peer_name=name, party_name="Friday LAN")


def test_the_tutorial_leads_from_nothing_to_a_message(site: Any, wide_visit: Any) -> None:
    webhook = site.create_webhook()
    page = wide_visit.open(site.url)
    expect(page.get_by_text("Press New Webhook.")).to_be_visible()
    wide_visit.snap("guide-start")

    page.get_by_label("Webhook URL", exact=True).fill(webhook.url)
    page.locator("[data-step=webhook]").get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("button", name="Send a test message").click()
    expect(page.locator("[data-step=test]")).to_contain_text("Delivered.")
    wide_visit.snap("guide-connected")

    page.get_by_role("link", name="Live feed").click()
    expect(page.locator(".head-state")).to_contain_text("Live")
    site.publish(
        PartyCreated(party_id="lan-42", party_name="Friday LAN", host="Ann"),
        *map(joined, FRIENDS),
        GameStarted(game_name="Quake III Arena", players=("Ann", *FRIENDS)),
        Notification(title="Pizza", message="It is upstairs."),
    )
    expect(page.locator(".feed-row")).to_have_count(len(FRIENDS) + 3)
    wide_visit.snap("guide-feed")

    page.get_by_role("link", name="Discord", exact=True).click()
    page.get_by_role("link", name="Message preview").click()
    page.get_by_label("Event type").select_option("peer_joined")
    page.get_by_label("peer name").fill("Ann")
    expect(page.locator(".d-title")).to_contain_text("Ann joined")
    wide_visit.snap("guide-preview")
