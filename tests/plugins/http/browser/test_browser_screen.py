"""The screen for the beamer of a hall: legible from afar, live, and with nothing to click."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from lanrage_events import GameStarted, PeerJoined, PeerLeft, hookimpl
from lanrage_events.http import Page as PluginPage
from lanrage_events_parties import PartiesConfig, PartiesPlugin

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

TOKEN = "a-made-up-token-for-the-hall"
INVITE = {"invite_url": "https://discord.gg/abc123"}
NAMES = (
    "\u202e<b>evil</b>" + "W" * 5000,
    "\u200b",
    "Z" + "\u0300\u0334" * 40 + "algo",
    "@everyone " * 30,
    "שלום עולם",
    "Ann",
)
BEAMERS = ((1280, 720), (1024, 768), (1920, 1080), (3840, 2160), (1080, 1920))
# Of a picture of 3 metres, of which a capital letter has 70 %: at 15 metres, 10 minutes of arc.
LEAST = 0.0224
OUTSIDE = """() => [...document.querySelectorAll("main :is(h1, li, p, img, figcaption, time)")]
    .filter((node) => node.checkVisibility() && node.textContent + node.src)
    .map((node) => [node, node.getBoundingClientRect()])
    .filter(([, at]) => at.width && (at.left < 0 || at.top < 0 || at.right > innerWidth + 1 || at.bottom > innerHeight + 1))
    .map(([node]) => node.outerHTML.slice(0, 200))"""
OVERLAPS = """() => {
    const boxes = [...document.querySelectorAll(".parties-screen :is(h1, .parties-screen-clock, .parties-screen-people li, .parties-screen-events li, img)")]
        .map((node) => node.getBoundingClientRect()).filter((box) => box.width && box.height);
    return boxes.some((a, i) => boxes.some((b, j) => i < j && Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
        && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1));
}"""
SIZE = """() => parseFloat(getComputedStyle(document.querySelector(".parties-screen-people bdi")).fontSize)
    / Math.max(innerWidth, innerHeight)"""
SMALLEST = """() => Math.min(...[...document.querySelectorAll(".parties-screen-people bdi, .parties-screen-events bdi")]
    .map((node) => parseFloat(getComputedStyle(node).fontSize))) / Math.max(innerWidth, innerHeight)"""


def joined(name: str, party: str = "Friday LAN", minutes: float = 0) -> PeerJoined:
    time = datetime.now(UTC) - timedelta(minutes=minutes)
    return PeerJoined(peer_name=name, party_name=party, time=time)


def left(name: str, party: str = "Friday LAN") -> PeerLeft:
    return PeerLeft(peer_name=name, party_name=party)


def add_parties(site: Any) -> None:
    plugin = PartiesPlugin(PartiesConfig())
    site.call(lambda: site.bus.plugins.register_and_wait(plugin, "parties"))


def open_screen(visit: Any, site: Any, query: str = "") -> Page:
    page: Page = visit.page
    with page.expect_response(lambda response: "/api/events/stream" in response.url):
        page.goto(f"{site.url}screen{query}")

    return page


def members(page: Page) -> Any:
    return page.get_by_role("region", name="Who is on").get_by_role("listitem")


def events(page: Page) -> Any:
    return page.get_by_role("region", name="What happened").get_by_role("listitem")


def test_the_party_is_shown_live(open_site: Any, wide_visit: Any) -> None:
    site = open_site(lambda _: INVITE)
    add_parties(site)
    page = open_screen(wide_visit, site)
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text("Nobody is on")
    expect(page.get_by_role("img", name="QR code of https://discord.gg/abc123")).to_be_visible()
    wide_visit.snap("screen-empty")

    site.publish(joined("Ann", minutes=130), joined("Bob", minutes=41))
    expect(heading).to_have_text("Friday LAN")
    expect(members(page)).to_have_text(["Ann2:10 h", "Bob41 min"])
    game = GameStarted(game_name="Factorio", players=("Ann",))
    site.publish(game, left("Bob"), joined("Cid"))
    expect(members(page)).to_have_text(["Ann2:10 h", "Cid0 min"])
    expect(page.locator("main header")).to_contain_text("2 on")
    expect(page.locator("main header")).to_contain_text("Factorio 0 min")
    expect(events(page).nth(0)).to_contain_text("Cid")
    expect(events(page).nth(1)).to_contain_text("Bobleft")
    expect(events(page).nth(2)).to_contain_text("Factoriobegan")
    # Nothing can be clicked, or reached with a keyboard.
    assert (
        page.evaluate(
            "[...document.querySelectorAll('a, button, input')].filter((node) => node.checkVisibility())"
        )
        == []
    )
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 20, 28)"
    wide_visit.snap("screen")


@pytest.mark.parametrize(("count", "pages"), [(3, 1), (300, 10)])
def test_it_fits_every_beamer(open_site: Any, wide_visit: Any, count: int, pages: int) -> None:
    site = open_site(lambda _: INVITE)
    add_parties(site)
    party = "Friday " + "LAN" * 1000
    site.publish(
        *(joined(f"{NAMES[n % 6]}{n}", party, n) for n in range(count)), joined("Zoe", "Blue")
    )
    page = open_screen(wide_visit, site)
    for width, height in BEAMERS:
        page.set_viewport_size({"width": width, "height": height})
        expect(events(page).first).to_be_visible()
        page.wait_for_function(
            "document.querySelector('.parties-screen-people').clientWidth > innerWidth / 2"
        )
        page.evaluate(
            "new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))"
        )
        assert page.evaluate(OUTSIDE) == []
        assert not page.evaluate(OVERLAPS)
        assert page.evaluate(SMALLEST) >= LEAST
        # A few are larger.
        assert page.evaluate(SIZE) > (2 * LEAST if count == 3 else 0)
        assert members(page).count() >= count / pages * 0.8

    expect(page.get_by_text("Also on: Blue (1)")).to_be_visible()
    assert page.locator("main b").count() == 0


@pytest.mark.parametrize("count", [3, 40])
def test_the_last_events_are_readable_at_once(open_site: Any, wide_visit: Any, count: int) -> None:
    site = open_site(lambda _: INVITE)
    add_parties(site)
    begin = datetime.now(UTC).replace(second=30) - timedelta(minutes=90)
    names = [f"xX_Sniper{number:02}" for number in range(count)]
    site.publish(
        *(
            PeerJoined(
                peer_name=name,
                party_name="Friday LAN",
                time=begin + timedelta(milliseconds=number),
            )
            for number, name in enumerate(names)
        )
    )
    page = open_screen(wide_visit, site)
    for width, height in BEAMERS:
        page.set_viewport_size({"width": width, "height": height})
        expect(events(page).first).to_contain_text(names[-1])
        page.evaluate(
            "new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))"
        )
        assert (
            page.evaluate(
                "[...document.querySelectorAll('.parties-screen-events bdi')]"
                ".filter((node) => node.scrollWidth > node.clientWidth).length"
            )
            == 0
        )
        assert not page.evaluate(OVERLAPS)
        # They happened in the same minute, which is there once.
        expect(events(page).get_by_role("time")).to_have_count(1)
        assert events(page).count() >= 3

    wide_visit.snap(f"screen-{count}")


def test_times_count_and_pages_turn_by_themselves(site: Any, wide_visit: Any) -> None:
    add_parties(site)
    page = wide_visit.page
    # Nobody sets the clock of a beamer.
    page.clock.install(time=datetime(2020, 1, 1, tzinfo=UTC))
    site.publish(*(joined(f"Player {n}", minutes=200 - n / 10) for n in range(150)))
    open_screen(wide_visit, site)
    expect(members(page).first).to_contain_text("h")
    seen: set[str] = set()
    for _ in range(8):
        seen |= {text.partition("3:")[0] for text in members(page).all_text_contents()}
        page.clock.run_for(10_000)

    assert len(seen) >= 150
    site.publish(*(left(f"Player {n}") for n in range(1, 150)))
    expect(members(page)).to_have_count(1)
    page.route("**/api/parties/screen**", lambda route: None)
    page.clock.fast_forward("26:00:00")
    expect(members(page)).to_contain_text("1 d 5 h")


def test_it_says_when_it_is_not_live_and_goes_on_by_itself(site: Any, wide_visit: Any) -> None:
    wide_visit.expects_disconnection = True
    wide_visit.expected.update({404, 503})
    add_parties(site)
    page = wide_visit.page
    page.clock.install()
    site.publish(joined("Ann"))
    open_screen(wide_visit, site)
    expect(members(page)).to_have_count(1)
    state = page.locator(".parties-screen-state")

    site.call(lambda: site.bus.unregister("parties", 1))
    page.clock.run_for(6_000)
    expect(state).to_contain_text("Not live: ")
    expect(members(page)).to_have_count(1)
    add_parties(site)
    page.clock.run_for(6_000)
    expect(state).to_be_empty()

    # The connection is gone, such as by a cable that was pulled out: nothing answers, nor fails.
    page.route("**/api/parties/screen**", lambda route: None)
    page.clock.run_for(15_000)
    expect(page.locator("#connection")).to_contain_text("Not live: ")
    page.unroute_all(behavior="ignoreErrors")
    page.clock.run_for(6_000)
    expect(page.locator("#connection")).to_be_empty()

    site.restart_page()
    site.publish(joined("Bob"))
    page.clock.run_for(6_000)
    expect(members(page).filter(has_text="Bob")).to_have_count(1)


def test_without_a_screen_it_says_what_to_add_and_waits(site: Any, wide_visit: Any) -> None:
    page = wide_visit.page
    page.clock.install()
    page.goto(f"{site.url}screen")
    expect(
        page.get_by_role("status").filter(has_text="add “parties:” below “plugins:”")
    ).to_be_visible()
    wide_visit.snap("screen-missing")
    add_parties(site)
    page.clock.run_for(5_000)
    expect(page.get_by_role("heading", level=1)).to_have_text("Nobody is on")
    expect(page.get_by_role("img")).to_have_count(0)


def test_a_party_may_be_chosen_and_the_login_leads_back(open_site: Any, wide_visit: Any) -> None:
    site = open_site(tokens={"hall": {"token": TOKEN, "scopes": ["read"]}})
    add_parties(site)
    site.publish(joined("Ann", "Red & Blue"), joined("Bob"), joined("Cid"))
    page = wide_visit.page
    address = f"{site.url}screen?party=red%20%26%20blue"
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    page.keyboard.type(TOKEN)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Red & Blue")
    expect(members(page)).to_have_count(1)
    assert page.url == address
    site.publish(left("Ann", "Red & Blue"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Waiting for red & blue")

    # A session that ends, such as with its token, leads back as well.
    wide_visit.expected.add(401)
    page.context.clear_cookies()
    site.publish(joined("Dan"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    page.keyboard.type(TOKEN)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Waiting for red & blue")


def test_hours_of_comings_and_goings_leave_nothing_behind(site: Any, wide_visit: Any) -> None:
    add_parties(site)
    page = wide_visit.page
    page.clock.install()
    site.publish(joined("Ann"))
    open_screen(wide_visit, site)
    devtools = page.context.new_cdp_session(page)

    def counters() -> tuple[int, int]:
        expect(members(page)).to_have_count(1)
        devtools.send("HeapProfiler.collectGarbage")
        found = devtools.send("Memory.getDOMCounters")
        return found["nodes"], found["jsEventListeners"]

    def play(name: str) -> None:
        site.publish(joined(name), GameStarted(game_name=f"Game {name}", players=(name,)))
        page.clock.run_for(6_000)
        expect(members(page)).to_have_count(2)
        site.publish(left(name))
        page.clock.run_for(6_000)

    play("Bob")
    before = counters()
    for number in range(10):
        play(f"Player {number}")

    after = counters()
    assert after[0] <= before[0] + 60  # more lines of last events
    assert after[1] <= before[1]


def test_other_plugins_have_screens_too(site: Any, wide_visit: Any, tmp_path: Path) -> None:
    class Jukebox:
        @hookimpl
        def http_pages(self) -> list[PluginPage]:
            return [PluginPage(title="Music", folder=tmp_path)]

    script = """\
export default function mount(root, host) { root.append(host.element("h1", {}, "Music")); }
export function screen(root, host) {
  const heading = host.element("h1", {}, `Now: ${host.name}`);
  root.append(heading);
  host.events(["peer_joined"], (event) => host.setText(heading, event.peer_name));
}
"""
    (tmp_path / "page.js").write_text(script, "utf-8")
    add_parties(site)
    site.call(lambda: site.bus.plugins.register_and_wait(Jukebox(), "juke box"))
    page = open_screen(wide_visit, site, "/juke%20box")
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text("Now: juke box")
    site.publish(joined("Ann"))
    expect(heading).to_have_text("Ann")
    # The first of the plugins has the short address.
    open_screen(wide_visit, site)
    expect(heading).to_have_text("Friday LAN")
    page.goto(f"{site.url}screen/nothing")
    expect(page.get_by_role("status").filter(has_text="“nothing” has no screen")).to_be_visible()


def test_the_page_links_to_it(site: Any, wide_visit: Any) -> None:
    add_parties(site)
    page = wide_visit.open(site.url, "parties")
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Big screen").click()

    expect(opened.value.get_by_role("heading", level=1)).to_have_text("Nobody is on")


def test_names_and_addresses_are_only_texts(open_site: Any, wide_visit: Any) -> None:
    evil = "<img src=x onerror='window.hacked=1'>"

    class Inviting:
        @hookimpl
        def invite_url(self) -> str:
            return f"javascript:{evil}"

    site = open_site()
    add_parties(site)
    site.call(lambda: site.bus.plugins.register_and_wait(Inviting(), "inviting"))
    site.publish(
        joined(evil, evil, 1),
        joined("Ann", evil),
        GameStarted(game_name=evil, players=(evil,)),
        joined("Bob", f"{evil}2"),
    )
    page = open_screen(wide_visit, site)
    expect(page.get_by_role("heading", level=1)).to_contain_text("onerror")
    expect(members(page)).to_have_text([f"{evil}1 min", "Ann0 min"])
    page.goto(f"{site.url}screen?party={quote(evil + '3')}&shown={quote(evil)}")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Waiting for {evil}3")
    page.goto(f"{site.url}screen/{quote(evil)}")
    expect(page.get_by_role("main")).to_contain_text(f"The plugin “{evil}” has no screen")
    assert page.evaluate("[window.hacked, document.querySelectorAll('[src=x]').length]") == [
        None,
        0,
    ]
