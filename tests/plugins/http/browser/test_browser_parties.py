"""Who is on: the parties, live, with since-times, whatever people call themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from lanrage_events import GameStarted, PeerJoined, PeerLeft
from lanrage_events_parties import PartiesConfig, PartiesPlugin

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

HOSTILE = "\u202e<b>evil</b>" + "W" * 5000


def ago(minutes: float) -> datetime:
    return datetime.now(UTC) - timedelta(minutes=minutes)


def joined(name: str, party: str = "Friday LAN", minutes: float = 0) -> PeerJoined:
    return PeerJoined(peer_name=name, party_name=party, time=ago(minutes))


def open_parties(site: Any, visit: Any) -> Page:
    plugin = PartiesPlugin(PartiesConfig())
    site.call(lambda: site.bus.plugins.register_and_wait(plugin, "parties"))
    page: Page = visit.open(site.url)
    with page.expect_response(lambda response: "/api/events/stream" in response.url):
        page.get_by_role("link", name="Who is on").click()

    return page


def test_discord_comes_first_until_a_channel_is_connected(site: Any, wide_visit: Any) -> None:
    plugin = site.bus.plugins["discord"]
    config = plugin.config
    site.call(lambda: site.bus.unregister("discord", 1))
    for name, one in (
        ("parties", PartiesPlugin(PartiesConfig())),
        ("discord", type(plugin)(config)),
    ):
        site.call(partial(site.bus.plugins.register_and_wait, one, name))

    page = wide_visit.open(site.url)
    heading, links = page.get_by_role("heading", level=1), page.locator("#sections a")
    expect(heading).to_have_text("Discord")
    expect(links.nth(0)).to_have_text("Discord")
    expect(links.nth(1)).to_have_text("Who is on")
    wide_visit.snap("first-discord")
    answer = page.request.post(
        f"{site.url}api/discord/webhook", data={"webhook_url": site.create_webhook().url}
    )
    assert answer.ok
    page.goto(site.url)
    page.reload()
    expect(heading).to_have_text("Who is on")
    expect(links.nth(1)).to_have_text("Discord")


def test_who_is_on_is_shown_live(site: Any, wide_visit: Any) -> None:
    page = open_parties(site, wide_visit)
    expect(page.get_by_role("heading", level=2)).to_have_text("Nobody is on")
    expect(page.get_by_text("Nobody is in a party.")).to_be_visible()
    wide_visit.snap("parties-empty")

    site.publish(joined("Ann", minutes=130))
    card = page.get_by_role("region", name="Friday LAN")
    expect(card.get_by_role("listitem")).to_have_count(1)
    expect(card.get_by_role("listitem")).to_contain_text("2 hours 10 minutes")
    expect(page.get_by_text("1 player in 1 party.")).to_be_visible()

    game = GameStarted(game_name="Factorio", players=("Ann", "Zed"), time=ago(50))
    site.publish(joined("Bob"), game)
    expect(card.get_by_role("listitem")).to_have_count(2)
    expect(card).to_contain_text("Factorio, 50 minutes")
    expect(card).to_contain_text("Playing: Ann, Zed")
    expect(card).to_contain_text("under a minute")

    site.publish(PeerLeft(peer_name="Ann", party_name="Friday LAN"))
    expect(card.get_by_role("listitem")).to_have_count(1)
    site.publish(PeerLeft(peer_name="Bob", party_name="Friday LAN"))
    expect(card.get_by_role("listitem")).to_have_count(0)


def test_times_count_themselves(site: Any, wide_visit: Any) -> None:
    wide_visit.page.clock.install()
    site.publish()
    page = open_parties(site, wide_visit)
    site.publish(joined("Ann", minutes=2))
    row = page.get_by_role("listitem").filter(has_text="Ann")
    expect(row).to_contain_text("2 minutes")
    # No event comes.
    page.clock.fast_forward("01:00:00")
    expect(row).to_contain_text("1 hour 2 minutes")


def test_hostile_names_and_crowds_fit(site: Any, visit: Any) -> None:
    page = open_parties(site, visit)
    site.publish(
        *(joined(f"Player {number}", "Big server", 500 - number) for number in range(500)),
        joined(HOSTILE, HOSTILE, 3),
        joined("\u200b", HOSTILE),
    )
    big = page.get_by_role("region", name="Big server")
    expect(big.get_by_role("listitem")).to_have_count(50)
    hostile = page.locator("[data-party]").filter(has_text="evil")
    expect(hostile.get_by_role("listitem")).to_have_count(2)
    expect(hostile.get_by_role("listitem").last).to_contain_text('"\\u200b"')
    assert page.locator("main b").count() == 0
    visit.snap("parties")

    button = big.get_by_role("button", name="Show all 500")
    button.focus()
    page.keyboard.press("Enter")
    expect(big.get_by_role("listitem")).to_have_count(500)
    expect(big.get_by_role("heading")).to_be_focused()
    site.publish(joined("Last", "Big server"))
    expect(big.get_by_role("listitem")).to_have_count(501)


def test_what_has_not_changed_stays_the_same_element(site: Any, wide_visit: Any) -> None:
    page = open_parties(site, wide_visit)
    site.publish(joined("Ann", "Red", 5))
    row = page.get_by_role("listitem").filter(has_text="Ann")
    expect(row).to_be_visible()
    node = row.element_handle()
    site.publish(joined("Bob", "Blue"))
    expect(page.get_by_role("region", name="Blue")).to_be_visible()
    assert node is not None
    assert node.evaluate("node => node.isConnected")
    names = page.locator("[data-party] h2").all_text_contents()
    assert names == ["Blue", "Red"]
