"""Muting Discord on the page, by mouse and by keyboard."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect

from lanrage_events import PeerJoined
from lanrage_events.backoff import in_words

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]


def joined(name: str) -> PeerJoined:
    return PeerJoined(peer_name=name, party_name="LAN")


def two_webhooks(discord: Any) -> dict[str, Any]:
    webhooks = {name: {"url": discord.create_webhook().url} for name in ("main", "<b>games</b>")}
    return {"webhooks": webhooks}


def test_mute_with_the_keyboard_and_unmute(open_site: Any, wide_visit: Any) -> None:
    site = open_site(two_webhooks)
    page = wide_visit.open(site.url, "discord")
    card = page.get_by_role("region", name="Quiet")
    summary = card.get_by_text("Mute Discord for a while")
    expect(card.get_by_label("For how long")).to_be_hidden()
    summary.focus()
    page.keyboard.press("Enter")
    length = card.get_by_label("For how long")
    expect(length).to_have_value("2h")
    wide_visit.snap("mute-form")
    length.select_option("1h")
    card.get_by_label("Reason (optional)").fill("<i>restart</i>")
    page.keyboard.press("Enter")
    expect(card.get_by_role("listitem")).to_contain_text(
        "by the web page: <i>restart</i>. 1 h left. What happens is posted at the end."
    )
    expect(page.locator("#announcements")).to_have_text("Discord is muted.")
    expect(summary).to_be_focused()
    # Nothing happened yet.
    expect(page.locator(".head-state")).to_contain_text("Quiet")
    expect(page.locator(".lead").first).to_have_text(
        "Nothing is posted for now. What happens is kept."
    )
    site.publish(joined("Ann"))
    wide_visit.snap("muted")
    assert not any(webhook.messages for webhook in site.discord.webhooks)
    page.reload()
    unmute = card.get_by_role("button", name="Unmute all webhooks")
    unmute.focus()
    page.keyboard.press("Enter")
    expect(card.get_by_role("listitem")).to_have_count(0)
    expect(page.locator("#announcements")).to_have_text("Discord is not muted any more.")
    expect(page.locator(".head-state")).to_contain_text("Ready")
    site.call(lambda: None)
    for webhook in site.discord.webhooks:
        [message] = webhook.messages
        assert "Ann" in json.dumps(message)


def test_heading_counts_the_webhooks_that_hold(open_site: Any, wide_visit: Any) -> None:
    def configure(discord: Any) -> dict[str, Any]:
        webhooks: dict[str, dict[str, Any]] = two_webhooks(discord)["webhooks"]
        webhooks["main"]["quiet"] = [{"from": "00:00", "to": "24:00", "then": "hold"}]
        return {"webhooks": webhooks}

    site = open_site(configure)
    page = wide_visit.open(site.url, "discord")
    lead = page.locator(".lead").first
    expect(lead).to_have_text("1 of 2 webhooks holds what happens.")
    expect(page.locator(".head-state")).to_contain_text("Ready")
    card = page.get_by_role("region", name="Quiet")
    card.get_by_text("Mute Discord for a while").click()
    card.get_by_role("button", name="Mute").click()
    expect(lead).to_have_text("Nothing is posted for now. What happens is kept.")
    expect(page.locator(".head-state")).to_contain_text("Quiet")


def test_all_times_are_by_the_clock_of_the_browser(open_site: Any, wide_visit: Any) -> None:
    end = datetime.now(UTC) + timedelta(hours=2)

    def configure(discord: Any) -> dict[str, Any]:
        begin = end - timedelta(hours=4)
        hours = {
            "from": f"{begin:%H:%M}",
            "to": f"{end:%H:%M}",
            "then": "silent",
            "time_zone": "UTC",
        }
        webhooks = {name: {"url": discord.create_webhook().url} for name in ("day", "night")}
        return {"webhooks": webhooks, "quiet": [hours]}

    site = open_site(configure)
    wide_visit.page.context.new_cdp_session(wide_visit.page).send(
        "Emulation.setTimezoneOverride", {"timezoneId": "Asia/Kathmandu"}
    )
    page = wide_visit.open(site.url, "discord")
    card = page.get_by_role("region", name="Quiet")
    local = end.replace(second=0).astimezone(ZoneInfo("Asia/Kathmandu"))
    until = rf"uiet hours until {local.day} \w+ {local:%Y, %H:%M:%S}\."
    hours = card.get_by_role("listitem").first
    expect(hours).to_contain_text(
        re.compile(rf"Webhook day: q{until} (2 h|1 h 59 min) left\. Mess")
    )
    # It stands in one line.
    box = hours.bounding_box()
    assert box is not None
    assert box["height"] < 30
    row = page.locator("[data-webhook=night]")
    expect(row).to_contain_text(re.compile(f"Q{until} Messages arrive silently"))
    expect(row.locator(".lane-reason-bad")).to_be_hidden()
    card.get_by_text("Mute Discord for a while").click()
    card.get_by_label("Which webhook").select_option("night")
    card.get_by_role("button", name="Mute").click()
    expect(card).to_contain_text("night is muted until")
    expect(row).to_contain_text(re.compile(r"Quiet until .*What happens is posted at the end\."))
    expect(page.locator("main")).not_to_contain_text("UTC")
    wide_visit.snap("quiet-hours")
    page.goto(f"{site.url}#/delivery")
    lane = page.locator("[data-lane=day]")
    expect(lane).to_contain_text(re.compile(f"Q{until}"))
    expect(page.locator("main")).not_to_contain_text("UTC")


def test_time_left_is_written_as_the_commands_do(site: Any, wide_visit: Any) -> None:
    page = wide_visit.open(site.url, "discord")
    lengths = [0, 42, 119, 120, 121, 3599, 3600, 7170.5, 7199.5, 7200, 90_000]
    script = """async (lengths) => {
        const { timeLeft } = await import("/static/format.js");
        return lengths.map(timeLeft);
    }"""
    assert page.evaluate(script, lengths) == [in_words(length) for length in lengths]


def test_one_webhook_is_muted_and_quiet_hours_are_shown(open_site: Any, wide_visit: Any) -> None:
    def configure(discord: Any) -> dict[str, Any]:
        hours = {"from": "00:00", "to": "24:00", "then": "silent"}
        return {**two_webhooks(discord), "quiet": [hours]}

    site = open_site(configure)
    page = wide_visit.open(site.url, "discord")
    card = page.get_by_role("region", name="Quiet")
    expect(card.get_by_role("listitem")).to_have_count(2)
    expect(card).to_contain_text("Webhook main: quiet hours. Messages arrive silently.")
    card.get_by_text("Mute Discord for a while").click()
    card.get_by_label("Which webhook").select_option("<b>games</b>")
    card.get_by_role("button", name="Mute").click()
    expect(card).to_contain_text("<b>games</b> is muted until")
    expect(card.get_by_role("listitem")).to_have_count(2)
    wide_visit.snap("mute-one")
    card.get_by_role("button", name="Unmute <b>games</b>").click()
    expect(card).not_to_contain_text("is muted until")


def test_error_is_shown_and_a_reader_sees_no_buttons(open_site: Any, wide_visit: Any) -> None:
    site = open_site(two_webhooks)
    page = wide_visit.open(site.url, "discord")
    card = page.get_by_role("region", name="Quiet")
    wide_visit.expected.add(503)
    problem = {"title": "x", "status": 503, "detail": "it cannot be saved: No space left on device"}
    page.route(
        "**/api/discord/mute",
        lambda route: route.fulfill(
            status=503, content_type="application/problem+json", body=json.dumps(problem)
        ),
    )
    card.get_by_text("Mute Discord for a while").click()
    card.get_by_role("button", name="Mute").click()
    expect(card.get_by_role("alert")).to_contain_text("it cannot be saved: No space left on device")
