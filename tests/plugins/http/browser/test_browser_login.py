"""Logging in with the token."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from lanrage_events_http._server import MAX_FAILURES

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

TOKEN = "a-made-up-token-for-tests"


def test_the_token_leads_to_the_page_and_logging_out_away(open_site: Any, visit: Any) -> None:
    visit.expected.add(401)
    site = open_site(token=TOKEN)
    page = visit.open(site.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    expect(page.get_by_label("Token")).to_be_focused()
    visit.snap("login")
    page.get_by_label("Token").fill("a-wrong-token-for-tests")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Copy it again from the config")
    expect(page.get_by_label("Token")).to_be_empty()
    visit.snap("login-wrong")
    page.get_by_label("Token").fill(TOKEN)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Discord")
    assert TOKEN not in page.content()
    assert page.evaluate("document.cookie") == ""
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    page.goto(site.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")


@pytest.mark.parametrize(
    ("section", "heading"), [("feed", "Live feed"), ("discord/preview", "Discord")]
)
def test_the_wanted_section_opens_after_the_login(
    open_site: Any, wide_visit: Any, section: str, heading: str
) -> None:
    wide_visit.expected.add(401)
    site = open_site(token=TOKEN)
    page = wide_visit.open(site.url, section)
    for token in ("a-wrong-token-for-tests", TOKEN):
        expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
        page.get_by_label("Token").fill(token)
        with page.expect_navigation():
            page.get_by_role("button", name="Log in").click()

    expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    assert page.url.endswith(f"/#/{section}")


def test_the_section_opens_again_after_a_session_that_ended(
    open_site: Any, wide_visit: Any
) -> None:
    wide_visit.expected.add(401)
    site = open_site(token=TOKEN)
    page = wide_visit.open(site.url, "plugins")
    for _ in range(2):
        expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
        page.get_by_label("Token").fill(TOKEN)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Plugins")
        page.context.clear_cookies()


def test_the_wait_after_many_wrong_tokens_is_counted_down(open_site: Any, wide_visit: Any) -> None:
    wide_visit.expected |= {401, 429}
    site = open_site(token=TOKEN)
    page = wide_visit.open(site.url)
    for _ in range(MAX_FAILURES + 1):
        expect(page.get_by_label("Token")).to_be_empty()
        page.get_by_label("Token").fill("a-wrong-token-for-tests")
        with page.expect_navigation():
            page.get_by_role("button", name="Log in").click()

    timer = page.get_by_role("timer")
    expect(timer).to_have_text(re.compile(r"in (60|5\d) seconds"))
    before = timer.inner_text()
    expect(timer).not_to_have_text(before)
    wide_visit.snap("login-wait")
    page.get_by_label("Token").fill(TOKEN)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Discord")


def test_without_a_token_no_one_can_log_out(site: Any, wide_visit: Any) -> None:
    page = wide_visit.open(site.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Discord")
    expect(page.get_by_role("button", name="Log out")).to_be_hidden()


def test_a_session_that_ended_leads_to_the_login(open_site: Any, wide_visit: Any) -> None:
    wide_visit.expected.add(401)
    site = open_site(token=TOKEN)
    page = wide_visit.open(site.url)
    page.get_by_label("Token").fill(TOKEN)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Discord")
    page.context.clear_cookies()
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
