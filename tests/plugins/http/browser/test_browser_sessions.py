"""Sessions, and what the page shows to a token that may not do everything."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from lanrage_events_discord.testing import StandInDiscord

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

TOKEN = "a-made-up-token-for-tests"
READER = "a-made-up-token-to-read"
TOKENS = {"dashboard": {"token": READER, "scopes": ["read"]}}


def with_webhook(discord: StandInDiscord) -> dict[str, Any]:
    return {"webhook_url": discord.create_webhook().url}


def log_in(visit: Any, url: str, token: str) -> Any:
    page = visit.open(url)
    page.get_by_label("Token").fill(token)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Discord")
    return page


def session(url: str, token: str, browser: str) -> dict[str, str]:
    """Log another browser in, and return its cookie."""
    with httpx.Client(base_url=url, headers={"User-Agent": browser}) as client:
        client.post("/login", json={"token": token}).raise_for_status()
        return dict(client.cookies)


def status(url: str, cookies: dict[str, str]) -> int:
    return httpx.get(f"{url}api/me", cookies=cookies).status_code


def test_sessions_are_shown_and_ended(open_site: Any, visit: Any) -> None:
    site = open_site(token=TOKEN, tokens=TOKENS)
    tablet = session(site.url, READER, "<b>Old</b> tablet")
    firefox = session(site.url, TOKEN, "Firefox/140.0 on Linux")
    page = log_in(visit, site.url, TOKEN)
    page.get_by_role("link", name="Sessions").click()
    rows = page.locator("tr[data-session]")
    expect(rows).to_have_count(3)
    own = rows.filter(has_text="This browser")
    expect(own).to_contain_text("Chrome")
    expect(own.get_by_role("button")).to_have_count(0)
    expect(rows.filter(has_text="<b>Old</b> tablet")).to_contain_text("dashboard")
    visit.snap("sessions")
    rows.filter(has_text="tablet").get_by_role("button").click()
    page.get_by_role("button", name="End", exact=True).click()
    expect(rows).to_have_count(2)
    expect(page.get_by_text("The session has ended.").first).to_be_visible()
    assert status(site.url, tablet) == 401
    page.get_by_role("button", name="End all others").click()
    page.get_by_role("button", name="End", exact=True).click()
    expect(rows).to_have_count(1)
    assert status(site.url, firefox) == 401
    expect(page.get_by_role("button", name="End all others")).to_be_hidden()


def test_a_reader_sees_only_what_it_may(open_site: Any, visit: Any) -> None:
    site = open_site(with_webhook, token=TOKEN, tokens=TOKENS)
    page = log_in(visit, site.url, READER)
    expect(page.locator("#access")).to_contain_text(
        "You are logged in with the token “dashboard”, which may only read."
    )
    expect(page.get_by_role("link", name="Sessions")).to_have_count(0)
    expect(page.get_by_text("Connected", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Send a test message")).to_be_hidden()
    expect(page.get_by_label("Invite URL")).to_have_count(0)
    visit.snap("reader")
    for section in ("Message preview", "Live feed", "Delivery", "Plugins"):
        page.get_by_role("link", name=section).click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Plugins")
    expect(page.locator("tr[data-plugin]").first).to_be_visible()
