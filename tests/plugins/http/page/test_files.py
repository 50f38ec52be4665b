from __future__ import annotations

import zipfile
from collections.abc import Callable
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lanrage_events import EventBus, Redactor, hookimpl
from lanrage_events.http import Page
from lanrage_events_http._app import application
from lanrage_events_http._page import PageFiles, own_files, page_routes
from lanrage_events_http._problem import Problem

# Files are read in a thread.
pytestmark = pytest.mark.real_clock

Client: TypeAlias = Callable[..., httpx.AsyncClient]


class Paged:
    def __init__(self, *pages: Page) -> None:
        self._pages = pages

    @hookimpl
    def http_pages(self) -> tuple[Page, ...]:
        return self._pages


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("not yours", encoding="utf-8")
    page = tmp_path / "page"
    page.mkdir()
    (page / "page.js").write_text("export default () => {};", encoding="utf-8")
    (page / "deeper").mkdir()
    (page / "deeper" / "secret.txt").write_text("not yours", encoding="utf-8")
    (page / ".hidden").write_text("not yours", encoding="utf-8")
    return page


def app(bus: EventBus, own: Traversable | None = None, *, has_login: bool = False) -> Any:
    files = own_files() if own is None else PageFiles(own)
    return application(page_routes(bus, files, has_login=has_login), Redactor())


async def test_serves_our_own_page(client: Client) -> None:
    async with client(app(EventBus())) as browser:
        page = await browser.get("/")
        assert (await browser.get("/screen")).text == page.text
        assert (await browser.get("/screen/parties?party=LAN")).text == page.text
        assert (await browser.get("/screen/")).status_code == 404
        script = await browser.get("/static/app.js")

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "/static/app.js" in page.text
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert script.headers["cache-control"] == "no-cache"


async def test_a_file_that_a_browser_has_is_not_sent_again(client: Client, folder: Path) -> None:
    async with client(app(EventBus(), folder)) as browser:
        first = await browser.get("/static/page.js")
        tag = first.headers["etag"]
        for known in (tag, f'"other", W/{tag}'):
            again = await browser.get("/static/page.js", headers={"if-none-match": known})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == tag

        (folder / "page.js").write_text("changed", encoding="utf-8")
        changed = await browser.get("/static/page.js", headers={"if-none-match": tag})

    assert (changed.status_code, changed.text) == (200, "changed")
    assert changed.headers["etag"] != tag


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.html", "text/html; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.JS", "text/javascript; charset=utf-8"),
        ("a.svg", "image/svg+xml"),
        ("a.png", "image/png"),
        ("a.exe", "application/octet-stream"),
        ("a", "application/octet-stream"),
    ],
)
async def test_each_file_has_its_type(
    name: str, media_type: str, client: Client, folder: Path
) -> None:
    (folder / name).write_bytes(b"x")
    async with client(app(EventBus(), folder)) as browser:
        response = await browser.get(f"/static/{name}")

    assert response.headers["content-type"] == media_type


@pytest.mark.parametrize(
    "path",
    [
        "/static/../secret.txt",
        "/static/..%2fsecret.txt",
        "/static/%2e%2e/secret.txt",
        "/static/%2e%2e%2fsecret.txt",
        "/static/..%5csecret.txt",
        "/static/deeper/secret.txt",
        "/static/deeper%2fsecret.txt",
        "/static/deeper",
        "/static/.hidden",
        "/static/.",
        "/static/..",
        "/static/",
        "/static",
        "/static/page.js/",
        "/static/page.js%00",
        "/static/page.js%0a",
        "/static/C:%5cWindows%5cwin.ini",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/missing.js",
        "/pages/paged/..%2fsecret.txt",
        "/pages/paged/deeper",
        "/pages/other/page.js",
        "/pages/..%2fpaged/page.js",
        "/pages/paged",
        "/pages/paged/",
    ],
)
async def test_nothing_else_can_be_had(path: str, client: Client, folder: Path) -> None:
    bus = EventBus()
    bus.register(Paged(Page(title="Paged", folder=folder)), "paged")
    async with client(app(bus, folder)) as browser:
        # Not through the URL of httpx, which would tidy up the path.
        request = browser.build_request("GET", "/")
        request.url = request.url.copy_with(raw_path=path.encode())
        response = await browser.send(request)

    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


@given(name=st.text() | st.text("./\\.~:%a\0 "))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
async def test_no_name_leads_out_of_the_folder(name: str, folder: Path) -> None:
    if name == "page.js":
        return

    with pytest.raises(Problem, match="404"):
        await PageFiles(folder).read(name)


async def test_plugins_bring_parts_of_the_page(
    client: Client, folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "more.mjs").write_text("// more", encoding="utf-8")
    bus = EventBus()
    pages = (
        Page(title="First", folder=folder),
        Page(title="Second", folder=other, script="more.mjs"),
    )
    bus.register(Paged(*pages), "my plugin")
    async with client(app(bus)) as browser:
        listed = (await browser.get("/api/pages")).json()
        scripts = [(await browser.get(page["script"])).text for page in listed["pages"]]

    assert listed == {
        "pages": [
            {"name": "my plugin", "title": "First", "script": "/pages/my%20plugin/page.js"},
            {"name": "my plugin", "title": "Second", "script": "/pages/my%20plugin/more.mjs"},
        ],
        "login": False,
    }
    assert scripts == ["export default () => {};", "// more"]


async def test_the_list_of_pages_has_whether_one_can_log_out(client: Client) -> None:
    async with client(app(EventBus(), has_login=True)) as browser:
        assert (await browser.get("/api/pages")).json() == {"pages": [], "login": True}


async def test_a_plugin_that_fails_is_left_out(client: Client, folder: Path) -> None:
    class Broken:
        @hookimpl
        def http_pages(self) -> tuple[Page, ...]:
            raise ValueError("no pages today")

    bus = EventBus()
    bus.register(Broken(), "broken")
    bus.register(Paged(Page(title="Paged", folder=folder)), "paged")
    async with client(app(bus)) as browser:
        listed = (await browser.get("/api/pages")).json()
        missing = await browser.get("/pages/broken/page.js")

    assert [page["name"] for page in listed["pages"]] == ["paged"]
    assert missing.status_code == 404


@pytest.mark.parametrize(
    "answer",
    [None, 7, [None], "page", [Page(title=None, folder=Path())], [Page(title="x", folder="x")]],  # type: ignore[arg-type]
)
async def test_parts_that_are_none_are_left_out_and_logged_once(
    client: Client, folder: Path, answer: object, caplog: pytest.LogCaptureFixture
) -> None:
    class Odd:
        @hookimpl
        def http_pages(self) -> object:
            return answer

    bus = EventBus()
    bus.register(Odd(), "odd")
    bus.register(Paged(Page(title="Paged", folder=folder)), "paged")
    async with client(app(bus)) as browser:
        await browser.get("/api/pages")
        listed = (await browser.get("/api/pages")).json()
        missing = await browser.get("/pages/odd/page.js")

    assert [page["name"] for page in listed["pages"]] == ["paged"]
    assert missing.status_code == 404
    [record] = caplog.records
    assert "plugin 'odd': its parts of the page are left out" in record.getMessage()


async def test_a_folder_may_be_in_an_archive(client: Client, tmp_path: Path) -> None:
    archive = tmp_path / "plugin.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("page/page.js", "// zipped")
        file.writestr("secret.txt", "not yours")

    bus = EventBus()
    with zipfile.ZipFile(archive) as file:
        bus.register(Paged(Page(title="Zip", folder=zipfile.Path(file, "page/"))), "zipped")
        async with client(app(bus)) as browser:
            assert (await browser.get("/pages/zipped/page.js")).text == "// zipped"
            assert (await browser.get("/pages/zipped/..%2fsecret.txt")).status_code == 404
