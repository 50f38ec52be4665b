"""Several channels on the setup page: added, chosen for, renamed, replaced, tested and removed."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from lanrage_events import GameStarted, PeerJoined
from lanrage_events_discord.testing import StandInDiscord

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

URL = "URL of the webhook"


def row(page: Page, name: str) -> Any:
    return page.locator(f"[data-webhook='{name}']")


def api(site: Any, page: Page, method: str, path: str, **options: Any) -> Any:
    answer = page.request.fetch(f"{site.url}api/discord{path}", method=method, **options)
    assert answer.ok, answer.text()
    return answer.json()


def save_default(site: Any, page: Page) -> Any:
    webhook = site.create_webhook(name="Everything")
    api(site, page, "POST", "/webhook", data={"webhook_url": webhook.url})
    return webhook


def add(site: Any, page: Page, name: str, **settings: Any) -> Any:
    webhook = site.create_webhook(name=f"Bot of {name}")
    body = {"name": name, "webhook_url": webhook.url, **settings}
    api(site, page, "POST", "/webhooks", data=body)
    return webhook


def form(page: Page) -> Any:
    return page.locator(".channel-form")


def save(page: Page) -> None:
    form(page).get_by_role("button", name="Save", exact=True).click()


def test_a_second_channel_gets_what_is_chosen_for_it(site: Any, visit: Any) -> None:
    page = visit.open(site.url)
    expect(page.get_by_text("Press New Webhook.")).to_be_visible()
    expect(page.get_by_role("heading", name="Channels")).to_be_hidden()
    everything, games = save_default(site, page), site.create_webhook(name="<b>Games</b>")
    expect(row(page, "default")).to_contain_text("Posts all events, several at a time in one list.")
    page.get_by_role("button", name="Add a channel").click()
    expect(form(page).get_by_label("Name")).to_be_focused()
    form(page).get_by_label("Name").fill("games")
    form(page).get_by_label(URL).fill(games.url)
    form(page).get_by_label("Only these").check()
    form(page).get_by_label("game started").check()
    form(page).get_by_label("Patterns and base types").fill("game_e*")
    form(page).get_by_label("Each in an embed of its own").check()
    visit.snap("channels-form")
    save(page)
    expect(row(page, "games")).to_contain_text("Posts as <b>Games</b>")
    expect(row(page, "games")).to_contain_text(
        "Posts game_started, game_e*, each in an embed of its own."
    )
    expect(row(page, "games").get_by_role("heading")).to_be_focused()
    expect(form(page)).to_have_count(0)
    visit.snap("channels")

    row(page, "games").get_by_role("button", name="Test games").click()
    expect(row(page, "games")).to_contain_text("Delivered.")
    assert len(games.messages) == 1
    assert not everything.messages
    site.publish(PeerJoined(peer_name="Ann", party_name="LAN"))
    site.publish(GameStarted(game_name="Quake", players=("Ann",)))
    expect(page.locator(".figures")).to_contain_text("Sent3")
    assert "joined" not in str(games.messages)
    assert "Quake" in str(games.messages)
    for webhook in (everything, games):
        assert webhook.token not in page.content()


def test_a_channel_is_edited_renamed_and_replaced(site: Any, wide_visit: Any) -> None:
    page = wide_visit.open(site.url)
    add(site, page, "games", events=["game_started", "peer_*"])
    another = site.create_webhook(name="Another")
    row(page, "games").get_by_role("button", name="Edit games").click()
    field = form(page).get_by_label("Name")
    expect(field).to_be_focused()
    expect(field).to_have_value("games")
    expect(form(page).get_by_label("game started")).to_be_checked()
    expect(form(page).get_by_label("Patterns and base types")).to_have_value("peer_*")
    field.fill("All games")
    form(page).get_by_label("Another URL of the webhook").fill(another.url)
    form(page).get_by_label("All events").check()
    save(page)
    expect(row(page, "All games")).to_contain_text("Posts as Another")
    expect(row(page, "All games")).to_contain_text("Posts all events")
    expect(row(page, "All games").get_by_role("heading")).to_be_focused()
    expect(row(page, "games")).to_have_count(0)
    row(page, "All games").get_by_role("button", name="Edit").click()
    form(page).get_by_role("button", name="Cancel").click()
    expect(row(page, "All games").get_by_role("button", name="Edit")).to_be_focused()


def test_a_channel_is_removed_after_a_question_and_what_waits_is_shown(
    site: Any, wide_visit: Any
) -> None:
    page = wide_visit.open(site.url)
    save_default(site, page)
    webhook = add(site, page, "games")
    site.call(lambda: site.discord.faults.fail(503, lasting=600, webhook=webhook))
    site.publish(PeerJoined(peer_name="Ann", party_name="LAN"))
    expect(row(page, "games")).to_contain_text("Retrying")
    page.get_by_role("button", name="Remove games").click()
    dialog = page.get_by_role("dialog", name="Remove games?")
    expect(dialog).to_contain_text("1 event")
    page.keyboard.press("Escape")
    expect(row(page, "games")).to_contain_text("Retrying")
    page.get_by_role("button", name="Remove games").click()
    dialog.get_by_role("button", name="Remove").click()
    expect(row(page, "games")).to_contain_text("It was removed.")
    expect(row(page, "games")).to_contain_text("1 event waits for it, and is sent once")
    expect(row(page, "games").get_by_role("heading")).to_be_focused()
    wide_visit.snap("channels-removed")
    new = site.create_webhook(name="New")
    page.get_by_role("button", name="Add again games").click()
    expect(form(page).get_by_label(URL)).to_be_focused()
    form(page).get_by_label(URL).fill(new.url)
    save(page)
    expect(row(page, "games")).to_contain_text("Posts as New")
    expect(row(page, "games")).to_contain_text("Ready")
    assert "Ann" in str(new.messages)
    page.get_by_role("button", name="Remove games").click()
    dialog.get_by_role("button", name="Remove").click()
    expect(row(page, "games")).to_have_count(0)
    expect(page.get_by_role("heading", name="Channels")).to_be_focused()


def test_what_is_typed_stays_whatever_happens_meanwhile(site: Any, wide_visit: Any) -> None:
    wide_visit.expected.add(404)
    page = wide_visit.open(site.url)
    add(site, page, "games")
    row(page, "games").get_by_role("button", name="Edit").click()
    field = form(page).get_by_label("Name")
    field.fill("Quake")
    api(site, page, "DELETE", "/webhooks?name=games")
    add(site, page, "others")
    expect(row(page, "others")).to_be_visible()
    expect(field).to_have_value("Quake")
    expect(field).to_be_focused()
    save(page)
    expect(form(page)).to_contain_text("no saved webhook is named 'games', known: others")
    expect(field).to_have_value("Quake")
    form(page).get_by_role("button", name="Cancel").click()
    expect(row(page, "games")).to_have_count(0)


def test_a_slow_discord_loses_nothing_that_was_typed(site: Any, wide_visit: Any) -> None:
    wide_visit.expected.add(422)
    page = wide_visit.open(site.url)
    save_default(site, page)
    webhook = site.create_webhook(name="Games")
    page.get_by_role("button", name="Add a channel").click()
    site.discord.latency = 3.0
    form(page).get_by_label("Name").fill("games")
    for url, expected in [(webhook.url[:-1], "Invalid Webhook Token"), (webhook.url, None)]:
        field = form(page).get_by_label(URL)
        field.fill(url)
        save(page)
        with page.expect_response(lambda answer: answer.url.endswith("/webhooks")):
            pass

        expect(form(page).get_by_role("button", name="Saving…")).to_be_visible()
        expect(field).to_have_value(url)
        if expected is not None:
            expect(form(page)).to_contain_text(expected)
            expect(field).to_be_focused()

    expect(row(page, "games")).to_contain_text("Posts as Games")


def test_what_is_wrong_is_said_at_its_field(site: Any, wide_visit: Any) -> None:
    wide_visit.expected |= {409, 422, 503}
    page = wide_visit.open(site.url)
    save_default(site, page)
    page.get_by_role("button", name="Add a channel").click()
    name, url = form(page).get_by_label("Name"), form(page).get_by_label(URL)
    save(page)
    expect(form(page)).to_contain_text("Give it a name, such as games.")
    expect(name).to_be_focused()
    name.fill("default")
    save(page)
    expect(form(page)).to_contain_text("Paste the URL here first.")
    expect(url).to_be_focused()
    expect(url).to_have_css("-webkit-text-security", "none")
    webhook = site.create_webhook(name="Games")
    url.fill(webhook.url)
    expect(url).to_have_css("-webkit-text-security", "disc")
    form(page).get_by_label("Only these").check()
    save(page)
    expect(form(page)).to_contain_text("Choose at least one event type.")
    expect(form(page).get_by_role("checkbox").first).to_be_focused()
    form(page).get_by_label("Patterns and base types").fill("gamestarted")
    save(page)
    expect(form(page)).to_contain_text("a webhook is named 'default' already")
    name.fill("games")
    save(page)
    expect(form(page)).to_contain_text("no event type is named 'gamestarted', did you mean")
    wide_visit.snap("channels-wrong")
    form(page).get_by_label("Patterns and base types").fill("game_*")
    site.call(lambda: site.discord.faults.fail(503, times=1))
    save(page)
    expect(form(page)).to_contain_text("Discord cannot be asked")
    form(page).get_by_role("button", name="Save without asking Discord").click()
    expect(row(page, "games")).to_contain_text("Posts game_*")


def test_hostile_names_are_harmless(site: Any, visit: Any) -> None:
    name = "<img src=x onerror=alert(1)>'\"&🎮ا"
    page = visit.open(site.url)
    save_default(site, page)
    page.get_by_role("button", name="Add a channel").click()
    form(page).get_by_label("Name").fill(name)
    form(page).get_by_label(URL).fill(site.create_webhook().url)
    save(page)
    heading = page.get_by_role("heading", name=name)
    expect(heading).to_have_text(name)
    page.get_by_role("button", name=f"Edit {name}").click()
    form(page).get_by_label("Name").fill("W" * 50)
    save(page)
    expect(page.get_by_role("heading", name="W" * 50)).to_be_focused()
    expect(heading).to_have_count(0)
    assert page.locator("img[src=x]").count() == 0


def test_the_yaml_wins_and_the_page_says_where(open_site: Any, wide_visit: Any) -> None:
    def configure(discord: StandInDiscord) -> dict[str, Any]:
        return {
            "webhooks": {"games": {"url": discord.create_webhook(name="Games").url}},
            "routes": [{"events": "game_*", "webhook": "games"}],
        }

    places = {"webhooks.games": "lanrage.yaml:8:5", "routes": "lanrage.yaml:12:5"}
    site = open_site(configure, places)
    page = wide_visit.open(site.url)
    expect(page.get_by_text("The routes in lanrage.yaml, line 12 decide which")).to_be_visible()
    expect(row(page, "games")).to_contain_text("Set in lanrage.yaml, line 8.")
    expect(row(page, "games").get_by_role("button", name="Edit")).to_have_count(0)
    row(page, "games").get_by_role("button", name="Test").click()
    expect(row(page, "games")).to_contain_text("Delivered.")
    page.get_by_role("button", name="Add a channel").click()
    expect(form(page)).to_contain_text(
        "Which events it posts is decided by the routes in lanrage.yaml, line 12."
    )
    expect(form(page).get_by_label("Only these")).to_have_count(0)
    form(page).get_by_label("Name").fill("more")
    form(page).get_by_label(URL).fill(site.create_webhook().url)
    save(page)
    expect(row(page, "more")).to_contain_text("Posts what the routes say")
    wide_visit.snap("channels-routes")


def test_a_token_that_may_only_read_sees_no_buttons(open_site: Any, wide_visit: Any) -> None:
    def configure(discord: StandInDiscord) -> dict[str, Any]:
        return {"webhook_url": discord.create_webhook().url}

    token = "made-up-token-for-reading"
    site = open_site(configure, tokens={"reader": {"token": token, "scopes": ["read"]}})
    page = wide_visit.open(site.url)
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Log in").click()
    page.goto(f"{site.url}#/discord")
    expect(row(page, "default")).to_contain_text("Posts all events")
    expect(page.locator(".channels").get_by_role("button")).to_have_count(0)


def test_the_keyboard_is_enough(site: Any, wide_visit: Any) -> None:
    page = wide_visit.open(site.url)
    save_default(site, page)
    webhook = site.create_webhook(name="Games")
    page.get_by_role("button", name="Add a channel").focus()
    page.keyboard.press("Enter")
    page.keyboard.type("games")
    page.keyboard.press("Tab")
    page.keyboard.insert_text(webhook.url)
    for _ in range(2):
        page.keyboard.press("Tab")

    for _ in range(4):
        if page.evaluate("document.activeElement.type") == "radio":
            break

        page.keyboard.press("Tab")

    page.keyboard.press("ArrowDown")
    expect(form(page).get_by_role("checkbox").first).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(row(page, "games")).to_contain_text("Posts as Games")
    expect(row(page, "games")).not_to_contain_text("all events")
    expect(page.locator("#announcements")).to_contain_text("The channel games is saved.")


def test_types_can_be_written_when_they_cannot_be_listed(site: Any, wide_visit: Any) -> None:
    wide_visit.expected.add(500)
    page = wide_visit.page

    def fail(route: Route) -> None:
        route.fulfill(status=500, json={"title": "no"})

    page.route("**/api/discord/preview", fail)
    wide_visit.open(site.url)
    save_default(site, page)
    page.get_by_role("button", name="Edit default").click()
    form(page).get_by_label("Only these").check()
    expect(form(page)).to_contain_text("The event types are not known at the moment.")
    form(page).get_by_label("Patterns and base types").fill("peer_*")
    save(page)
    expect(row(page, "default")).to_contain_text("Posts peer_*")
