"""The bodies of requests, which are made of events by templates."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from importlib.resources.abc import Traversable
from typing import Any

from lanrage_events import ConfigProblem, Event, EventError
from lanrage_events.events import EventRegistry, sample_event_fields
from lanrage_events.templates import WHOLE_EVENT, JSONTemplates, TemplateLeaf, Templates

from ._config import TargetConfig
from ._presets import ESCAPES

# Telegram takes 4096 UTF-16 units and ntfy 4096 bytes, for the title and the text together.
_TITLE_MAX_BYTES = 256
_TEXT_MAX_BYTES = 3500


class Body:
    """What is sent to one target.

    :param name: the target's name
    :param target: its settings
    :param rendered: templates with the leaves :data:`RENDERED`
    :param folders: where the words in values are looked up
    :param report: called once with each problem of a template in the settings
    """

    def __init__(
        self,
        name: str,
        target: TargetConfig,
        rendered: Templates,
        folders: Iterable[Traversable],
        report: Callable[[ConfigProblem], object],
    ) -> None:
        service, body = target.service, WHOLE_EVENT if target.body is None else target.body
        if service.body is not None:
            own = body if isinstance(body, dict) else {}
            merged = {**service.body, service.to: target.to, **own}
            body = {key: value for key, value in merged.items() if key and value is not None}

        self._source = target.cloudevents
        self._is_list = target.batch is not None
        self._is_text = isinstance(body, str) and body != WHOLE_EVENT
        self._rendered = rendered
        limit = None if service.body is None else _TEXT_MAX_BYTES
        leaf = _leaf(limit, lines=True, write=ESCAPES.get(target.preset, str))
        path = ("targets", name, "body")
        self._json = JSONTemplates(body, leaf, folders, path=path, report=report)

    def content(self, events: Sequence[Event]) -> tuple[str, bytes]:
        """Return the type and the content of a request that sends events."""
        parts = [self.render(event) for event in events]
        if self._is_text:
            return "text/plain; charset=utf-8", str(parts[0]).encode(errors="replace")

        # https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
        kind = f"cloudevents{'-batch' * self._is_list}+json" if self._source else "json"
        text = json.dumps(parts if self._is_list else parts[0], ensure_ascii=False)
        return f"application/{kind}; charset=utf-8", text.encode(errors="replace")

    def check(self, events: EventRegistry, types: Iterable[type[Event]]) -> None:
        """Report what is wrong with the templates, by a sample of each type that is sent."""
        chosen = list(types)
        self._json.check(chosen, ["rendered"])
        for cls in chosen:
            with suppress(EventError):
                fields = sample_event_fields(events.json_schema(cls.type))
                self.render(events.from_dict({"type": cls.type, **fields}))

    def render(self, event: Event) -> Any:
        """Return what is sent of an event, as JSON."""
        if self._source:
            data = event.to_dict()
            known = {key: data.pop(key) for key in ("id", "type", "time")}
            known |= {"specversion": "1.0", "source": self._source}
            return {**known, "datacontenttype": "application/json", "data": data}

        words = {"title": "", "text": "", **self._rendered.render(event)}
        return self._json.render(event, {"rendered": words})


def _leaf(max_bytes: int | None, **options: Any) -> TemplateLeaf:
    return TemplateLeaf(limit=max_bytes, measure=lambda text: len(text.encode()), **options)


RENDERED = {"title": _leaf(_TITLE_MAX_BYTES), "text": _leaf(_TEXT_MAX_BYTES, lines=True)}
"""the leaves of a template file: an event in words, which bodies name as ``rendered``"""
