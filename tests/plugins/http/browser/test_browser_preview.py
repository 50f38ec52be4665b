"""What messages look like, before they are sent."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from lanrage_events import ConfigProblem, Event, Preview, hookimpl
from lanrage_events.http import Page as PluginPage

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
username: The bot
avatar_url: https://example.org/a.png
content: "**{{ players | length }}** play"
buttons: [{for: player in players, label: "Join {{ player }}", url: "https://example.org/{{ player }}"}]
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
    expect(embed(page).locator(".d-description .s-bold").first).to_have_text("Friday LAN")
    expect(embed(page).locator(".d-footer")).to_contain_text("LANrage • Today at")
    expect(page.get_by_role("meter", name="title")).to_have_attribute("aria-valuemax", "256")
    visit.snap("preview")
    assert len(site.discord.journal) == 0


def test_a_card_is_shown_and_is_in_no_digest(site: Any, wide_visit: Any) -> None:
    page = wide_visit.open(site.url, "discord/preview")
    choose(page, "party_card")
    expect(embed(page).locator(".d-title")).to_have_text("🟢 Friday LAN")
    expect(embed(page)).to_contain_text("4 here")
    page.get_by_role("textbox", name="party name").fill("Sunday *LAN*")
    expect(embed(page).locator(".d-title")).to_have_text("🟢 Sunday *LAN*")
    page.get_by_role("button", name="A digest of several").click()
    expect(page.get_by_label("Event type")).not_to_have_value("party_card")
    expect(embed(page)).to_contain_text("3 events")


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
    expect(meter.locator(".meter-high")).to_be_visible()


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
    message = page.get_by_role("group", name="The message in Discord")
    expect(message.locator(".d-name")).to_have_text("The bot")
    expect(message.get_by_text("picture: https://example.org/a.png")).to_be_visible()
    expect(message.locator(".d-content .s-bold")).to_have_text("3")
    expect(message.locator(".d-button")).to_have_text(["Join Ann ↗", "Join Ben ↗", "Join Cy ↗"])
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


def messages(page: Page) -> Any:
    return page.get_by_role("group", name="in Discord")


def events_of(page: Page) -> Any:
    return page.get_by_role("list", name="Events of the digest").get_by_role("listitem")


def open_digest(site: Any, visit: Any, *names: str) -> Page:
    """Open the preview of a digest, of players who join."""
    page: Page = visit.open(site.url, "discord/preview")
    choose(page, "peer_joined")
    page.get_by_role("button", name="A digest of several").click()
    expect(events_of(page)).to_have_count(3)
    for number in (3, 2):
        page.get_by_role("button", name=f"Remove event {number}").click()

    for index, name in enumerate(names):
        if index:
            page.get_by_role("button", name="Add an event").click()

        page.get_by_label("peer name").fill(name)

    return page


def test_several_events_become_a_digest(site: Any, visit: Any) -> None:
    page = visit.open(site.url, "discord/preview")
    choose(page, "peer_joined")
    page.get_by_role("button", name="A digest of several").click()
    expect(events_of(page)).to_have_count(3)
    expect(embed(page)).to_contain_text("Ben")
    visit.snap("preview-digest")
    for number in (3, 2):
        page.get_by_role("button", name=f"Remove event {number}").click()

    expect(page.get_by_text("A single event is posted as its own embed.")).to_be_visible()
    expect(page.get_by_role("button", name="Remove event 1")).to_be_hidden()
    page.get_by_role("button", name="Add an event").click()
    page.get_by_label("peer name").fill("<b>Zoë</b> **bold**")
    expect(embed(page).locator(".d-description")).to_contain_text("Ben 🎉, <b>Zoë</b> **bold** 🎉")
    expect(events_of(page).nth(1)).to_contain_text("<b>Zoë</b> **bold**")
    expect(page.get_by_text("A single event is posted")).to_have_count(0)
    events_of(page).nth(0).get_by_role("button").first.click()
    expect(events_of(page).nth(0).get_by_role("button").first).to_be_focused()
    page.get_by_label("peer name").fill("Ann")
    expect(embed(page).locator(".d-description")).to_contain_text("Ann 🎉, <b>Zoë</b> **bold** 🎉")
    page.get_by_role("button", name="One event").click()
    expect(embed(page).locator(".d-title")).to_contain_text("Ann joined")
    assert len(site.discord.journal) == 0


def test_a_digest_after_an_outage_shows_times(site: Any, wide_visit: Any) -> None:
    page = open_digest(site, wide_visit, "Ann", "Ben")
    description = embed(page).locator(".d-description")
    expect(description).to_contain_text("Ann 🎉, Ben 🎉")
    before = description.inner_text()
    page.get_by_label("after an outage").check()
    expect(description).not_to_have_text(before)
    expect(description).to_contain_text(re.compile(r"\d\d:\d\d"))


def test_what_does_not_fit_becomes_several_messages(site: Any, wide_visit: Any) -> None:
    page = open_digest(site, wide_visit, *(f"{n} " + "😀" * 300 for n in range(14)))
    expect(messages(page).nth(1)).to_be_visible()
    expect(page.get_by_role("heading", name="of the fullest message")).to_be_visible()
    expect(page.locator(".meter-high").first).to_be_visible()
    wide_visit.snap("preview-digests")


def test_an_invalid_event_of_a_digest_is_marked(site: Any, wide_visit: Any) -> None:
    wide_visit.expected.add(422)
    page = open_digest(site, wide_visit, "Ann", "Ben")
    choose(page, "game_ended")
    duration = page.get_by_label("duration")
    duration.fill("long")
    expect(events_of(page).nth(1)).to_contain_text("not valid")
    expect(events_of(page).nth(0)).not_to_contain_text("not valid")
    expect(page.get_by_text("Event 2 is not valid")).to_be_visible()
    expect(duration).to_have_attribute("aria-invalid", "true")
    wide_visit.snap("preview-digest-wrong")
    events_of(page).nth(0).get_by_role("button").first.click()
    events_of(page).nth(1).get_by_role("button").first.click()
    expect(duration).to_have_value("long")
    expect(duration).to_have_attribute("aria-invalid", "true")
    duration.fill("60")
    expect(events_of(page).nth(1)).not_to_contain_text("not valid")
    expect(embed(page)).to_contain_text("Ann")


class Wall:
    """A plugin that shows what it would send, and draws some of it itself."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @hookimpl
    def http_pages(self) -> list[PluginPage]:
        return [PluginPage(title="Wall", folder=self._folder)]

    @hookimpl
    def preview(self, event: Event) -> list[Preview]:
        name = event.to_dict().get("peer_name")
        if name is None:
            return []

        return [
            Preview(title="the wall", text=f"{name}\nsits here"),
            Preview(title="the lamp", json={"on": name}, problems=[ConfigProblem("too dark")]),
        ]


WALL = """\
export default (root) => {};
export async function preview(host, { title, text, json, event }) {
  if (title !== "the lamp") return null;
  return host.element("p", {}, `drawn ${host.name} ${json.on} ${event.fields.peer_name}`);
}
"""


def test_whatever_plugin_renders_is_shown(site: Any, visit: Any, tmp_path: Path) -> None:
    (tmp_path / "page.js").write_text(WALL, "utf-8")
    site.call(lambda: site.bus.plugins.register_and_wait(Wall(tmp_path), "wall"))
    page = visit.open(site.url, "preview")
    choose(page, "peer_joined")
    page.get_by_label("peer name").fill("<b>Zoë</b>")
    wall = page.get_by_role("region", name="wall: the wall")
    expect(wall).to_contain_text("<b>Zoë</b>\nsits here", use_inner_text=True)
    lamp = page.get_by_role("region", name="wall: the lamp")
    expect(lamp).to_contain_text("drawn wall <b>Zoë</b> <b>Zoë</b>")
    expect(lamp).to_contain_text("too dark")
    discord = page.get_by_role("region", name="discord")
    expect(discord.get_by_role("article", name="Embed")).to_contain_text("<b>Zoë</b> joined")
    visit.snap("preview-of-all")
    choose(page, "notification")
    expect(wall).to_have_count(0)
    expect(discord).to_contain_text("Pizza is here")


def test_an_invalid_value_is_shown_at_its_field_and_what_was_valid_stays(
    site: Any, wide_visit: Any
) -> None:
    wide_visit.expected.add(422)
    page = wide_visit.open(site.url, "preview")
    choose(page, "game_ended")
    expect(page.get_by_role("region", name="discord")).to_contain_text("Game Ended")
    page.get_by_label("duration").fill("long")
    expect(page.locator("[data-field=duration]")).to_contain_text("should be a valid number")
    expect(page.get_by_role("region", name="discord")).to_contain_text("Game Ended")
    page.get_by_label("duration").fill("60")
    expect(page.get_by_role("region", name="discord")).to_contain_text("1m")


def test_a_page_without_a_plugin_that_renders_says_so(site: Any, wide_visit: Any) -> None:
    site.call(lambda: site.bus.unregister("discord", 1))
    page = wide_visit.open(site.url, "preview")
    expect(page.locator("main")).to_contain_text("No plugin shows what it would send.")
