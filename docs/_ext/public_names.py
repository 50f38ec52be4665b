"""Lets Sphinx document the public names of lanrage_events where a user imports them from.

A public object shows ``lanrage_events`` as its module, as a user would write it. There autodoc
finds neither the order of the methods nor the comments below attributes; they are in the private
modules that the package imports its names from.

Built-in types in signatures get no link. Sphinx would link ``bytes`` to an attribute of that name.
"""

from __future__ import annotations

import ast
import builtins
import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sphinx import addnodes

import lanrage_events

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx
    from sphinx.util.typing import ExtensionMetadata


def find_sources() -> Iterator[tuple[str, str]]:
    """Yield each public name with the full name of the module that defines it."""
    for node in ast.walk(ast.parse(inspect.getsource(lanrage_events))):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            for alias in node.names:
                yield alias.name, f"{lanrage_events.__name__}.{node.module}"


def unlink_builtins(app: Sphinx, document: nodes.document) -> None:
    for reference in list(document.findall(addnodes.pending_xref)):
        if reference.get("refdomain") == "py" and hasattr(builtins, reference["reftarget"]):
            shown = reference.children
            if isinstance(shown[0], addnodes.pending_xref_condition):
                # One for a link that is found and one for any other, which read the same here.
                shown = shown[0].children

            reference.replace_self(shown)


def setup(app: Sphinx) -> ExtensionMetadata:
    for name, module in find_sources():
        value = getattr(lanrage_events, name)
        if getattr(value, "__module__", None) == lanrage_events.__name__:
            value.__module__ = module

    app.connect("doctree-read", unlink_builtins)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
