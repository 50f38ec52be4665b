"""The delivery of the last minutes, and what was rejected for good."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from lanrage_events import Notification, PeerJoined
from lanrage_events_discord.testing import Fail, StandInDiscord, StandInRequest

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]


def configured(discord: StandInDiscord) -> dict[str, Any]:
    return {"webhook_url": discord.create_webhook().url}


def reject(request: StandInRequest) -> Fail | None:
    """Reject for good what never arrives."""
    wanted = request.action == "execute" and "never arrives" in str(request.body)
    return Fail(400, 50035, "Invalid Form Body") if wanted else None


def lane(page: Page) -> Any:
    return page.locator("[data-lane=default]")


def letters(page: Page) -> Any:
    return page.locator(".dead-letter")


def open_with_dead_letters(open_site: Any, visit: Any, *titles: str) -> tuple[Any, Page]:
    site = open_site(configured)
    site.call(lambda: site.discord.faults.script(reject))
    page = visit.open(site.url, "delivery")
    expect(lane(page)).to_contain_text("Ready")
    site.publish(PeerJoined(peer_name="Ann", party_name="LAN"))
    for title in titles:
        site.publish(Notification(title=title, message="never arrives"))

    expect(letters(page)).to_have_count(len(titles))
    return site, page


def test_nothing_is_drawn_before_a_channel_is_connected(site: Any, wide_visit: Any) -> None:
    page = wide_visit.open(site.url, "delivery")
    expect(page.get_by_text("Nothing is sent to Discord yet")).to_be_visible()
    wide_visit.snap("delivery-first")
    page.get_by_role("link", name="Connect a channel").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Discord")
    expect(page.get_by_role("heading", level=1)).to_be_focused()


def test_the_picture_shows_what_was_sent_and_rejected(open_site: Any, visit: Any) -> None:
    _, page = open_with_dead_letters(open_site, visit, "One", "Two")
    expect(lane(page).locator(".bar-sent").nth(1)).to_be_visible()
    expect(lane(page).locator(".lane-picture .bar-failed").first).to_be_visible()
    expect(lane(page)).not_to_contain_text("Nothing was sent")
    picture = lane(page).get_by_role("img", name="Delivery of default in the last 5 minutes")
    expect(picture).to_contain_text("1 event sent, 2 rejected")
    expect(lane(page).locator(".stats")).to_contain_text("Events sent1")
    expect(lane(page).locator(".stats")).to_contain_text("Rejected2")
    lane(page).get_by_text("The same as a table").click()
    expect(lane(page).get_by_role("columnheader", name="Rejected")).to_be_visible()
    visit.snap("delivery")


def test_waiting_for_a_rate_limit_is_shown(open_site: Any, wide_visit: Any) -> None:
    site = open_site(configured)
    page = wide_visit.open(site.url, "delivery")
    site.call(lambda: site.discord.faults.fail(429, retry_after=600, action="execute"))
    site.publish(PeerJoined(peer_name="Ann", party_name="LAN"))
    expect(lane(page)).to_contain_text("Waiting for Discord’s rate limit")
    expect(lane(page).locator(".lane-picture .limit").first).to_be_visible()
    expect(lane(page).locator(".lane-picture .area-waiting")).to_be_visible()
    expect(lane(page).locator(".stats")).to_contain_text("Rate limits1")
    expect(lane(page)).to_contain_text("Nothing was sent in the last 5 minutes.")
    texts = lane(page).locator(".lane-picture text")
    assert not any("sent" in text for text in texts.all_text_contents())
    expect(page.get_by_text("1 waiting, 0 dead letters")).to_be_visible()
    wide_visit.snap("delivery-limited")


def test_a_dead_letter_is_shown_and_delivered_after_a_retry(
    open_site: Any, wide_visit: Any
) -> None:
    site, page = open_with_dead_letters(open_site, wide_visit, "<i>Pizza</i>")
    expect(letters(page)).to_contain_text("Invalid Form Body")
    expect(letters(page).locator(".dead-letter-title")).to_have_text("<i>Pizza</i>")
    letters(page).get_by_text("What was to be sent").click()
    expect(letters(page).locator("pre")).to_contain_text('"description": "never arrives"')
    wide_visit.snap("delivery-dead-letter")
    site.call(site.discord.faults.clear)
    letters(page).get_by_role("button", name="Retry").click()
    expect(page.get_by_text("1 dead letter waits for delivery again.").first).to_be_visible()
    expect(letters(page)).to_have_count(0)
    expect(page.get_by_role("heading", name="Dead letters")).to_be_focused()
    expect(lane(page).locator(".stats")).to_contain_text("Events sent2")
    [webhook] = site.discord.webhooks
    assert "never arrives" in str(webhook.messages)


def test_what_is_open_stays_open_when_another_dead_letter_comes(
    open_site: Any, wide_visit: Any
) -> None:
    site, page = open_with_dead_letters(open_site, wide_visit, "One")
    summary = letters(page).first.get_by_text("What was to be sent")
    summary.click()
    expect(summary).to_be_focused()
    site.publish(Notification(title="Two", message="never arrives"))
    expect(letters(page)).to_have_count(2)
    expect(letters(page).first.locator("pre")).to_be_visible()
    expect(summary).to_be_focused()


def test_more_dead_letters_stay_shown_when_another_one_comes(
    open_site: Any, wide_visit: Any
) -> None:
    site = open_site(configured)
    site.call(lambda: site.discord.faults.script(reject))
    for number in range(22):
        site.publish(Notification(title=f"Number {number}", message="never arrives"))

    page = wide_visit.open(site.url)
    expect(page.locator(".figures")).to_contain_text("Rejected22")
    page.get_by_role("link", name="Delivery", exact=True).click()
    expect(letters(page)).to_have_count(20)
    page.get_by_role("button", name="Show more").click()
    expect(letters(page)).to_have_count(22)
    site.publish(Notification(title="The last", message="never arrives"))
    expect(letters(page).last).to_contain_text("The last")
    expect(letters(page)).to_have_count(23)


def test_a_lane_that_changes_keeps_its_button_focused(site: Any, wide_visit: Any) -> None:
    page = wide_visit.page
    numbers = itertools.count(1)

    def answer(route: Route) -> None:
        pending = next(numbers)
        entry = {"name": "news", "pending": pending, "dead": 0, "last_error": "it is away"}
        lane = {**entry, "until_resumed": True, "postponed_until": None}
        counts = {"pending": pending, "dead": 0, "oldest": None, "problem": None}
        route.fulfill(json={"outboxes": [{"plugin": "mail", **counts, "lanes": [lane]}]})

    page.route("**/api/outbox", answer)
    page.route("**/api/outbox/mail/**", lambda r: r.fulfill(json={"entries": [], "next": None}))
    wide_visit.open(site.url, "delivery")
    button = page.get_by_role("button", name="Retry news now")
    button.focus()
    expect(page.locator(".lane-line")).to_contain_text("4 waiting")
    expect(page.locator(".lane-line")).to_contain_text("stopped until you retry it")
    expect(button).to_be_focused()


def test_all_dead_letters_are_retried(open_site: Any, wide_visit: Any) -> None:
    site, page = open_with_dead_letters(open_site, wide_visit, "One", "Two", "Three")
    site.call(site.discord.faults.clear)
    page.get_by_role("button", name="Retry all").click()
    expect(page.get_by_text("3 dead letters wait for delivery again.").first).to_be_visible()
    expect(lane(page).locator(".stats")).to_contain_text("Events sent4")
    expect(page.get_by_role("button", name="Retry all")).to_be_hidden()


def test_dead_letters_are_dropped_after_a_question(open_site: Any, wide_visit: Any) -> None:
    _, page = open_with_dead_letters(open_site, wide_visit, "One", "Two", "Three")
    letters(page).first.get_by_role("button", name="Drop").click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("It cannot be undone.")
    question.get_by_role("button", name="Cancel").click()
    expect(letters(page)).to_have_count(3)
    letters(page).first.get_by_role("button", name="Drop").click()
    question.get_by_role("button", name="Drop").click()
    expect(letters(page)).to_have_count(2)
    page.get_by_role("button", name="Drop all").click()
    question.get_by_role("button", name="Drop").click()
    expect(page.get_by_text("2 dead letters were dropped.").first).to_be_visible()
    expect(letters(page)).to_have_count(0)


def test_what_waits_is_kept_when_dead_letters_are_dropped(open_site: Any, wide_visit: Any) -> None:
    site, page = open_with_dead_letters(open_site, wide_visit, "One")
    site.call(lambda: site.discord.faults.fail(429, retry_after=600, action="execute"))
    site.publish(PeerJoined(peer_name="Ben", party_name="LAN"))
    expect(page.get_by_text("1 waiting, 1 dead letter")).to_be_visible()
    page.get_by_role("button", name="Drop all").click()
    page.get_by_role("dialog").get_by_role("button", name="Drop").click()
    expect(page.get_by_text("1 waiting, 0 dead letters")).to_be_visible()
