"""Lets Sphinx document the public names of lanrage_events where a user imports them from.

A public object shows the package that a user would import it from as its module. There autodoc
finds neither the order of the methods nor the comments below attributes; they are in the private
modules that the package imports its names from.

Built-in types in signatures get no link. Sphinx would link ``bytes`` to an attribute of that name.
"""

from __future__ import annotations

import ast
import builtins
import inspect
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from sphinx import addnodes

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx
    from sphinx.util.typing import ExtensionMetadata


PACKAGES = (
    "lanrage_events",
    "lanrage_events.config",
    "lanrage_events.outbox",
    "lanrage_events.templates",
    "lanrage_events.yaml",
)


def imports(module: ModuleType) -> dict[str, str]:
    """Return the names that a module imports from its own package, each with where from."""
    package = module.__name__ if hasattr(module, "__path__") else module.__name__.rpartition(".")[0]
    return {
        alias.name: f"{package}.{node.module}"
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module
        for alias in node.names
    }


def definition(module: str, name: str) -> str:
    """Return the module that defines a name, which another one may have from there."""
    source = imports(import_module(module)).get(name)
    return module if source is None else definition(source, name)


def unlink_builtins(app: Sphinx, document: nodes.document) -> None:
    for reference in list(document.findall(addnodes.pending_xref)):
        if reference.get("refdomain") == "py" and hasattr(builtins, reference["reftarget"]):
            shown = reference.children
            if isinstance(shown[0], addnodes.pending_xref_condition):
                # One for a link that is found and one for any other, which read the same here.
                shown = shown[0].children

            reference.replace_self(shown)


def setup(app: Sphinx) -> ExtensionMetadata:
    for package in PACKAGES:
        exports = f"{package}._exports" if package == "lanrage_events" else package
        for name, module in imports(import_module(exports)).items():
            value = getattr(import_module(package), name)
            if getattr(value, "__module__", None) == package:
                value.__module__ = definition(module, name)

    app.connect("doctree-read", unlink_builtins)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
