"""Each exception that we raise has a text: it names the thing, and says what to do."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = [ROOT / "lanrage_events", ROOT / "plugins"]
BUILT_IN = {
    "ClosedResourceError",
    "KeyError",
    "LookupError",
    "RuntimeError",
    "StopAsyncIteration",
    "TimeoutError",
    "TypeError",
    "ValueError",
    "WouldBlock",
}
"""those that have no text of their own, as ours have"""
CAUGHT = {
    "lanrage_events/_files.py",
    "lanrage_events/cli/_input.py",
    "lanrage_events_log/_writer.py",
}
"""raise one without a text that another function of theirs catches, or an ``async for``"""
MISUSE = {"ClosedResourceError", "LookupError", "RuntimeError", "WouldBlock"}
"""those that say that something is not possible now, so they need a remedy"""


def raised() -> Iterator[tuple[str, str, ast.expr]]:
    """Yield the place, the name and the exception of each statement that raises one of them."""
    for folder in FOLDERS:
        for path in sorted(folder.rglob("*.py")):
            tree = ast.parse(path.read_text("utf-8"))
            caught = {raise_ for node in ast.walk(tree) for raise_ in caught_in(node)}
            for node in ast.walk(tree):
                if isinstance(node, ast.Raise) and node.exc is not None and node not in caught:
                    called = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
                    name = ast.unparse(called).rpartition(".")[2]
                    if name in BUILT_IN:
                        base = ROOT if folder.name == "lanrage_events" else folder
                        yield f"{path.relative_to(base)}:{node.lineno}", name, node.exc


def caught_in(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements without a text that raise to an ``except`` around them."""
    if isinstance(node, ast.Try):
        handled = " ".join(ast.unparse(h.type) for h in node.handlers if h.type is not None)
        for inner in (inner for statement in node.body for inner in ast.walk(statement)):
            error = inner.exc if isinstance(inner, ast.Raise) else None
            if isinstance(error, ast.Name) and error.id in handled:
                yield inner


def text_of(argument: ast.expr) -> str | None:
    """Return what is written in a text, None if it is made elsewhere."""
    if isinstance(argument, ast.Constant):
        return str(argument.value)

    if isinstance(argument, ast.JoinedStr):
        values = argument.values
        return "".join(str(v.value) if isinstance(v, ast.Constant) else "…" for v in values)

    return None


@pytest.mark.slow
def test_no_exception_is_raised_without_a_text() -> None:
    bare = [
        place
        for place, _, error in raised()
        if not (isinstance(error, ast.Call) and error.args)
        and place.partition(":")[0] not in CAUGHT
    ]

    assert bare == []


@pytest.mark.slow
def test_what_is_not_possible_now_comes_with_the_remedy() -> None:
    texts = {
        place: text
        for place, name, error in raised()
        if name in MISUSE
        and place.startswith("lanrage_events/")
        and isinstance(error, ast.Call)
        and error.args
        if (text := text_of(error.args[0])) is not None
    }

    assert len(texts) > 20
    without = {
        place: text
        for place, text in texts.items()
        if not {*":,"} & {*text} and not text.endswith("…")  # whose end is made elsewhere
    }
    assert without == {}
