"""What the page of the outbox shows, run as a reader would run it."""

from __future__ import annotations

import importlib.util
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import pytest

from lanrage_events import EventBus, Health, Notification

DOCS = Path(__file__).parents[2] / "docs"
PAGER = DOCS / "examples" / "pager.py"


def load_pager() -> Any:
    spec = importlib.util.spec_from_file_location("example_pager", PAGER)
    assert spec is not None and spec.loader is not None  # noqa: PT018
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class PagerService(ThreadingHTTPServer):
    """Answers with the given statuses, and then takes what it gets."""

    daemon_threads = True

    def __init__(self, *statuses: int) -> None:
        super().__init__(("127.0.0.1", 0), PagerHandler)
        self.statuses = list(statuses)
        self.messages: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class PagerHandler(BaseHTTPRequestHandler):
    server: PagerService  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.statuses.pop(0) if self.server.statuses else 204
        if status == 204:
            self.server.messages += [one["message"] for one in body]

        self.send_response(status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@contextmanager
def pager_service(*statuses: int) -> Iterator[PagerService]:
    with PagerService(*statuses) as service:
        thread = threading.Thread(target=service.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield service
        finally:
            service.shutdown()
            thread.join()


@pytest.mark.real_clock
async def test_the_pager_delivers_all_although_its_service_fails_at_first(tmp_path: Path) -> None:
    module = load_pager()
    with pager_service(503, 500) as service:
        plugin = module.PagerPlugin(module.PagerConfig(url=service.url))
        with anyio.fail_after(10):
            async with EventBus(state_folder=tmp_path) as bus:
                bus.register(plugin, name="pager")
                for number in range(3):
                    await bus.publish_and_wait(Notification(title="Call", message=f"call {number}"))

        assert service.messages == ["call 0", "call 1", "call 2"]
        assert plugin.health() == Health()
        assert (tmp_path / "pager.outbox").exists()


def test_the_pager_has_at_most_40_lines() -> None:
    lines = [line for line in PAGER.read_text("utf-8").splitlines() if line.strip()]
    assert len(lines) <= 40
