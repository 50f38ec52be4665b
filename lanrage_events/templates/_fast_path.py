"""Leaves that only name values: what they consist of, so that Jinja need not run for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from jinja2 import nodes

Parts: TypeAlias = Sequence[tuple[str | None, str]]
"""what a leaf consists of: the names of values, each with an empty text, and texts without a name"""

# Jinja makes something of its own of the first. The other is made only where Jinja runs.
_JINJAS_OWN = ("self", "fields")


def parts_of(
    tree: nodes.Template, constants: Mapping[str, object], write: Callable[[object], str]
) -> Parts | None:
    """Take a template apart if it does nothing but name values; None if it does more.

    :param constants: values that are known already
    :param write: makes text of a value
    """
    children = _children(tree.body)
    if children is None:
        return None

    parts: list[tuple[str | None, str]] = []
    for child in children:
        if isinstance(child, nodes.TemplateData):
            parts.append((None, child.data))
        elif not isinstance(child, nodes.Name) or child.name in _JINJAS_OWN:
            return None
        elif child.name in constants:
            parts.append((None, write(constants[child.name])))
        else:
            parts.append((child.name, ""))

    return tuple(parts)


def only_name(parts: Parts) -> str | None:
    """Return the name of the value, if a leaf consists of nothing else."""
    return parts[0][0] if len(parts) == 1 else None


def _children(body: Sequence[nodes.Node]) -> list[nodes.Expr] | None:
    found: list[nodes.Expr] = []
    for node in body:
        if not isinstance(node, nodes.Output):
            return None

        found += node.nodes

    return found
