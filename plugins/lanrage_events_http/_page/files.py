"""Files of the page: our own, and those of plugins' parts of it."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import cast
from urllib.parse import quote

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lanrage_events.abc import Bus
from lanrage_events.http import Page

from .._problem import Problem, json_response
from .._server import access_of

logger = logging.getLogger(__name__)

# No path separators, no drives, no names that begin with a dot.
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


class PageFiles:
    """The files of some folders, without their subfolders.

    :param folders: where to look for a file, in this order
    """

    def __init__(self, *folders: Traversable) -> None:
        self._folders = folders

    async def read(self, name: str) -> bytes:
        """Return the content of a file.

        :raises Problem: if there is no such file
        """
        content = (
            await anyio.to_thread.run_sync(self._read, name) if _NAME.fullmatch(name) else None
        )
        if content is None:
            raise Problem(404, "there is no such file")

        return content

    async def respond(self, name: str, request: Request) -> Response:
        """Return a file as an answer, or the status 304 if the browser has it already.

        :raises Problem: if there is no such file
        """
        content = await self.read(name)
        tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        # A browser asks each time, so that updates of lanrage-events or of a plugin show at once.
        headers = {"Cache-Control": "no-cache", "ETag": tag}
        known = [item.strip() for item in request.headers.get("if-none-match", "").split(",")]
        if tag in known or f"W/{tag}" in known:
            return Response(status_code=304, headers=headers)

        media_type = _TYPES.get(name.rpartition(".")[2].lower(), _UNKNOWN_TYPE)
        return Response(content, headers=headers, media_type=media_type)

    def _read(self, name: str) -> bytes | None:
        for folder in self._folders:
            file = folder / name
            if file.is_file():
                return file.read_bytes()

        return None


def own_files() -> PageFiles:
    """Return our own files."""
    return PageFiles(files("lanrage_events_http") / "static")


def page_routes(bus: Bus, own: PageFiles, *, has_login: bool) -> list[Route]:
    """Return the routes of the page and its files.

    :param bus: its plugins may have parts of the page
    :param own: our own files
    :param has_login: whether users log in and out
    """
    pages_of = _Pages(bus)

    async def index(request: Request) -> Response:
        access_of(request.scope).require("read")
        return await own.respond("index.html", request)

    async def own_file(request: Request) -> Response:
        return await own.respond(request.path_params["file"], request)

    async def plugin_file(request: Request) -> Response:
        access_of(request.scope).require("read")
        pages = pages_of.all().get(request.path_params["instance"], ())
        folders = PageFiles(*(page.folder for page in pages))
        return await folders.respond(request.path_params["file"], request)

    async def list_pages(request: Request) -> Response:
        access_of(request.scope).require("read")
        pages = [_describe(name, page) for name, found in pages_of.all().items() for page in found]
        return json_response({"pages": pages, "login": has_login})

    return [
        *(Route(path, index, methods=["GET"]) for path in ("/", "/screen", "/screen/{instance}")),
        Route("/static/{file}", own_file, methods=["GET"]),
        Route("/pages/{instance}/{file}", plugin_file, methods=["GET"]),
        Route("/api/pages", list_pages, methods=["GET"]),
    ]


class _Pages:
    """The parts of the page that plugins have."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._reported: set[str] = set()
        """the plugins whose parts were invalid last, so that each is logged once"""

    def all(self) -> Mapping[str, Sequence[Page]]:
        """Return the valid ones by plugin."""
        valid: dict[str, Sequence[Page]] = {}
        invalid: set[str] = set()
        for name, answer in self._bus.query("http_pages").items():
            if isinstance(answer, tuple) and all(map(_is_valid, answer)):
                valid[name] = answer
            else:
                invalid.add(name)

        for name in sorted(invalid - self._reported):
            logger.error(
                "plugin '%s': its parts of the page are left out: hook 'http_pages' must return an "
                "iterable of Page, whose title and script are texts and whose folder is a folder",
                name,
            )

        self._reported = invalid
        return valid


def _is_valid(page: object) -> bool:
    return (
        isinstance(page, Page)
        and isinstance(cast(object, page.title), str)
        and isinstance(cast(object, page.script), str)
        and isinstance(cast(object, page.folder), Traversable)
    )


def _describe(name: str, page: Page) -> dict[str, str]:
    script = f"/pages/{quote(name, safe='')}/{quote(page.script, safe='')}"
    return {"name": name, "title": page.title, "script": script}
