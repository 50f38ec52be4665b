"""The answers of hooks: each is checked, since a plugin may return anything."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast, get_args

from ..._events import Event
from ..._redaction import format_value
from ..._reports import ConfigProblem, Health, HealthStatus, Metric, Preview

_STATUSES = get_args(HealthStatus)


_ITEMS = {
    "http_pages": "a list of Page",
    "http_routes": "a list of Route",
    "metrics": "a list of Metric",
    "replaced_events": "a list of pairs of events",
    "template_folders": "a list of folders, each a pathlib.Path",
    "written_files": "a list of paths and file descriptors",
}
"""what the hooks return that declare several things"""
_STORAGE = ("statistics", "drains", "durable")
"""attributes of what the hook ``outbox`` returns"""


class WrongAnswer(TypeError):
    """Raised when a hook returns something else than it must; its text says what."""

    def __init__(self, hook: str, expected: str, answer: object, remedy: str = "") -> None:
        found = f"the class {answer.__name__}" if isinstance(answer, type) else format_value(answer)
        super().__init__(f"hook '{hook}' must return {expected}, not {found}{remedy}")


def checked_event_classes(answer: object) -> tuple[Any, ...]:
    """Return what the hook ``register_events`` returned, whose items the registry checks."""
    if isinstance(answer, type):
        remedy = f": return [{answer.__name__}]"
        raise WrongAnswer("register_events", "a list of event classes", answer, remedy)

    return _items("register_events", answer, "a list of event classes")


def checked_answer(hook_name: str, hook: Callable[[], object]) -> object:
    """Return what a hook declares: several things as a tuple.

    Who asks for what only it can use checks that on its own.
    """
    answer = hook()
    if hook_name in ("invite_url", "mention_player"):
        return _checked_text(hook_name, answer)

    if hook_name in ("replaced_events", "template_folders", "written_files"):
        return _checked_items(hook_name, answer)

    return tuple(answer) if isinstance(answer, Iterable) else answer


def _checked_text(hook_name: str, answer: object) -> str | None:
    if answer is None or isinstance(answer, str):
        return answer

    _close(answer)
    raise WrongAnswer(hook_name, "a text, or None", answer)


def _checked_items(hook_name: str, answer: object) -> tuple[object, ...]:
    items = _items(hook_name, answer, _ITEMS[hook_name])
    for item in items:
        if not _fits(hook_name, item):
            raise WrongAnswer(hook_name, _ITEMS[hook_name], answer)

    return items


def declaration_problems(hook_name: str, hook: Callable[[], object]) -> Iterator[ConfigProblem]:
    """Yield what is wrong with what a hook declares, as far as it can be known before the start.

    :raises Exception: what the hook raises, which may need what the lifespan makes
    """
    items: tuple[object, ...] = ()
    try:
        answer = hook()
        if hook_name == "health":
            checked_health(answer)
        elif hook_name == "invite_url":
            _checked_text(hook_name, answer)
        elif hook_name != "outbox":
            items = _checked_items(hook_name, answer)
        elif answer is not None and not is_storage(answer):
            raise WrongAnswer(hook_name, "an Outbox, another Storage, or None", answer)
    except WrongAnswer as error:
        yield ConfigProblem(str(error))
        return

    for item in items:
        if not isinstance(item, _kind(hook_name)):
            yield ConfigProblem(str(WrongAnswer(hook_name, _ITEMS[hook_name], items)))
            return

        if hook_name == "template_folders" and isinstance(item, Path) and not item.is_dir():
            message = f"hook 'template_folders' returns '{item}', which is no folder: create it"
            yield ConfigProblem(message, warning=True)


def _kind(hook_name: str) -> type:
    """Return the class of what a hook declares."""
    if hook_name in ("http_pages", "http_routes"):
        from ...http import Page, Route  # slow to import, and not every program has an HTTP API

        return Page if hook_name == "http_pages" else Route

    return Metric if hook_name == "metrics" else object


def is_storage(answer: object) -> bool:
    """Return whether the hook ``outbox`` returned something that may be asked what it holds."""
    return all(hasattr(answer, name) for name in _STORAGE)


def _items(hook: str, answer: object, expected: str) -> tuple[object, ...]:
    if isinstance(answer, str | bytes | Mapping) or not isinstance(answer, Iterable):
        _close(answer)
        remedy = ": return an empty list for none" if answer is None else ""
        if isinstance(answer, str | Path) and "path" in expected:
            remedy = f": return [Path({str(answer)!r})]"
        elif not isinstance(answer, Mapping | Coroutine | type(None)):
            remedy = ": put it in a list"

        raise WrongAnswer(hook, expected, answer, remedy)

    return tuple(answer)


def _fits(hook: str, item: object) -> bool:
    if hook == "written_files":
        return isinstance(item, str | Path | int)

    if hook == "replaced_events":
        pair: tuple[object, ...] = item if isinstance(item, tuple) else ()
        return len(pair) == 2 and all(isinstance(event, Event) for event in pair)

    return hook != "template_folders" or _is_folder(item)


def _is_folder(value: object) -> bool:
    # Not isinstance(value, Traversable), which is slow to import.
    return all(callable(getattr(value, name, None)) for name in ("iterdir", "joinpath"))


def _close(answer: object) -> None:
    """Spare the warning that a coroutine was never awaited."""
    if isinstance(answer, Coroutine):
        answer.close()


def checked_problems(answer: object, hook: str) -> list[ConfigProblem]:
    return [
        problem if isinstance(problem, ConfigProblem) else ConfigProblem(str(problem))
        for problem in _items(hook, answer, "an iterable of texts")
    ]


def checked_previews(answer: object) -> list[Preview]:
    items: Iterable[object] = answer if isinstance(answer, Iterable) else (answer,)
    checked: list[Preview] = []
    for item in items:
        if not isinstance(item, Preview):
            _close(answer)
            raise WrongAnswer("preview", "a Preview or an iterable of them", answer)

        checked.append(item)

    return checked


def checked_services(answer: object) -> dict[str, Health]:
    if not isinstance(answer, Mapping):
        raise WrongAnswer("check_online", "a mapping from names to Health", answer)

    return {str(name): checked_health(health, "check_online") for name, health in answer.items()}


def checked_counts(answer: object) -> dict[str, int]:
    if not isinstance(answer, Mapping) or not all(
        isinstance(count, int) and count >= 0 for count in answer.values()
    ):
        raise WrongAnswer("forget", "a mapping from texts to whole numbers", answer)

    return {str(what): count for what, count in answer.items()}


def checked_health(health: object, hook: str = "health") -> Health:
    if not isinstance(health, Health):
        _close(health)
        raise WrongAnswer(hook, "a Health", health)

    status = cast(object, health.status)
    detail = cast(object, health.detail)
    undelivered = cast(object, health.undelivered)
    if not isinstance(status, str) or status not in _STATUSES:
        expected = " or ".join(map(repr, _STATUSES))
        raise WrongAnswer(hook, f"a Health whose status is {expected}", status)

    if not isinstance(detail, str):
        raise WrongAnswer(hook, "a Health whose detail is a text", detail)

    if not isinstance(undelivered, int) or undelivered < 0:
        what = "a Health whose undelivered is a whole number, at least 0"
        raise WrongAnswer(hook, what, undelivered)

    # A lone surrogate cannot be encoded.
    return Health(health.status, detail.encode("utf-8", "replace").decode(), int(undelivered))
