"""The open cards on the page: what Discord has of each, posting one again and removing it."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from lanrage_events import PeerJoined
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_parties import PartiesConfig, PartiesPlugin

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

HOSTILE = "\u202e<b>evil</b>" + "W" * 5000


def joined(name: str, party: str) -> PeerJoined:
    return PeerJoined(peer_name=name, party_name=party)


def open_cards(site: Any, visit: Any, cards: object = True, **config: Any) -> Page:
    """Open the page of a plugin that has cards."""
    site.webhook = site.create_webhook()
    settings = {"webhook_url": site.webhook.url, "cards": cards, **config}
    settings["allow_hosts"] = [site.discord.host]
    register = site.bus.plugins.register_and_wait
    site.call(lambda: site.bus.unregister("discord", 1))
    if cards:
        site.call(partial(register, PartiesPlugin(PartiesConfig()), "parties"))

    site.call(partial(register, DiscordPlugin(DiscordConfig.model_validate(settings)), "discord"))
    page: Page = visit.open(site.url, "discord/cards")
    return page


def card_of(page: Page, party: str) -> Any:
    return page.locator("[data-card]").filter(has=page.get_by_role("heading", name=party))


def test_cards_are_shown_with_their_state_and_why(site: Any, wide_visit: Any) -> None:
    page = open_cards(site, wide_visit, cards=[{"messages": []}])
    region = page.get_by_role("region", name="Cards")
    expect(region).to_contain_text("The next party that someone joins has one.")
    wide_visit.snap("cards-empty")
    site.publish(joined("Ann", "Friday LAN"))
    friday = card_of(page, "Friday LAN")
    expect(friday).to_contain_text("Shown")
    expect(friday).to_contain_text("Webhook default.")
    expect(friday).to_contain_text("Began just now, last change just now.")
    # Whether a stand-in has a server is not known.
    expect(friday.get_by_role("link")).to_have_count(0)

    site.discord.faults.fail(400, code=50035, message="bad embed", times=2)
    site.publish(joined("Bob", "Quake night"))
    stopped = card_of(page, "Quake night")
    expect(stopped).to_contain_text("Stopped")
    expect(stopped).to_contain_text("bad embed")
    expect(stopped).to_contain_text("not posted yet")
    expect(page.get_by_role("link", name="Cards 1 stopped")).to_be_visible()
    # What has stopped needs a look.
    expect(region.get_by_role("heading", level=3).first).to_have_text("Quake night")

    site.discord.faults.fail(503, times=1000)
    site.publish(joined("Cid", HOSTILE))
    waiting = page.locator("[data-card]").filter(has_text="Waiting for Discord")
    expect(waiting).to_have_count(1)
    expect(waiting).to_contain_text("503")
    expect(waiting.get_by_role("heading")).to_contain_text("<b>evil</b>WWW")
    wide_visit.snap("cards")
    site.discord.faults.clear()


def test_a_card_links_to_its_message_where_the_server_is_known(site: Any, wide_visit: Any) -> None:
    def add_links(route: Route) -> None:
        answer = route.fetch()
        found = answer.json()
        for card in found["cards"]:
            card["message_url"] = f"https://discord.com/channels/1/2/{card['message_id']}"

        route.fulfill(response=answer, json=found)

    page = open_cards(site, wide_visit)
    page.route("**/api/discord/cards*", add_links)
    site.publish(joined("Ann", "Friday LAN"))
    expect(card_of(page, "Friday LAN")).to_contain_text("Shown")
    [message] = site.webhook.messages
    link = page.get_by_role("link", name="Open the message in Discord")
    expect(link).to_have_attribute("href", f"https://discord.com/channels/1/2/{message['id']}")
    expect(link).to_have_attribute("rel", "noopener noreferrer")


def test_a_card_is_posted_again_with_the_keyboard(site: Any, wide_visit: Any) -> None:
    page = open_cards(site, wide_visit)
    site.publish(joined("Ann", "Friday LAN"))
    card = card_of(page, "Friday LAN")
    expect(card).to_contain_text("Shown")
    [before] = site.webhook.messages
    button = card.get_by_role("button", name="Post again Friday LAN")
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Post again: Friday LAN?")
    expect(dialog).to_contain_text(
        "A new message appears at the end of the channel, without a sound, and the old one is deleted."
    )
    wide_visit.snap("cards-post-again")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(button).to_be_focused()
    assert site.webhook.messages == [before]
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Post again").click()
    expect(page.locator("#announcements")).to_have_text("The card of Friday LAN is posted again.")
    expect(card).to_contain_text("Shown")
    [after] = site.webhook.messages
    assert after["id"] != before["id"]
    expect(button).to_be_focused()


def test_a_card_is_removed_for_its_party(site: Any, wide_visit: Any) -> None:
    page = open_cards(site, wide_visit, cards=[{"messages": []}])
    site.publish(joined("Ann", "Friday LAN"))
    card_of(page, "Friday LAN").get_by_role("button", name="Remove Friday LAN").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("this party gets no card there any more")
    dialog.get_by_role("button", name="Remove").click()
    expect(page.locator("#announcements")).to_have_text("The card of Friday LAN is removed.")
    expect(page.locator("[data-card]")).to_have_count(0)
    expect(page.get_by_role("heading", name="Cards")).to_be_focused()


def test_what_cannot_be_done_says_why(site: Any, wide_visit: Any) -> None:
    page = open_cards(site, wide_visit)
    wide_visit.expected.add(404)
    site.publish(joined("Ann", "Friday LAN"))
    card = card_of(page, "Friday LAN")
    card.get_by_role("button", name="Remove Friday LAN").click()
    page.route("**/api/discord/cards/*", lambda route: route.fulfill(status=404, json=GONE))
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(card.get_by_role("alert")).to_contain_text("its party may be over")


GONE = {"title": "Not Found", "status": 404, "detail": "there is no card: its party may be over"}


def test_without_cards_the_page_says_how_to_have_some(site: Any, wide_visit: Any) -> None:
    page = open_cards(site, wide_visit, cards=False)
    region = page.get_by_role("region", name="Cards")
    expect(region).to_contain_text("Give the plugin the setting cards in the configuration")
    wide_visit.snap("cards-none")


def test_a_token_that_may_only_read_sees_no_buttons(open_site: Any, wide_visit: Any) -> None:
    token = "made-up-token-for-reading"
    site = open_site(tokens={"reader": {"token": token, "scopes": ["read"]}})
    page = open_cards(site, wide_visit)
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Log in").click()
    page.goto(f"{site.url}#/discord/cards")
    site.publish(joined("Ann", "Friday LAN"))
    card = card_of(page, "Friday LAN")
    expect(card).to_contain_text("Shown")
    expect(card.get_by_role("button")).to_have_count(0)
