"""Setting up Discord: from nothing to a delivered test message, and everything wrong on purpose."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from lanrage_events import PartyCreated, PeerJoined
from lanrage_events_discord.testing import StandInDiscord

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

TOKEN = "made-up-token-" + "x" * 54
WRONG_WEBHOOKS = [
    ("hello", "It must begin with https://"),
    (f"http://discord.com/api/webhooks/1/{TOKEN}", "not with http://"),
    (f"https://example.org/{TOKEN}", "does not lead to Discord: its host is example.org"),
    ("https://discord.gg/abc123", "This is an invite"),
    ("https://discord.com/channels/1/2", "This is the link of a channel"),
    ("https://discord.com/api/webhooks/", "number of the webhook is missing"),
    ("https://discord.com/api/webhooks/123", "The token is missing"),
    ("https://discord.com/api/webhooks/123/", "The token is missing"),
    ("https://discord.com/api/webhooks/123/ab%20c", "characters that no token has"),
    (f"https://discord.com/api/webhooks/123/{TOKEN}/slack", "goes on after its token"),
    (f"https://discord.com/api/webhooks/1/{TOKEN} and more", "a space or a line break"),
]
WRONG_INVITES = [
    ("discord.gg/abc", "It must begin with https://"),
    ("https://example.org/abc", "its host is example.org"),
    ("https://discord.gg/", "The code of the invite is missing"),
    ("https://discord.com/channels/1/2", "This is the link of a channel"),
    (f"https://discord.com/api/webhooks/1/{TOKEN}", "a secret and not an invite"),
    ("https://discord.com/developers", "it is not an invite"),
]


def step(page: Page, name: str) -> Any:
    return page.locator(f"[data-step={name}]")


def head(page: Page) -> Any:
    return page.locator(".head-state")


def set_webhook(page: Page, url: str) -> None:
    page.get_by_label("Webhook URL", exact=True).fill(url)
    step(page, "webhook").get_by_role("button", name="Save", exact=True).click()


def test_one_path_leads_from_nothing_to_a_delivered_test_message(site: Any, visit: Any) -> None:
    webhook = site.create_webhook(name="Party <b>news</b>")
    page = visit.open(site.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Discord")
    expect(head(page)).to_contain_text("Not set up")
    expect(page.get_by_text("Rich Presence")).to_be_hidden()
    expect(page.get_by_text("Press New Webhook.")).to_be_visible()
    expect(page.get_by_role("button", name="Send a test message")).to_be_disabled()
    visit.snap("setup-first")

    set_webhook(page, webhook.url)
    test = page.get_by_role("button", name="Send a test message")
    expect(test).to_be_focused()
    expect(step(page, "webhook")).to_contain_text("Posts as Party <b>news</b> in channel 1")
    test.click()
    expect(step(page, "test")).to_contain_text("Delivered.")
    expect(head(page)).to_contain_text("Ready")
    [message] = webhook.messages
    expect(step(page, "test").locator("code")).to_have_text(message["id"])
    visit.snap("setup-done")

    assert webhook.token not in page.content()
    site.publish(PeerJoined(peer_name="Ann", party_name="LAN"))
    page.reload()
    expect(step(page, "webhook")).to_contain_text("Connected")
    assert webhook.token not in page.content()
    expect(page.locator(".figures")).to_contain_text("Sent1")


def test_the_keyboard_is_enough(site: Any, visit: Any) -> None:
    webhook = site.create_webhook()
    page = visit.open(site.url)
    expect(page.get_by_label("Webhook URL", exact=True)).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.tagName") == "INPUT":
            break

    expect(page.get_by_label("Webhook URL", exact=True)).to_be_focused()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.insert_text(webhook.url)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Send a test message")).to_be_focused()
    page.keyboard.press("Enter")
    expect(step(page, "test")).to_contain_text("Delivered.")
    assert len(webhook.messages) == 1


def test_errors_are_shown_while_one_types(site: Any, wide_visit: Any) -> None:
    page = wide_visit.open(site.url)
    for label, key, wrong in [
        ("Webhook URL", "webhook", WRONG_WEBHOOKS),
        ("Invite URL", "invite", WRONG_INVITES),
    ]:
        field = page.get_by_label(label, exact=True)
        for text, expected in wrong:
            field.fill(text)
            expect(step(page, key).locator(".field-message")).to_contain_text(expected)
            expect(field).to_have_accessible_description(
                step(page, key).locator(".field-message").text_content()
            )

        step(page, key).get_by_role("button", name="Save", exact=True).click()
        expect(field).to_be_focused()
        expect(field).to_have_attribute("aria-invalid", "true")

    field = page.get_by_label("Webhook URL", exact=True)
    field.fill("https://discord.com/api/webhooks/123/cut-off")
    expect(step(page, "webhook")).to_contain_text("The token looks cut off: it has 7 characters")
    wide_visit.snap("setup-wrong")
    field.fill(f"  https://discord.com/api/webhooks/123/{TOKEN}\n")
    expect(step(page, "webhook")).to_contain_text("This looks like a whole webhook URL.")
    expect(field).not_to_have_attribute("aria-invalid", "true")
    field.fill("")
    step(page, "webhook").get_by_role("button", name="Save", exact=True).click()
    expect(step(page, "webhook")).to_contain_text("Paste the URL here first.")
    assert len(site.discord.journal) == 0


def test_the_url_is_hidden_until_one_asks(site: Any, wide_visit: Any) -> None:
    page = wide_visit.open(site.url)
    field = page.get_by_label("Webhook URL", exact=True)
    field.fill("https://discord.com/api/webhooks/123/secret")
    expect(field).to_have_css("-webkit-text-security", "disc")
    page.get_by_role("button", name="Show").click()
    expect(field).to_have_css("-webkit-text-security", "none")
    page.get_by_role("button", name="Hide").click()
    expect(field).to_have_css("-webkit-text-security", "disc")


def test_a_webhook_that_discord_does_not_know_is_not_saved(site: Any, wide_visit: Any) -> None:
    wide_visit.expected.add(422)
    webhook = site.create_webhook()
    page = wide_visit.open(site.url)
    set_webhook(page, webhook.url[:-1])
    expect(step(page, "webhook")).to_contain_text("Invalid Webhook Token")
    expect(page.get_by_label("Webhook URL", exact=True)).to_be_focused()
    expect(head(page)).to_contain_text("Not set up")


def test_it_can_be_saved_while_discord_cannot_be_asked(site: Any, wide_visit: Any) -> None:
    wide_visit.expected.add(503)
    webhook = site.create_webhook()
    site.call(lambda: site.discord.faults.fail(503, times=1))
    page = wide_visit.open(site.url)
    set_webhook(page, webhook.url)
    expect(step(page, "webhook")).to_contain_text("Discord cannot be asked")
    page.get_by_role("button", name="Save without asking Discord").click()
    expect(step(page, "webhook")).to_contain_text("A webhook is set.")
    page.get_by_role("button", name="Send a test message").click()
    expect(step(page, "test")).to_contain_text("Delivered.")


def test_the_test_shows_why_discord_rejects_it(site: Any, wide_visit: Any) -> None:
    webhook = site.create_webhook()
    page = wide_visit.open(site.url)
    set_webhook(page, webhook.url)
    expect(step(page, "webhook")).to_contain_text("Posts as")
    site.call(webhook.delete)
    page.get_by_role("button", name="Send a test message").click()
    expect(step(page, "test")).to_contain_text("Not delivered.")
    expect(step(page, "test")).to_contain_text("Unknown Webhook")
    expect(step(page, "test")).to_contain_text("Press Copy Webhook URL in Discord")
    expect(step(page, "webhook")).to_contain_text("Not working")
    wide_visit.snap("setup-rejected")


def test_the_test_shows_that_discord_is_not_reached(site: Any, wide_visit: Any) -> None:
    webhook = site.create_webhook()
    page = wide_visit.open(site.url)
    set_webhook(page, webhook.url)
    expect(step(page, "webhook")).to_contain_text("Posts as")
    site.call(lambda: site.discord.faults.refuse_connections(600))
    page.get_by_role("button", name="Send a test message").click()
    expect(step(page, "test")).to_contain_text("Discord could not be reached.")


def test_the_badge_shows_at_once_that_a_webhook_died_and_lives_again(
    site: Any, wide_visit: Any
) -> None:
    webhook, another = site.create_webhook(), site.create_webhook(name="Another")
    page = wide_visit.open(site.url)
    set_webhook(page, webhook.url)
    expect(head(page)).to_contain_text("Ready")
    site.call(webhook.delete)
    site.publish(PeerJoined(peer_name="Ann", party_name="LAN"))
    expect(head(page)).to_contain_text("Not working")
    expect(step(page, "webhook")).to_contain_text("Replace the URL")
    expect(page.locator("#announcements")).to_contain_text("Discord: Not working")
    expect(page.locator(".figures")).to_contain_text("Waiting1")
    wide_visit.snap("setup-dead")

    page.get_by_role("button", name="Replace the Webhook URL").click()
    expect(page.get_by_label("Webhook URL", exact=True)).to_be_focused()
    set_webhook(page, another.url)
    expect(step(page, "webhook")).to_contain_text("Posts as Another in channel 1")
    expect(head(page)).to_contain_text("Ready")
    expect(page.locator(".figures")).to_contain_text("Waiting0")
    assert "Ann" in str(another.messages)


def hold_back_answers(page: Page, path: str) -> Callable[[], None]:
    """Answer requests for a path only once the returned function is called."""
    held: list[Route] = []
    is_open = False

    def take(route: Route) -> None:
        if is_open:
            route.continue_()
        else:
            held.append(route)

    def let_go() -> None:
        nonlocal is_open
        is_open = True
        for route in held:
            route.continue_()

    page.route(path, take)
    return let_go


def wait_for_polls(page: Page, count: int = 2) -> None:
    for _ in range(count):
        with page.expect_response(lambda response: response.url.endswith("/status")):
            pass


def test_a_slow_discord_loses_no_url_that_replaces_another(site: Any, wide_visit: Any) -> None:
    wide_visit.expected.add(422)
    webhook, another = site.create_webhook(), site.create_webhook(name="Another")
    page = wide_visit.open(site.url)
    set_webhook(page, webhook.url)
    expect(step(page, "webhook")).to_contain_text("Posts as LANrage in channel 1")
    site.discord.latency = 3.0
    field = page.get_by_label("Webhook URL", exact=True)
    for url, expected in [(another.url[:-1], "Invalid Webhook Token"), (another.url, None)]:
        if field.count() == 0:
            page.get_by_role("button", name="Replace the Webhook URL").click()

        set_webhook(page, url)
        wait_for_polls(page)
        expect(field).to_have_value(url)
        expect(page.get_by_role("button", name="Saving…")).to_be_disabled()
        if expected is not None:
            expect(step(page, "webhook")).to_contain_text(expected)
            expect(field).to_have_value(url)
            expect(field).to_be_focused()

    expect(step(page, "webhook")).to_contain_text("Posts as Another in channel 1")


def test_a_slow_discord_loses_no_url_that_is_the_first(site: Any, wide_visit: Any) -> None:
    wide_visit.expected.add(422)
    webhook = site.create_webhook()
    site.discord.latency = 3.0
    page = wide_visit.open(site.url)
    set_webhook(page, webhook.url[:-1])
    wait_for_polls(page)
    expect(page.get_by_label("Webhook URL", exact=True)).to_have_value(webhook.url[:-1])
    expect(step(page, "webhook")).to_contain_text("Invalid Webhook Token")
    expect(page.get_by_label("Webhook URL", exact=True)).to_have_value(webhook.url[:-1])


def test_what_is_typed_stays_when_the_webhook_dies_meanwhile(site: Any, wide_visit: Any) -> None:
    webhook = site.create_webhook()
    page = wide_visit.open(site.url)
    set_webhook(page, webhook.url)
    page.get_by_role("button", name="Replace the Webhook URL").click()
    field = page.get_by_label("Webhook URL", exact=True)
    field.fill("https://discord.com/api/webhooks/12")
    site.call(webhook.delete)
    site.publish(PeerJoined(peer_name="Ann", party_name="LAN"))
    expect(step(page, "webhook")).to_contain_text("Unknown Webhook")
    expect(field).to_have_value("https://discord.com/api/webhooks/12")
    expect(field).to_be_focused()


def test_what_is_typed_stays_when_another_browser_is_first(site: Any, wide_visit: Any) -> None:
    webhook, another = site.create_webhook(), site.create_webhook(name="Another")
    page = wide_visit.open(site.url)
    field = page.get_by_label("Webhook URL", exact=True)
    field.fill(another.url)
    answer = page.request.post(f"{site.url}api/discord/webhook", data={"webhook_url": webhook.url})
    assert answer.ok
    expect(step(page, "webhook")).to_contain_text("Posts as LANrage in channel 1")
    expect(field).to_have_value(another.url)
    step(page, "webhook").get_by_role("button", name="Save", exact=True).click()
    expect(step(page, "webhook")).to_contain_text("Posts as Another in channel 1")


def test_what_is_typed_stays_when_instructions_come_late(site: Any, wide_visit: Any) -> None:
    page = wide_visit.page
    let_go = hold_back_answers(page, "**/api/discord/instructions")
    wide_visit.open(site.url)
    field = page.get_by_label("Webhook URL", exact=True)
    field.fill("https://discord.com/api/webhooks/12")
    let_go()
    expect(page.get_by_text("Press New Webhook.")).to_be_visible()
    expect(field).to_have_value("https://discord.com/api/webhooks/12")
    expect(field).to_be_focused()


def test_an_old_poll_does_not_undo_what_was_saved(site: Any, wide_visit: Any) -> None:
    webhook = site.create_webhook()
    page = wide_visit.open(site.url)
    expect(head(page)).to_contain_text("Not set up")
    old = page.request.get(f"{site.url}api/discord/status").json()
    held: list[Route] = []
    page.route("**/api/discord/status", lambda route: held.append(route))
    with page.expect_request("**/api/discord/status"):
        pass

    set_webhook(page, webhook.url)
    expect(step(page, "webhook")).to_contain_text("Posts as LANrage")
    with page.expect_response("**/api/discord/status"):
        held[0].fulfill(json=old)

    page.evaluate("() => new Promise(requestAnimationFrame)")
    assert "Posts as LANrage" in step(page, "webhook").inner_text()
    expect(head(page)).to_contain_text("Ready")
    page.unroute("**/api/discord/status")


def test_a_wait_that_discord_asks_for_is_counted_down(site: Any, wide_visit: Any) -> None:
    webhook = site.create_webhook()
    page = wide_visit.open(site.url)
    set_webhook(page, webhook.url)
    expect(step(page, "webhook")).to_contain_text("Posts as")
    site.call(lambda: site.discord.faults.fail(429, retry_after=600, action="execute"))
    page.get_by_role("button", name="Send a test message").click()
    timer = step(page, "test").get_by_role("timer")
    expect(timer).to_contain_text(re.compile(r"send again in 10 minutes\."))
    expect(timer).to_contain_text(re.compile(r"in 9 minutes 5\d seconds\."))
    wide_visit.snap("setup-wait")


def test_a_webhook_that_comes_changes_no_choice(open_site: Any, wide_visit: Any) -> None:
    def configure(discord: StandInDiscord) -> dict[str, Any]:
        return {"webhooks": {n: {"url": discord.create_webhook().url} for n in ("a", "b")}}

    site = open_site(configure)
    page = wide_visit.open(site.url)
    choice = page.get_by_label("Webhook", exact=True)
    choice.select_option("b")
    set_webhook(page, site.create_webhook().url)
    expect(choice.get_by_role("option")).to_have_count(3)
    expect(choice).to_have_value("b")


def test_a_webhook_is_removed_after_a_question(site: Any, wide_visit: Any) -> None:
    webhook = site.create_webhook()
    page = wide_visit.open(site.url)
    set_webhook(page, webhook.url)
    page.get_by_role("button", name="Remove the Webhook URL").click()
    dialog = page.get_by_role("dialog", name="Remove the Webhook URL?")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    wide_visit.snap("question")
    page.keyboard.press("Escape")
    expect(step(page, "webhook")).to_contain_text("Posts as")
    page.get_by_role("button", name="Remove the Webhook URL").click()
    dialog.get_by_role("button", name="Remove").click()
    expect(head(page)).to_contain_text("Not set up")
    expect(page.get_by_role("button", name="Send a test message")).to_be_disabled()


def test_an_invite_is_saved_replaced_and_shown(site: Any, wide_visit: Any) -> None:
    webhook = site.create_webhook()
    page = wide_visit.open(site.url)
    set_webhook(page, webhook.url)
    page.get_by_label("Invite URL", exact=True).fill(" https://discord.gg/first ")
    step(page, "invite").get_by_role("button", name="Save", exact=True).click()
    expect(step(page, "invite")).to_contain_text("Messages show https://discord.gg/first.")
    page.get_by_role("button", name="Replace the Invite URL").click()
    page.get_by_role("button", name="Cancel").click()
    expect(step(page, "invite")).to_contain_text("https://discord.gg/first")
    page.get_by_role("button", name="Replace the Invite URL").click()
    page.get_by_label("Invite URL", exact=True).fill("https://discord.gg/second")
    step(page, "invite").get_by_role("button", name="Save", exact=True).click()
    expect(step(page, "invite")).to_contain_text("https://discord.gg/second")
    site.publish(PartyCreated(party_id="1", party_name="LAN", host="Ann"))
    expect(page.locator(".figures")).to_contain_text("Sent1")
    assert "https://discord.gg/second" in str(webhook.messages)


def test_what_is_typed_stays_while_the_state_changes(site: Any, wide_visit: Any) -> None:
    webhook = site.create_webhook()
    page = wide_visit.open(site.url)
    set_webhook(page, webhook.url)
    expect(head(page)).to_contain_text("Ready")
    page.get_by_label("Invite URL", exact=True).fill("https://discord.gg/ab")
    site.call(webhook.delete)
    site.publish(PeerJoined(peer_name="Ann", party_name="LAN"))
    expect(head(page)).to_contain_text("Not working")
    expect(page.get_by_label("Invite URL", exact=True)).to_have_value("https://discord.gg/ab")


def test_what_the_configuration_gives_is_shown_with_its_place(
    open_site: Any, wide_visit: Any
) -> None:
    def configure(discord: StandInDiscord) -> dict[str, Any]:
        webhook, staff = discord.create_webhook(), discord.create_webhook()
        return {
            "webhook_url": webhook.url,
            "invite_url": "https://discord.gg/abc123",
            "webhooks": {"staff": {"url": staff.url}},
        }

    places = {"webhook_url": "lanrage.yaml:8:5", "invite_url": "lanrage.yaml:9:5"}
    site = open_site(configure, places)
    page = wide_visit.open(site.url)
    expect(step(page, "webhook")).to_contain_text("It is set in lanrage.yaml, line 8.")
    expect(step(page, "invite")).to_contain_text("It is set in lanrage.yaml, line 9.")
    expect(page.get_by_role("textbox")).to_have_count(0)
    page.get_by_label("Webhook", exact=True).select_option("staff")
    page.get_by_role("button", name="Send a test message").click()
    expect(step(page, "test")).to_contain_text("Delivered.")
    assert [len(webhook.messages) for webhook in site.discord.webhooks] == [0, 1]
    wide_visit.snap("setup-configured")


def webhook(page: Page, name: str) -> Any:
    return page.locator(f"[data-webhook={name}]")


def test_webhooks_of_the_configuration_are_shown_with_name_channel_state_and_place(
    open_site: Any, wide_visit: Any
) -> None:
    def configure(discord: StandInDiscord) -> dict[str, Any]:
        games = discord.create_webhook(name="<b>Games</b>\u202e bot")
        staff = discord.create_webhook()
        staff.delete()
        return {"webhooks": {"games": {"url": games.url}, "staff": {"url": staff.url}}}

    places = {"webhooks.games": "lanrage.yaml:8:5", "webhooks.staff": "lanrage.yaml:11:5"}
    site = open_site(configure, places)
    page = wide_visit.open(site.url)
    games, staff = webhook(page, "games"), webhook(page, "staff")
    channel = site.discord.webhooks[0].channel_id
    expect(games).to_contain_text(f"Posts as <b>Games</b> bot in channel {channel}.")
    expect(games).to_contain_text("Ready")
    expect(games).to_contain_text("Set in lanrage.yaml, line 8.")
    expect(staff).to_contain_text("Discord does not have this webhook.")
    expect(staff).to_contain_text("Unknown Webhook")
    expect(staff).to_contain_text("Not working")
    expect(staff).to_contain_text("Set in lanrage.yaml, line 11.")
    expect(step(page, "webhook")).to_contain_text("Connect another channel")
    expect(step(page, "webhook")).to_contain_text("optional")
    wide_visit.snap("setup-webhooks")
    site.call(site.discord.webhooks[0].delete)
    site.publish(PeerJoined(peer_name="Ann", party_name="LAN"))
    expect(games).to_contain_text("Not working")


def test_webhooks_are_shown_while_discord_is_away(open_site: Any, wide_visit: Any) -> None:
    def configure(discord: StandInDiscord) -> dict[str, Any]:
        discord.faults.refuse_connections(600)
        return {
            "webhook_url": discord.create_webhook().url,
            "webhooks": {"games": {"url": discord.create_webhook().url}},
        }

    site = open_site(configure)
    page = wide_visit.open(site.url)
    expect(webhook(page, "games")).to_contain_text("Discord cannot be asked at the moment")
    expect(webhook(page, "games")).to_contain_text("Set in the configuration.")
    expect(step(page, "webhook")).to_contain_text("A webhook is set.")


def test_a_channel_at_discord_is_a_link(site: Any, wide_visit: Any) -> None:
    page = wide_visit.page

    def answer(route: Route) -> None:
        entry = {
            **dict.fromkeys(("place", "channel_id", "channel_url"), None),
            "name": "games",
            "source": "yaml",
            "state": "idle",
            "reason": "",
            "discord": "found",
            "discord_reason": "",
            "posts_as": "Bot",
            "channel_id": "12",
            "channel_url": "https://discord.com/channels/1/12",
        }
        route.fulfill(json={"webhooks": [entry]})

    page.route("**/api/discord/webhooks", answer)
    wide_visit.open(site.url)
    link = webhook(page, "games").get_by_role("link", name="channel 12")
    expect(link).to_have_attribute("href", "https://discord.com/channels/1/12")


def test_a_plugin_that_is_gone_is_shown(site: Any, wide_visit: Any) -> None:
    wide_visit.expected.add(404)
    page = wide_visit.open(site.url)
    expect(head(page)).to_contain_text("Not set up")
    site.call(lambda: site.bus.unregister("discord"))
    expect(head(page)).to_contain_text("Not known")
    expect(page.locator(".lead").first).to_contain_text("discord")
