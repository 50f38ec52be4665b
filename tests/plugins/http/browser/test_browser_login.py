"""Logging in with the token."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

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
    expect(page.get_by_role("alert")).to_contain_text("the token is wrong")
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
