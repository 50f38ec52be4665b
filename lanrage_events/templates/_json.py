"""JSON whose texts are templates, such as the body of a request in a configuration."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.resources.abc import Traversable
from math import isfinite
from types import MappingProxyType
from typing import Any

from .._events import Event
from .._exceptions import TemplateError
from .._reports import ConfigProblem
from ._leaf import TemplateLeaf
from ._templates import Templates

WHOLE_EVENT = "{{ event }}"
"""the template that is the whole event as JSON"""
_MISSING = object()
"""for a template that has nothing to show"""


@dataclass(frozen=True, slots=True)
class _Leaf:
    name: str


class JSONTemplates:
    """JSON whose texts are templates, such as the body of a request in a configuration.

    A template that is no more than one value keeps its type, :data:`WHOLE_EVENT` is the event as
    JSON, and a key or an item whose template has nothing to show is left out.

    :param data: the JSON
    :param leaf: how its texts are rendered
    :param folders: where the words in values are looked up
    :param path: where the JSON is in the configuration
    :param report: called once with each problem and its path: an error if a text is no template, and
        a warning if it cannot be rendered for an event
    """

    def __init__(
        self,
        data: Any,
        leaf: TemplateLeaf,
        folders: Iterable[Traversable],
        *,
        path: tuple[str | int, ...] = (),
        report: Callable[[ConfigProblem], object],
    ) -> None:
        self._report = report
        self._paths: dict[str, tuple[str | int, ...]] = {}
        """by the name of the leaf of each template"""
        self._type = ""
        """of the event that is rendered, empty while the templates are compiled"""
        texts: dict[str, str] = {}
        self._data = self._index(data, path, texts)
        leaves = dict.fromkeys(texts, replace(leaf, parse=_as_json))
        self._templates = Templates("", folders, leaves, texts=texts, report=self._on_problem)

    def render(self, event: Event, context: Mapping[str, object] = MappingProxyType({})) -> Any:
        """Return the JSON for an event; empty text if it is one template with nothing to show.

        :param context: further names; a field of the event with the same name wins
        """
        self._type = event.type
        found = _fill(self._data, self._templates.render(event, context), event)
        return "" if found is _MISSING else found

    def check(self, types: Iterable[type[Event]], context: Collection[str] = ()) -> None:
        """Report the names that no event of some types has, each once.

        :param context: the further names that :meth:`render` is given
        """
        self._type = "any event"
        self._templates.check_texts(types, context)

    def _index(self, value: Any, path: tuple[str | int, ...], texts: dict[str, str]) -> Any:
        """Return a value in which templates are replaced by their names."""
        if isinstance(value, dict):
            return {key: self._index(item, (*path, key), texts) for key, item in value.items()}

        if isinstance(value, list):
            return [self._index(item, (*path, at), texts) for at, item in enumerate(value)]

        if not isinstance(value, str) or "{" not in value or value == WHOLE_EVENT:
            return value

        name = str(len(texts))
        self._paths[name], texts[name] = path, value
        return _Leaf(name)

    def _on_problem(self, problem: TemplateError) -> None:
        message = problem.as_problem().message.partition(": ")[2]
        if self._type:
            message += f", so it is left out of what is sent of {self._type}"

        path = self._paths[problem.leaf or ""]
        self._report(ConfigProblem(message, path, warning=bool(self._type)))


def _fill(value: Any, leaves: Mapping[str, Any], event: Event) -> Any:
    """Return a part of the JSON for an event."""
    if isinstance(value, _Leaf):
        return leaves.get(value.name, _MISSING)

    if isinstance(value, dict):
        items = ((key, _fill(item, leaves, event)) for key, item in value.items())
        return {key: item for key, item in items if item is not _MISSING}

    if isinstance(value, list):
        return [new for item in value if (new := _fill(item, leaves, event)) is not _MISSING]

    return event.to_dict() if value == WHOLE_EVENT else value


def _as_json(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()

    if isinstance(value, float) and not isfinite(value):
        return None

    return value if isinstance(value, bool | int | float | str) else str(value)
