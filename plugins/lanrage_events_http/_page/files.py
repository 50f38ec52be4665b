"""Files of the page: ours, and those of the parts of it that plugins bring."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from urllib.parse import quote

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lanrage_events.abc import Bus
from lanrage_events.http import Page

from .._problem import Problem, json_response

_INDEX = "index.html"
# No separator of any system, no drive, and nothing that begins with a dot.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_TYPES = {
    "css": "text/css; charset=utf-8",
    "gif": "image/gif",
    "html": "text/html; charset=utf-8",
    "ico": "image/x-icon",
    "jpg": "image/jpeg",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "mjs": "text/javascript; charset=utf-8",
    "png": "image/png",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
    "webp": "image/webp",
    "woff2": "font/woff2",
}
_UNKNOWN_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is sent."""

    content: bytes
    media_type: str
    tag: str
    """changes with the content, for ETag"""

    def response(self, request: Request) -> Response:
        """Return it, or that what the browser has is still the same."""
        # So that an update of lanrage-events, or of a plugin in the making, shows at once.
        headers = {"Cache-Control": "no-cache", "ETag": self.tag}
        known = [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]
        if self.tag in known or f"W/{self.tag}" in known:
            return Response(status_code=304, headers=headers)

        return Response(self.content, headers=headers, media_type=self.media_type)


class PageFiles:
    """The files of some folders, without those in folders below them.

    :param folders: where a file is looked for, in this order
    """

    def __init__(self, *folders: Traversable) -> None:
        self._folders = folders

    async def read(self, name: str) -> File | None:
        """Return a file, None if there is none of that name."""
        if not _NAME.fullmatch(name):
            return None

        content = await anyio.to_thread.run_sync(self._read, name)
        if content is None:
            return None

        tag = hashlib.sha256(content).hexdigest()[:32]
        suffix = name.rpartition(".")[2].lower()
        return File(content, _TYPES.get(suffix, _UNKNOWN_TYPE), f'"{tag}"')

    def _read(self, name: str) -> bytes | None:
        for folder in self._folders:
            file = folder / name
            if file.is_file():
                return file.read_bytes()

        return None


def own_files() -> PageFiles:
    """Return the files of our own page."""
    return PageFiles(files("lanrage_events_http") / "static")


def page_routes(bus: Bus, own: PageFiles, *, has_login: bool) -> list[Route]:
    """Return the routes of the page and its files.

    :param bus: knows the plugins that bring parts of the page
    :param own: our own files
    :param has_login: whether somebody can log out
    """

    async def index(request: Request) -> Response:
        return await _send(own, _INDEX, request)

    async def own_file(request: Request) -> Response:
        return await _send(own, request.path_params["file"], request)

    async def plugin_file(request: Request) -> Response:
        pages = _pages(bus).get(request.path_params["instance"], ())
        folders = PageFiles(*(page.folder for page in pages))
        return await _send(folders, request.path_params["file"], request)

    async def list_pages(request: Request) -> Response:
        pages = [_describe(name, page) for name, found in _pages(bus).items() for page in found]
        return json_response({"pages": pages, "login": has_login})

    return [
        Route("/", index, methods=["GET"]),
        Route("/static/{file}", own_file, methods=["GET"]),
        Route("/pages/{instance}/{file}", plugin_file, methods=["GET"]),
        Route("/api/pages", list_pages, methods=["GET"]),
    ]


def _pages(bus: Bus) -> Mapping[str, Sequence[Page]]:
    answers: Mapping[str, Iterable[Page]] = bus.query("http_pages")
    return {name: tuple(pages) for name, pages in answers.items()}


def _describe(name: str, page: Page) -> dict[str, str]:
    script = f"/pages/{quote(name, safe='')}/{quote(page.script, safe='')}"
    return {"name": name, "title": page.title, "script": script}
