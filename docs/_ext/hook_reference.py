"""Describes every hook, each with the example that is the file of its name.

Signatures and descriptions come from ``lanrage_events.hookspecs``, in the order of that file.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType

import docstrings

from lanrage_events import hookspecs


def find_hooks() -> list[FunctionType]:
    """Return the hookspecs in the order in which they are written."""
    marker = f"{hookspecs.hookspec.project_name}_spec"
    return [
        value
        for value in vars(hookspecs).values()
        if isinstance(value, FunctionType) and hasattr(value, marker)
    ]


def is_about_events(hook: Callable[..., object]) -> bool:
    parameters = set(inspect.signature(hook).parameters)
    return bool(parameters) and parameters <= {"event", "events"}


def lines(kind: str, examples: Path) -> Iterator[str]:
    """Yield the description of the hooks of events, or of all others, in Markdown.

    :param kind: ``events`` or ``others``
    :param examples: ``docs/examples/hooks``
    :raises ValueError: if it is another kind, or a hook has no example
    """
    if kind not in ("events", "others"):
        raise ValueError(f"'events' or 'others' was expected, not {kind!r}")

    for hook in find_hooks():
        if is_about_events(hook) == (kind == "events"):
            yield from _describe(hook, examples / f"{hook.__name__}.py")


def _describe(hook: FunctionType, example: Path) -> Iterator[str]:
    if not example.is_file():
        raise ValueError(f"the hook {hook.__name__} has no example {example.name}")

    signature = inspect.signature(hook)
    if is_about_events(hook):
        # What the hook of an event returns does not matter.
        signature = signature.replace(return_annotation=inspect.Signature.empty)

    yield f"### `{hook.__name__}`"
    yield ""
    yield "```python"
    text = str(signature).replace("'", "")
    yield f"def {hook.__name__}{text}: ..."
    yield "```"
    yield ""
    yield from docstrings.lines(inspect.getdoc(hook) or "")
    yield "```python"
    yield from example.read_text("utf-8").rstrip().splitlines()
    yield "```"
    yield ""
