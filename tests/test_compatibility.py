"""Public names and hooks change only together with the changelog.

``python tests/test_compatibility.py`` records how they are now, once the changelog tells of it.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import json
import re
import sys
import types
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypedDict, TypeVar

import pytest
from pydantic import BaseModel

from lanrage_events import EventBus, hookspecs

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "tests" / "public_names.json"
CHANGELOG = ROOT / "CHANGELOG.md"

MODULES = (
    "lanrage_events",
    "lanrage_events.abc",
    "lanrage_events.backoff",
    "lanrage_events.cli",
    "lanrage_events.config",
    "lanrage_events.events",
    "lanrage_events.forgetting",
    "lanrage_events.delivery",
    "lanrage_events.http",
    "lanrage_events.outbox",
    "lanrage_events.state",
    "lanrage_events.templates",
    "lanrage_events.yaml",
    "lanrage_events.testing",
    "lanrage_events_discord",
    "lanrage_events_discord.limits",
    "lanrage_events_discord.markdown",
    "lanrage_events_discord.testing",
    "lanrage_events_http",
    "lanrage_events_log",
    "lanrage_events_logfile",
    "lanrage_events_parties",
    "lanrage_events_presence",
    "lanrage_events_webhook",
)
HOOKS = "hook"


class Recorded(TypedDict):
    """What is kept of one public name."""

    form: list[str]
    mentions: int
    since: str
    """the version that had it first"""


@cache
def documented() -> frozenset[str]:
    """Return the names on the page of the API."""
    page = (ROOT / "docs" / "api.md").read_text("utf-8")
    parts = re.findall(r"^<!-- generated: api (\S+) (.+) -->$", page, re.MULTILINE)
    return frozenset(f"{package}.{name}" for package, names in parts for name in names.split())


def public_names() -> Iterator[tuple[str, object]]:
    for name, value in vars(hookspecs).items():
        if hasattr(value, "lanrage_events_spec"):
            yield f"{HOOKS} {name}", value

    for module_name in MODULES:
        module = importlib.import_module(module_name)
        for name in dir(module):
            value = getattr(module, name)
            is_ours = getattr(value, "__module__", module_name).startswith(module_name)
            # A type alias shows the module of what it stands for.
            is_ours = is_ours or f"{module_name}.{name}" in documented()
            is_noise = isinstance(value, (types.ModuleType, TypeVar)) or name in (
                "TYPE_CHECKING",
                "annotations",
            )
            if is_ours and not (is_noise or name.startswith("_")):
                yield f"{module_name}.{name}", value


def form(value: object) -> list[str]:
    """Tell what a caller relies on: parameters and fields, with their types and defaults."""
    if inspect.isfunction(value):
        return [signature(value)]

    if not isinstance(value, type):
        return []

    return sorted(form_of_class(value))


def form_of_class(cls: type[Any]) -> Iterator[str]:
    if issubclass(cls, enum.Enum):
        yield from (f"{member.name} = {member.value!r}" for member in cls)
    elif issubclass(cls, BaseModel):
        for name, field in cls.model_fields.items():
            yield f"{name}{'' if field.is_required() else ', optional'}"
    elif is_dataclass(cls):
        yield from (f"{field.name}: {type_name(field.type)}" for field in fields(cls))
    elif "__init__" in vars(cls):
        yield f"(){signature(cls.__init__)}"

    for name, member in inspect.getmembers(cls):
        if name.startswith("_") or not defined_by_us(cls, name):
            continue

        if isinstance(member, property):
            yield f"{name}, property"
        elif inspect.isfunction(member) or inspect.ismethod(member):
            yield f"{name}{signature(member)}"


def defined_by_us(cls: type[Any], name: str) -> bool:
    return any(
        name in vars(base) and base.__module__.startswith("lanrage_events") for base in cls.__mro__
    )


def type_name(annotation: object) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def signature(function: Any) -> str:
    text = str(inspect.signature(function))
    # What a default looks like is no promise where it is an object of somebody's.
    return re.sub(r"<[^<>]* at 0x[0-9a-f]+>", "…", text)


def mentions(name: str, changelog: str) -> int:
    """Count how often the changelog names something."""
    short = name.rpartition(".")[2].removeprefix(f"{HOOKS} ")
    return len(re.findall(rf"`[^`\n]*\b{re.escape(short)}\b[^`\n]*`", changelog))


def recorded() -> dict[str, Recorded]:
    data: dict[str, Recorded] = json.loads(RECORD.read_text("utf-8"))
    return data


def record() -> None:
    """Write down how everything is now.

    A name that is new, or that has another form than before, must be named once more in the
    changelog than when it was recorded last.
    """
    changelog = CHANGELOG.read_text("utf-8")
    old = recorded() if RECORD.exists() else {}
    new: dict[str, Recorded] = {}
    untold: list[str] = []
    for name, value in public_names():
        now, count = form(value), mentions(name, changelog)
        before = old.get(name)
        if before is None or before["form"] != now:
            told_before = 0 if before is None else before["mentions"]
            if count <= told_before:
                untold.append(name)

        since = version("lanrage-events") if before is None else before["since"]
        new[name] = {"form": now, "mentions": count, "since": since}

    untold += [
        name
        for name in old.keys() - new.keys()
        if mentions(name, changelog) <= old[name]["mentions"]
    ]
    if untold:
        sys.exit(f"CHANGELOG.md does not tell of {', '.join(sorted(untold))}")

    text = json.dumps(new, indent=1, ensure_ascii=False, sort_keys=True)
    RECORD.write_text(f"{text}\n", "utf-8")


REMEDY = "tell of it in CHANGELOG.md, then run: python tests/test_compatibility.py"


def test_public_names_and_hooks_are_as_recorded() -> None:
    now = {name: form(value) for name, value in public_names()}
    before = {name: entry["form"] for name, entry in recorded().items()}
    new, gone = now.keys() - before.keys(), before.keys() - now.keys()
    changed = {name for name in now.keys() & before.keys() if now[name] != before[name]}
    assert not new, f"new public names: {sorted(new)}; {REMEDY}"
    assert not gone, f"public names that are gone: {sorted(gone)}; {REMEDY}"
    assert not changed, f"public names that changed: {sorted(changed)}; {REMEDY}"


@pytest.mark.slow
def test_every_public_name_and_hook_is_in_the_changelog() -> None:
    changelog = CHANGELOG.read_text("utf-8")
    untold = [
        name
        for name, entry in recorded().items()
        if not 0 < entry["mentions"] <= mentions(name, changelog)
    ]
    assert not untold, f"CHANGELOG.md does not tell of {', '.join(untold)}"


def test_every_hook_is_on_the_page_of_compatibility() -> None:
    page = (ROOT / "docs" / "compatibility.md").read_text("utf-8")
    for name in recorded():
        if name.startswith(f"{HOOKS} "):
            assert f"`{name.removeprefix(f'{HOOKS} ')}`" in page, name


def test_a_plugin_that_implements_a_deprecated_hook_is_warned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The caller that registers the plugin gets pluggy's ``warn_on_impl``."""

    @hookspecs.hookspec(warn_on_impl=FutureWarning("use 'health' instead of 'mood'"))
    def mood() -> str:  # type: ignore[empty-body] # a specification has no body
        """Called when someone asked."""

    class Moody:
        @hookspecs.hookimpl
        def mood(self) -> str:
            return "fine"

    monkeypatch.setattr(hookspecs, "mood", mood, raising=False)
    with pytest.warns(FutureWarning, match="use 'health' instead of 'mood'"):
        EventBus().register(Moody(), "moody")

    monkeypatch.undo()
    later = EventBus()
    later.register(Moody(), "moody")
    [(name, problem)] = later.plugins.validate()
    assert name == "moody"
    assert "unknown hook 'mood'" in problem


if __name__ == "__main__":
    record()
