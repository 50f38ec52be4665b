"""A real browser, the real page, and a stand-in for Discord."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from lanrage_events import Event, EventBus
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_discord.testing import StandInDiscord, StandInWebhook
from lanrage_events_http import HTTPConfig, HTTPPlugin

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Without them a browser asks its maker's hosts for this and that.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
REQUIRE_BROWSER = "LANRAGE_EVENTS_REQUIRE_BROWSER"
SCREENSHOTS = "LANRAGE_EVENTS_SCREENSHOTS"
SIZES = {"wide": (1280, 900), "phone": (375, 780)}
WIDTHS = (1280, 800, 375, 360)
TIMEOUT_MS = 10_000
FOUND_BY_AXE = """async () => {
    const answer = await axe.run(document, { resultTypes: ["violations"] });
    return answer.violations
        .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(" ")}`);
}"""


@pytest.fixture(scope="session", autouse=True)
def browser_thread() -> Iterator[ThreadPoolExecutor]:
    """Have a thread for playwright, whose event loop would be in the way of other tests'."""
    with ThreadPoolExecutor(1, "browser") as executor:
        yield executor


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run the tests of this folder in that thread."""
    executor = pyfuncitem.funcargs.get("browser_thread")
    if not isinstance(executor, ThreadPoolExecutor):
        return None

    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    executor.submit(pyfuncitem.obj, **arguments).result()
    return True


@pytest.fixture(scope="session")
def browser(browser_thread: ThreadPoolExecutor) -> Iterator[Browser]:
    """Run one browser for all tests; without one they are skipped, unless it is required."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        reason = f"no browser is installed: looked for {', '.join(BROWSERS)}"
        if os.environ.get(REQUIRE_BROWSER) == "1":
            pytest.fail(reason)

        pytest.skip(f"{reason}; set {REQUIRE_BROWSER}=1 to fail instead")

    with in_thread(browser_thread, lambda: running(found)) as browser:
        yield browser


@contextmanager
def running(path: str) -> Iterator[Browser]:
    with (
        sync_playwright() as playwright,
        # It makes a new folder for the user's data.
        playwright.chromium.launch(executable_path=path, args=ARGUMENTS) as browser,
    ):
        yield browser


@contextmanager
def in_thread(
    executor: ThreadPoolExecutor, open_context: Callable[[], AbstractContextManager[Any]]
) -> Iterator[Any]:
    """Enter and leave a context in a thread."""
    stack = ExitStack()
    entered: Future[Any] = executor.submit(lambda: stack.enter_context(open_context()))
    try:
        yield entered.result()
    finally:
        executor.submit(stack.close).result()


@dataclass
class Site:
    """A running bus with Discord and the page, and the stand-in that Discord's plugin posts to."""

    portal: BlockingPortal
    bus: EventBus
    discord: StandInDiscord
    http: HTTPPlugin

    @property
    def url(self) -> str:
        assert self.http.url is not None
        return self.http.url

    def create_webhook(self, name: str = "LANrage") -> StandInWebhook:
        return self.portal.call(lambda: self.discord.create_webhook(name=name))

    def call(self, function: Callable[[], object]) -> None:
        """Call something in the event loop of the bus."""
        self.portal.call(function)

    def publish(self, *events: Event) -> None:
        """Publish events and wait until every plugin has handled them."""
        for event in events:
            self.portal.call(self.bus.publish, event)

        self.portal.call(self.bus.drain)

    def restart_page(self) -> None:
        """Serve the page again at the same port, as a restart of the program does."""
        self.portal.call(self._restart_page)

    async def _restart_page(self) -> None:
        port = urlsplit(self.url).port
        await self.bus.unregister("http", 1)
        self.http = HTTPPlugin(HTTPConfig(port=port or 0, token=self.http.config.token))
        await self.bus.plugins.register_and_wait(self.http, "http")


OpenSite: TypeAlias = Callable[..., Site]


@pytest.fixture
def open_site(tmp_path: Path) -> Iterator[OpenSite]:
    """Open a site; ``configure`` gets the stand-in and returns what the configuration has."""
    with ExitStack() as stack:

        def open_one(
            configure: Callable[[StandInDiscord], dict[str, Any]] = lambda _: {},
            places: dict[str, str] | None = None,
            templates: tuple[Path, ...] = (),
            **http: Any,
        ) -> Site:
            @asynccontextmanager
            async def serve() -> AsyncIterator[Site]:
                discord = StandInDiscord(limit=None)
                bus = EventBus(state_folder=tmp_path / "state", templates=templates)
                async with discord.serve():
                    config = {"allow_hosts": [discord.host], **configure(discord)}
                    plugin = DiscordPlugin(DiscordConfig.model_validate(config))
                    bus.register(plugin, "discord", locations=places or {})
                    page = HTTPPlugin(HTTPConfig(**{"port": 0, **http}))
                    bus.register(page, "http")
                    async with bus:
                        yield Site(portal, bus, discord, page)

            portal = stack.enter_context(start_blocking_portal("asyncio"))
            return stack.enter_context(portal.wrap_async_context_manager(serve()))

        (tmp_path / "state").mkdir()
        yield open_one


@pytest.fixture
def site(open_site: OpenSite) -> Site:
    """Open a site without any configuration."""
    return open_site()


@dataclass
class Visit:
    """A page in the browser, and what must not happen on it."""

    page: Page
    sizes: tuple[str, ...]
    """the sizes that are looked at, the first all the time and the others now and then"""
    expected: set[int] = field(default_factory=set)
    """the statuses of errors that the test provokes, which the browser writes to its console"""
    expects_disconnection: bool = False
    problems: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    axe: str = field(default="", repr=False)

    def open(self, url: str, section: str = "") -> Page:
        self.page.goto(f"{url}#/{section}" if section else url)
        return self.page

    def snap(self, name: str) -> None:
        """Keep pictures in light and dark, if the user wants them, and look at it with axe."""
        folder = os.environ.get(SCREENSHOTS)
        # What fades in is not what one reads.
        self.page.emulate_media(reduced_motion="reduce")
        self.page.evaluate(self.axe)
        for size in self.sizes:
            self.resize(size)
            self.page.evaluate("scrollTo(0, 0)")
            self.check_width()
            for scheme in ("light", "dark"):
                self.page.emulate_media(color_scheme=scheme)
                # Colours do not depend on the size.
                if (size, scheme) != (self.sizes[-1], "dark") or len(self.sizes) == 1:
                    assert self.page.evaluate(FOUND_BY_AXE) == []

                if folder:
                    Path(folder).mkdir(parents=True, exist_ok=True)
                    path = Path(folder, f"{name}-{size}-{scheme}.png")
                    self.page.screenshot(path=path, full_page=True)

        self.page.emulate_media(color_scheme="light")
        self.resize(self.sizes[0])

    def resize(self, size: str) -> None:
        width, height = SIZES[size]
        self.page.set_viewport_size({"width": width, "height": height})

    def check(self) -> None:
        """Check that all went well, and that the page fits whatever its size."""
        assert self.problems == []
        assert len(self.hosts) <= 1
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 780})
            self.check_width()

    def check_width(self) -> None:
        page_width, width = self.page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert page_width <= width

    def note_console(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return

        if any(f"status of {status}" in message.text for status in self.expected):
            return

        if self.expects_disconnection and "net::ERR_" in message.text:
            return

        self.problems.append(message.text)

    def note_request(self, request: Request) -> None:
        self.hosts.add(urlsplit(request.url).netloc)


@contextmanager
def visiting(browser: Browser, sizes: tuple[str, ...], axe: str) -> Iterator[Visit]:
    width, height = SIZES[sizes[0]]
    with browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="light",
        locale="en-GB",
    ) as context:
        context.set_default_timeout(TIMEOUT_MS)
        page = context.new_page()
        visit = Visit(page, sizes, axe=axe)
        page.on("console", visit.note_console)
        page.on("pageerror", lambda error: visit.problems.append(str(error)))
        page.on("request", visit.note_request)
        yield visit
        visit.check()


@pytest.fixture(scope="session")
def axe() -> str:
    """Read the script that looks for what keeps people out."""
    return (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")


@pytest.fixture(params=list(SIZES))
def visit(
    request: pytest.FixtureRequest, browser: Browser, browser_thread: ThreadPoolExecutor, axe: str
) -> Iterator[Visit]:
    """Open an empty page, in each size."""
    with in_thread(browser_thread, lambda: visiting(browser, (request.param,), axe)) as opened:
        yield opened


@pytest.fixture
def wide_visit(browser: Browser, browser_thread: ThreadPoolExecutor, axe: str) -> Iterator[Visit]:
    """Open an empty page in the wide size, for what does not depend on it."""
    with in_thread(browser_thread, lambda: visiting(browser, tuple(SIZES), axe)) as opened:
        yield opened


@pytest.fixture(autouse=True)
def patience() -> None:
    """Let what is expected of a page take as long as a busy machine needs."""
    expect.set_options(timeout=TIMEOUT_MS)
