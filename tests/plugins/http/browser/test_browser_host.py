"""What a plugin's own part of the page gets to work with."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from lanrage_events import PeerJoined, PeerLeft, hookimpl
from lanrage_events.http import Page, Route, RouteError, RouteRequest
from lanrage_events_http._server import CONTENT_SECURITY_POLICY

DOCS = Path(__file__).parents[4] / "docs"
PAGE = (DOCS / "plugin-pages.md").read_text("utf-8")

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

SCRIPT = """\
export default function mount(root, host) {
  const { element } = host;
  const log = element("p", { "data-log": true });
  const say = (text) => host.setText(log, `${log.textContent} ${text}`);
  const press = element("button", { type: "button", onclick: ask }, "Ask");
  root.append(element("h1", {}, host.name), element("p", {}, host.view || "first"), press, log);
  root.append(element("a", { href: host.href("second") }, "second"), host.badge("fine", "good"));
  host.events(["peer_joined"], (event) => say(`event:${event.peer_name}`));
  let rounds = 0;
  const stop = host.every(10, () => {
    rounds += 1;
    if (rounds === 3) {
      stop();
      say("every:3");
    }
  });
  async function ask() {
    if (!(await host.confirm("Really?", "It asks.", "Do it"))) {
      say("refused");
      return;
    }
    try {
      await host.api("/question", { method: "POST" });
    } catch (problem) {
      say(`${problem.status}:${problem.detail}`);
      host.announce("It failed");
    }
  }
  return () => document.body.setAttribute("data-left", host.name);
}
"""


class Jukebox:
    """A plugin with a part of the page."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @hookimpl
    def http_pages(self) -> list[Page]:
        return [Page(title="Music", folder=self._folder)]

    @hookimpl
    def http_routes(self) -> list[Route]:
        async def question(_: RouteRequest) -> object:
            raise RouteError(418, "no coffee here")

        return [Route(method="POST", path="/question", handler=question)]


def test_a_plugins_script_gets_what_it_needs(site: Any, wide_visit: Any, tmp_path: Path) -> None:
    wide_visit.expected.add(418)
    (tmp_path / "page.js").write_text(SCRIPT, "utf-8")
    site.call(lambda: site.bus.plugins.register_and_wait(Jukebox(tmp_path), "juke box"))
    page = wide_visit.open(site.url)
    with page.expect_response(lambda response: "/api/events/stream" in response.url):
        page.get_by_role("link", name="Music").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("juke box")
    log = page.locator("[data-log]")
    expect(log).to_contain_text("every:3")
    site.publish(PeerJoined(peer_name="Ann", party_name="LAN"))
    expect(log).to_contain_text("event:Ann")
    page.get_by_role("button", name="Ask").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(log).to_contain_text("refused")
    page.get_by_role("button", name="Ask").click()
    page.get_by_role("dialog").get_by_role("button", name="Do it").click()
    expect(log).to_contain_text("418:no coffee here")
    expect(page.locator("#announcements")).to_have_text("It failed")
    page.get_by_role("link", name="second").click()
    expect(page.locator("main")).to_contain_text("second")
    expect(page.locator("body")).to_have_attribute("data-left", "juke box")


def test_a_script_that_is_broken_leaves_the_rest_alone(
    site: Any, wide_visit: Any, tmp_path: Path
) -> None:
    (tmp_path / "page.js").write_text("export default function mount( {", "utf-8")
    site.call(lambda: site.bus.plugins.register_and_wait(Jukebox(tmp_path), "jukebox"))
    page = wide_visit.open(site.url, "jukebox")
    expect(page.get_by_role("alert")).to_contain_text("The page of the plugin “jukebox” cannot be")
    page.get_by_role("link", name="Discord").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Discord")


def test_a_script_that_fails_leaves_the_rest_alone(
    site: Any, wide_visit: Any, tmp_path: Path
) -> None:
    (tmp_path / "page.js").write_text("export default () => { throw new Error('no'); };", "utf-8")
    site.call(lambda: site.bus.plugins.register_and_wait(Jukebox(tmp_path), "jukebox"))
    page = wide_visit.open(site.url, "jukebox")
    expect(page.get_by_role("alert")).to_contain_text("This section cannot be shown: no")
    page.get_by_role("link", name="Discord").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Discord")
    wide_visit.problems.clear()


NEEDS_SETUP = {
    "never": "new Promise(() => {})",
    "no": "false",
    "throws": "(() => { throw new Error('no'); })()",
    "fails": 'host.api("/nothing")',
    "yes": 'new Promise((resolve) => setTimeout(resolve, 1, host.name === "yes"))',
}


def test_what_needs_setup_comes_first(site: Any, wide_visit: Any, tmp_path: Path) -> None:
    wide_visit.expected.add(404)
    # Discord needs it, too.
    site.call(lambda: site.bus.unregister("discord", 1))
    for name, answer in NEEDS_SETUP.items():
        folder = tmp_path / name
        folder.mkdir()
        script = f"{SCRIPT}\nexport function needsSetup(host) {{ return {answer}; }}"
        (folder / "page.js").write_text(script, "utf-8")
        # Each has a folder and a script of its own.
        plugin = Jukebox(folder)
        site.call(partial(site.bus.plugins.register_and_wait, plugin, name))

    page = wide_visit.open(site.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("yes")
    keys = [link.get_attribute("data-key") for link in page.locator("#sections a").all()]
    assert keys[:5] == ["yes", "never", "no", "throws", "fails"]


def section(title: str) -> str:
    return PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_the_example_of_the_docs_works(
    site: Any, visit: Any, importable: Callable[[str], None]
) -> None:
    visit.expected.add(409)
    importable(str(DOCS / "examples" / "page"))
    example = import_module("seats")
    example.taken[7] = example.Seat(player="<b>Ann</b>", number=7)
    site.call(lambda: site.bus.plugins.register_and_wait(example, "seats"))
    page = visit.open(site.url)
    with page.expect_response(lambda response: "/api/events/stream" in response.url):
        page.get_by_role("link", name="Seats").click()

    expect(page.get_by_role("listitem").filter(has_text="<b>Ann</b>")).to_be_visible()
    page.get_by_label("Player").fill("Ben")
    page.get_by_label("Seat").fill("7")
    page.get_by_role("button", name="Take the seat").click()
    expect(page.get_by_role("alert")).to_contain_text("Seat 7 is taken: choose another one.")
    page.get_by_label("Seat").fill("8")
    page.get_by_role("button", name="Take the seat").click()
    expect(page.get_by_role("listitem").filter(has_text="Ben")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.locator("#announcements")).to_have_text("Ben has seat 8.")
    site.publish(PeerLeft(peer_name="Cy", party_name="LAN"))
    expect(page.locator("main")).to_contain_text("Cy is gone: is a seat free?")
    visit.snap("example")


def test_the_page_of_the_docs_names_all_that_a_script_gets(
    site: Any, wide_visit: Any, tmp_path: Path
) -> None:
    script = """\
export default async function mount(root, host) {
  await host.api("/question", { method: "POST" }).catch(() => {});
  root.append(host.element("h1", {}, "Music"));
  window.found = { host: Object.keys(host), words: Object.keys(host.words) };
  host.events([], () => {});
  return () => document.body.setAttribute("data-left", host.name);
}
"""
    (tmp_path / "page.js").write_text(script, "utf-8")
    wide_visit.expected.add(418)
    site.call(lambda: site.bus.plugins.register_and_wait(Jukebox(tmp_path), "jukebox"))
    page = wide_visit.open(site.url, "jukebox")
    expect(page.get_by_role("heading", level=1)).to_have_text("Music")
    found = page.evaluate("window.found")
    rows = re.findall(r"^\| `(\w+)[`(](.*)", section("The host object"), re.MULTILINE)
    assert sorted(found["host"]) == sorted(name for name, _ in rows)
    [words] = [text for name, text in rows if name == "words"]
    assert sorted(found["words"]) == sorted(re.findall(r"`(\w+)`", words))

    style = section("What it looks like")
    variables = page.evaluate(
        "names => names.map((name) => getComputedStyle(document.body).getPropertyValue(name))",
        re.findall(r"`(--[\w-]+)`", style),
    )
    assert len(variables) > 30
    assert all(variables)
    css = (files("lanrage_events_http") / "static" / "app.css").read_text("utf-8")
    classes = re.findall(r"`([a-z-]+)`", style.partition("These classes")[2].partition("Begin")[0])
    assert len(classes) > 10
    assert [name for name in classes if not re.search(rf"\.{name}\b", css)] == []
    assert CONTENT_SECURITY_POLICY in section("What a browser allows")

    page.get_by_role("link", name="Discord").click()
    expect(page.locator("body")).to_have_attribute("data-left", "jukebox")


def test_a_script_that_fails_later_shows_its_error(
    site: Any, wide_visit: Any, tmp_path: Path
) -> None:
    script = "export default async () => { await null; throw new Error('too late'); };"
    (tmp_path / "page.js").write_text(script, "utf-8")
    site.call(lambda: site.bus.plugins.register_and_wait(Jukebox(tmp_path), "jukebox"))
    page = wide_visit.open(site.url, "jukebox")
    expect(page.get_by_role("alert")).to_contain_text("This section cannot be shown: too late")
    page.get_by_role("link", name="Discord").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Discord")
    wide_visit.problems.clear()
