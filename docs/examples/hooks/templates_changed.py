from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lanrage_events import ConfigProblem, Event, hookimpl
from lanrage_events.abc import Bus
from lanrage_events.templates import TemplateLeaf, Templates

templates = Templates("ticker", (), {"text": TemplateLeaf(limit=80)})


@hookimpl
def templates_changed(bus: Bus) -> list[ConfigProblem]:
    errors = templates.reload(bus.template_folders(), bus.events.types())
    return [error.as_problem() for error in errors]


@hookimpl
@asynccontextmanager
async def lifespan(bus: Bus) -> AsyncIterator[None]:
    templates_changed(bus)
    yield


@hookimpl
def event(event: Event) -> None:
    print(templates.render(event).get("text", event.type))
