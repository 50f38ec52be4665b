"""The bodies of requests, which are made of events by templates."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from importlib.resources.abc import Traversable
from math import isfinite
from typing import Any, TypeAlias

from lanrage_events import ConfigProblem, Event, EventError
from lanrage_events.events import EventRegistry, sample_event_fields
from lanrage_events.templates import TemplateError, TemplateLeaf, Templates

from ._config import TargetConfig

_Path: TypeAlias = tuple[str | int, ...]

# Telegram takes 4096 UTF-16 units and ntfy 4096 bytes, for the title and the text together.
_TITLE_MAX_BYTES = 256
_TEXT_MAX_BYTES = 3500
_EVENT = "{{ event }}"
_MISSING = object()
"""for a template that has nothing to show, and whose key is left out"""


@dataclass(frozen=True, slots=True)
class _Leaf:
    name: str


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
        service, body = target.service, target.body
        if service.body is not None:
            merged = {
                **service.body,
                service.to: target.to,
                **(body if isinstance(body, dict) else {}),
            }
            body = {key: value for key, value in merged.items() if key and value is not None}

        self._source = target.cloudevents
        self._is_list = target.batch is not None
        self._is_text = isinstance(body, str) and body != _EVENT
        self._rendered = rendered
        self._report = report
        self._paths: dict[str, _Path] = {}
        """where each template is in the settings, by the name of its leaf"""
        texts: dict[str, str] = {}
        self._tree = self._index(_EVENT if body is None else body, ("targets", name, "body"), texts)
        limit = None if service.body is None else _TEXT_MAX_BYTES
        leaf = _leaf(limit, lines=True, write=service.escape, parse=_as_json)
        self._type = ""
        """that of the event that is rendered, empty while the templates are compiled"""
        self._templates = Templates(
            "webhook-body",
            folders,
            dict.fromkeys(texts, leaf),
            texts=texts,
            report=self._on_problem,
        )

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
        for cls in types:
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

        self._type = event.type
        words = {"title": "", "text": "", **self._rendered.render(event)}
        leaves = self._templates.render(event, {"rendered": words})
        found = _fill(self._tree, leaves, event)
        return "" if found is _MISSING else found

    def _index(self, value: Any, path: _Path, texts: dict[str, str]) -> Any:
        """Return a value in which templates are replaced by their names."""
        if isinstance(value, dict):
            return {key: self._index(item, (*path, key), texts) for key, item in value.items()}

        if isinstance(value, list):
            return [self._index(item, (*path, at), texts) for at, item in enumerate(value)]

        if not isinstance(value, str) or "{" not in value or value == _EVENT:
            return value

        name = str(len(texts))
        self._paths[name], texts[name] = path, value
        return _Leaf(name)

    def _on_problem(self, problem: TemplateError) -> None:
        message = problem.as_problem().message.partition(": ")[2]
        if self._type:
            message += f", so it is left out of what is sent of {self._type}"

        self._report(
            ConfigProblem(message, self._paths[problem.leaf or ""], warning=bool(self._type))
        )


def _leaf(max_bytes: int | None, **options: Any) -> TemplateLeaf:
    return TemplateLeaf(limit=max_bytes, measure=lambda text: len(text.encode()), **options)


RENDERED = {"title": _leaf(_TITLE_MAX_BYTES), "text": _leaf(_TEXT_MAX_BYTES, lines=True)}
"""the leaves of a template file: an event in words, which bodies name as ``rendered``"""


def _fill(value: Any, leaves: Mapping[str, Any], event: Event) -> Any:
    """Return a part of a body for an event."""
    if isinstance(value, _Leaf):
        return leaves.get(value.name, _MISSING)

    if isinstance(value, dict):
        items = ((key, _fill(item, leaves, event)) for key, item in value.items())
        return {key: item for key, item in items if item is not _MISSING}

    if isinstance(value, list):
        return [new for item in value if (new := _fill(item, leaves, event)) is not _MISSING]

    return event.to_dict() if value == _EVENT else value


def _as_json(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()

    if isinstance(value, float) and not isfinite(value):
        return None

    return value if isinstance(value, bool | int | float | str) else str(value)
