"""What a plugin's own part of the page gets to work with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from lanrage_events import PeerJoined, hookimpl
from lanrage_events.http import Page, Route, RouteError, RouteRequest

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
