"""What messages look like, before they are sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

TEMPLATE = """\
title: "{{ game_name }}"
description: "**Players** *{{ players | length }}* `code` [site](https://example.org/a)"
author: {name: The referee}
fields:
  - {name: One, value: "1", inline: true}
  - {name: Two, value: "2", inline: true}
  - {name: Three, value: "3", inline: true}
  - {name: Four, value: "4", inline: true}
  - {name: All of them, value: "{{ players | join(', ') }}"}
color: "#112233"
"""


def choose(page: Page, event_type: str) -> None:
    page.get_by_label("Event type").select_option(event_type)


def embed(page: Page) -> Any:
    return page.get_by_role("article", name="Embed")


def test_an_edited_value_shows_in_the_embed(site: Any, visit: Any) -> None:
    page = visit.open(site.url, "discord/preview")
    choose(page, "peer_joined")
    expect(embed(page)).to_contain_text("Ben joined")
    field = page.get_by_label("peer name")
    field.fill("<b>Zoë</b> **bold**")
    expect(embed(page).locator(".d-title")).to_contain_text("<b>Zoë</b> **bold** joined")
    expect(embed(page).locator(".d-description .s-bold")).to_have_text("Friday LAN")
    expect(embed(page).locator(".d-footer")).to_contain_text("LANrage • Today at")
    expect(page.get_by_role("meter", name="title")).to_have_attribute("aria-valuemax", "256")
    visit.snap("preview")
    assert len(site.discord.journal) == 0


def test_each_kind_of_field_has_its_input(site: Any, wide_visit: Any) -> None:
    page = wide_visit.open(site.url, "discord/preview")
    choose(page, "game_ended")
    page.get_by_label("duration").fill("5400")
    expect(embed(page)).to_contain_text("1h 30m")
    none = page.get_by_label("avg latency: no value")
    none.check()
    expect(embed(page)).not_to_contain_text("Avg Latency")
    expect(page.get_by_label("avg latency", exact=True)).to_be_disabled()
    none.uncheck()
    page.get_by_label("avg latency", exact=True).fill("42.4")
    expect(embed(page)).to_contain_text("42ms")

    choose(page, "game_started")
    page.get_by_label("players").fill("Ann\n\n Zoë \n")
    expect(embed(page).locator(".d-description")).to_have_text("Players: Ann, Zoë")


def test_an_invalid_value_is_shown_at_its_field(site: Any, wide_visit: Any) -> None:
    wide_visit.expected.add(422)
    page = wide_visit.open(site.url, "discord/preview")
    choose(page, "game_ended")
    expect(embed(page)).to_contain_text("Game Ended")
    duration = page.get_by_label("duration")
    duration.fill("long")
    expect(page.locator("[data-field=duration]")).to_contain_text("should be a valid number")
    expect(duration).to_have_attribute("aria-invalid", "true")
    expect(page.locator("[data-field=game_name]")).not_to_contain_text("should be")
    wide_visit.snap("preview-wrong")
    duration.fill("60")
    expect(duration).not_to_have_attribute("aria-invalid", "true")
    expect(embed(page)).to_contain_text("1m")


def test_what_is_too_long_is_cut_and_fills_the_meter(site: Any, wide_visit: Any) -> None:
    page = wide_visit.open(site.url, "discord/preview")
    choose(page, "notification")
    page.get_by_role("textbox", name="message").fill("x" * 5000)
    meter = page.get_by_role("meter", name="description")
    expect(meter).to_have_attribute("aria-valuenow", "4096")
    expect(page.locator(".meter-high")).to_be_visible()


def test_the_layout_is_discords(open_site: Any, wide_visit: Any, tmp_path: Path) -> None:
    (tmp_path / "discord").mkdir()
    (tmp_path / "discord/game_started.yaml").write_text(TEMPLATE, "utf-8")
    site = open_site(templates=(tmp_path,))
    page = wide_visit.open(site.url, "discord/preview")
    choose(page, "game_started")
    expect(embed(page).locator(".d-author")).to_have_text("The referee")
    expect(embed(page).locator(".d-bar")).to_have_css("background-color", "rgb(17, 34, 51)")
    expect(embed(page).locator(".s-italic")).to_have_text("3")
    expect(embed(page).locator(".s-code")).to_have_text("code")
    expect(embed(page).locator(".s-link")).to_have_text("site")
    tops = [
        embed(page).locator(".d-field").nth(index).evaluate("e => e.getBoundingClientRect().top")
        for index in range(5)
    ]
    assert tops[0] == tops[1] == tops[2] < tops[3] < tops[4]
    wide_visit.snap("preview-layout")


def test_errors_of_templates_are_shown(open_site: Any, wide_visit: Any, tmp_path: Path) -> None:
    (tmp_path / "discord").mkdir()
    template = tmp_path / "discord/peer_joined.yaml"
    template.write_text('title: "{{ nobody }}"\n', "utf-8")
    site = open_site(templates=(tmp_path,))
    page = wide_visit.open(site.url, "discord/preview")
    choose(page, "peer_joined")
    expect(page.get_by_text("The templates have errors:")).to_be_visible()
    expect(page.get_by_text("'nobody' is undefined")).to_be_visible()
    template.write_text('title: "Hello {{ peer_name }}"\n', "utf-8")
    page.get_by_label("peer name").fill("Ann")
    expect(embed(page)).to_contain_text("Hello Ann")
    expect(page.get_by_text("The templates have errors:")).to_have_count(0)
    expect(page.get_by_text("Posts still use the templates as they were read")).to_be_visible()
