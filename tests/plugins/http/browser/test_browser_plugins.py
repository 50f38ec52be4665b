"""The table of plugins, and finding one's way."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from lanrage_events import Event, Health, hookimpl

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]


class Moody:
    """A plugin with a problem."""

    @hookimpl
    def event(self, event: Event) -> None:
        raise RuntimeError("no mood")

    @hookimpl
    def health(self) -> Health:
        return Health("failed", "<b>out of paper</b>")


class WithBrokenPage:
    """A plugin whose part of the page does not exist."""


def test_each_plugin_shows_how_it_is(site: Any, wide_visit: Any) -> None:
    site.call(lambda: site.bus.plugins.register_and_wait(Moody(), "printer"))
    page = wide_visit.open(site.url, "plugins")
    printer = page.locator("[data-plugin=printer]")
    expect(printer).to_contain_text("Failed")
    expect(printer).to_contain_text("<b>out of paper</b>")
    expect(page.get_by_role("rowheader", name="discord")).to_be_visible()
    expect(page.get_by_role("columnheader", name="Handled")).to_have_count(1)
    wide_visit.snap("plugins")


def test_the_table_changes_while_one_looks(site: Any, wide_visit: Any) -> None:
    page = wide_visit.open(site.url, "plugins")
    expect(page.locator("[data-plugin=discord]")).to_contain_text("Degraded")
    row = page.locator("[data-plugin=discord]").element_handle()
    site.call(lambda: site.bus.plugins.register_and_wait(Moody(), "printer"))
    expect(page.locator("[data-plugin=printer]")).to_be_visible()
    assert row.evaluate("row => row.isConnected"), "what did not change is the same element"


def test_links_lead_to_the_sections_and_back(site: Any, visit: Any) -> None:
    page = visit.open(site.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Discord")
    for name in ("Live feed", "Delivery", "Plugins", "Discord"):
        link = page.get_by_role("navigation", name="Sections").get_by_role("link", name=name)
        link.click()
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
        expect(page.get_by_role("heading", level=1)).to_be_focused()
        expect(link).to_have_attribute("aria-current", "page")
        expect(page).to_have_title(f"{name} · LANrage events")

    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Plugins")
