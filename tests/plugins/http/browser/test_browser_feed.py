"""The live feed."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from lanrage_events import GameEnded, GameStarted, Notification, PartyCreated, PeerJoined

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

HOSTILE = "<img src=x onerror=alert(1)> \u202edlrow"


def joined(name: str) -> PeerJoined:
    return PeerJoined(peer_name=name, party_name="Friday LAN")


def rows(page: Page) -> Any:
    return page.locator(".feed-row")


def test_events_appear_the_newest_first(site: Any, visit: Any) -> None:
    site.publish(joined("Before"))
    page = visit.open(site.url, "feed")
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text("Before")
    site.publish(
        PartyCreated(party_id="lan-42", party_name="Friday LAN", host="Ann"),
        GameStarted(game_name="Quake III Arena", players=("Ann", "Ben", "Cy")),
        GameEnded(game_name="Quake III Arena", duration=3661.0, avg_latency=None),
        Notification(title="Pizza is here", message="Upstairs. First come, first served."),
        joined(HOSTILE),
    )
    expect(rows(page)).to_have_count(6)
    expect(rows(page).nth(0)).to_contain_text(HOSTILE.replace("\u202e", "").replace("\u202d", ""))
    expect(rows(page).nth(3)).to_contain_text("players Ann, Ben, Cy")
    expect(rows(page).nth(5)).to_contain_text("Before")
    expect(page.locator(".head-state")).to_contain_text("Live")
    expect(page.locator("main img")).to_have_count(0)

    details = rows(page).nth(0).get_by_role("button", name="Details of peer joined")
    expect(details).to_have_attribute("aria-expanded", "false")
    details.click()
    expect(rows(page).nth(0).locator("pre")).to_contain_text('"party_name": "Friday LAN"')
    expect(rows(page).nth(0).locator("pre")).to_contain_text(r"\u202edlrow")
    visit.snap("feed")


def test_nothing_is_shown_until_something_happens(site: Any, wide_visit: Any) -> None:
    page = wide_visit.open(site.url, "feed")
    expect(page.get_by_text("No events yet")).to_be_visible()
    expect(page.locator(".head-state")).to_contain_text("Live")
    wide_visit.snap("feed-empty")
    site.publish(joined("Ann"))
    expect(page.get_by_text("No events yet")).to_be_hidden()


def test_the_filter_leaves_one_type(site: Any, wide_visit: Any) -> None:
    site.publish(joined("Ann"), Notification(title="Pizza", message="is here"))
    page = wide_visit.open(site.url, "feed")
    expect(rows(page)).to_have_count(2)
    page.get_by_role("button", name="notification", exact=True).click()
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text("Pizza")
    site.publish(joined("Ben"), Notification(title="More", message="pizza"))
    expect(rows(page)).to_have_count(2)
    expect(rows(page).nth(0)).to_contain_text("More")
    page.get_by_role("button", name="peer joined").click()
    expect(rows(page)).to_have_count(4)
    page.get_by_role("button", name="notification", exact=True).click()
    expect(rows(page)).to_have_count(2)
    expect(rows(page).nth(0)).to_contain_text("Ben")
    page.get_by_role("button", name="All types").click()
    expect(page.get_by_role("button", name="All types")).to_have_attribute("aria-pressed", "true")
    expect(rows(page)).to_have_count(4)


def test_it_can_be_paused_and_cleared(site: Any, wide_visit: Any) -> None:
    site.publish(joined("Ann"))
    page = wide_visit.open(site.url, "feed")
    expect(rows(page)).to_have_count(1)
    page.get_by_role("button", name="Pause").click()
    site.publish(joined("Ben"), joined("Cy"))
    more = page.get_by_role("button", name="Continue (2 new)")
    expect(more).to_be_visible()
    expect(rows(page)).to_have_count(1)
    more.click()
    expect(rows(page)).to_have_count(3)
    page.get_by_role("button", name="Clear").click()
    expect(rows(page)).to_have_count(0)


def test_the_newest_two_hundred_are_kept(site: Any, wide_visit: Any) -> None:
    page = wide_visit.open(site.url, "feed")
    expect(page.locator(".head-state")).to_contain_text("Live")
    for start in range(0, 250, 50):
        site.publish(*[joined(f"Player {number}") for number in range(start, start + 50)])

    expect(rows(page).nth(0)).to_contain_text("Player 249")
    expect(rows(page)).to_have_count(200)
    expect(rows(page).nth(199)).to_contain_text("Player 50")


def test_it_goes_on_after_a_restart_and_shows_what_may_be_missing(
    site: Any, wide_visit: Any
) -> None:
    wide_visit.expects_disconnection = True
    page = wide_visit.open(site.url, "feed")
    expect(page.locator(".head-state")).to_contain_text("Live")
    site.publish(joined("Ann"))
    expect(rows(page)).to_have_count(1)
    site.restart_page()
    expect(page.locator(".feed-gap")).to_contain_text("events are missing here")
    expect(page.locator(".head-state")).to_contain_text("Live")
    site.publish(joined("Ben"))
    expect(rows(page)).to_have_count(2)
    expect(rows(page).nth(0)).to_contain_text("Ben")


def test_the_page_shows_that_the_program_is_gone(site: Any, wide_visit: Any) -> None:
    wide_visit.expects_disconnection = True
    page = wide_visit.open(site.url, "plugins")
    expect(page.get_by_role("rowheader", name="discord")).to_be_visible()
    site.call(lambda: site.bus.unregister("http", 1))
    expect(page.get_by_text("lanrage-events does not answer. Trying again…")).to_be_visible()


def test_a_hidden_page_holds_no_connection_and_misses_nothing(site: Any, wide_visit: Any) -> None:
    page = wide_visit.open(site.url, "feed")
    expect(page.locator(".head-state")).to_contain_text("Live")
    site.publish(joined("Ann"))
    expect(rows(page)).to_have_count(1)
    with page.expect_event("requestfailed", lambda request: "stream" in request.url):
        hide(page, True)

    site.publish(joined("Ben"))
    expect(rows(page)).to_have_count(1)
    hide(page, False)
    expect(rows(page)).to_have_count(2)
    expect(rows(page).nth(0)).to_contain_text("Ben")
    expect(page.locator(".feed-gap")).to_have_count(0)


def hide(page: Page, hidden: bool) -> None:
    """Do what another tab in front does."""
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ann \u202egnp.exe", "Ann gnp.exe"),
        ("\u2066a\u2069\u200f\u061cb", "ab"),
        ("Z" + "\u0301" * 50 + "o", "Z" + "\u0301" * 3 + "o"),
        ("\u0e01" + "\u0e49" * 50, "\u0e01" + "\u0e49" * 3),
        ("\u0e01" + "\u0e49\u200d" * 50, "\u0e01" + "\u0e49\u200d\u0e49\u200d\u0e49"),
        ("a\u3164b\x1b[31m", "a b[31m"),
        ("", '""'),
        ("\u2003", r'"\u2003"'),
        ("\u17b4", r'"\u17b4"'),
        ("\U0001d159", r'"\ud834\udd59"'),
        ("ที่รัก हिन्दी السَّلَامُ שָׁלוֹם", "ที่รัก हिन्दी السَّلَامُ שָׁלוֹם"),
        (f"{FAMILY} ❤️‍🔥 1️⃣ 👍🏽", f"{FAMILY} ❤️‍🔥 1️⃣ 👍🏽"),
    ],
)
def test_a_name_is_as_harmless_as_in_discord(
    site: Any, wide_visit: Any, name: str, shown: str
) -> None:
    page = wide_visit.open(site.url, "feed")
    site.publish(GameStarted(game_name=name, players=(name, "Ben")))
    expect(rows(page)).to_have_count(1)

    parts = rows(page).locator("bdi").all_text_contents()

    assert parts == [shown, shown, "Ben"]


def test_details_show_what_was_removed(site: Any, wide_visit: Any) -> None:
    page = wide_visit.open(site.url, "feed")
    site.publish(joined("a\u202eb\u3164" + "Z" + "\u0301" * 5 + "\U000e0041"))
    rows(page).get_by_role("button", name="Details of peer joined").click()

    expected = r'"a\u202eb\u3164Z' + "\u0301" * 3 + r'\u0301\u0301\udb40\udc41"'
    expect(rows(page).locator("pre")).to_contain_text(expected)


def test_a_name_from_right_to_left_leaves_its_neighbours_in_their_places(
    site: Any, wide_visit: Any
) -> None:
    page = wide_visit.open(site.url, "feed")
    site.publish(GameStarted(game_name="Quake", players=("א1", "2ב", "Cy")))
    expect(rows(page)).to_have_count(1)

    lefts = [
        part.bounding_box()["x"]
        for part in rows(page).locator("bdi").all()
        if part.text_content() != "Quake"
    ]

    assert lefts == sorted(lefts)
