"""The directive ``hook-reference``: every hook of lanrage_events, with its runnable example.

Signatures and descriptions come from ``lanrage_events.hookspecs``, in the order of that file. The
example of a hook is the file of its name in ``docs/examples/hooks``; one that is missing is a
warning, and warnings are errors.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING

from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.inspect import stringify_signature

from lanrage_events import hookspecs

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.util.typing import ExtensionMetadata

logger = logging.getLogger(__name__)

EXAMPLES = Path("examples", "hooks")


def find_hooks() -> list[FunctionType]:
    """Return the hookspecs in the order in which they are written."""
    marker = f"{hookspecs.hookspec.project_name}_spec"
    return [
        value
        for value in vars(hookspecs).values()
        if isinstance(value, FunctionType) and hasattr(value, marker)
    ]


def is_about_events(hook: Callable[..., object]) -> bool:
    return not {"event", "events"}.isdisjoint(inspect.signature(hook).parameters)


class HookReference(SphinxDirective):
    """Describe the hooks of events, or all others.

    It stands in an ``eval-rst`` block, because docstrings are reStructuredText.
    """

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        kind = self.arguments[0]
        if kind not in ("events", "others"):
            raise self.error(f"hook-reference takes 'events' or 'others', not {kind!r}")

        self.env.note_dependency(inspect.getfile(hookspecs))
        lines = [
            line
            for hook in find_hooks()
            if is_about_events(hook) == (kind == "events")
            for line in self.describe(hook)
        ]
        return self.parse_text_to_nodes("\n".join(lines))

    def describe(self, hook: FunctionType) -> Iterator[str]:
        name = hook.__name__
        # What the hook of an event returns does not matter.
        signature = stringify_signature(
            inspect.signature(hook), show_return_annotation=not is_about_events(hook)
        )
        yield f".. py:function:: {name}{signature}"
        yield "   :module: lanrage_events.hookspecs"
        yield ""
        for line in (inspect.getdoc(hook) or "").splitlines():
            yield f"   {line}"

        yield ""
        example = EXAMPLES / f"{name}.py"
        if (Path(self.env.srcdir) / example).is_file():
            yield f"   .. literalinclude:: /{example.as_posix()}"
            yield "      :language: python"
            yield ""
        else:
            logger.warning("the hook %s has no example docs/%s", name, example.as_posix())


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_directive("hook-reference", HookReference)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
