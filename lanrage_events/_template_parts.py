"""Leaves that only name values: what they consist of, so that Jinja need not run for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import nodes

# Jinja makes something of its own of the first. The other is made only where Jinja runs.
_JINJAS_OWN = ("self", "fields")


@dataclass(frozen=True, slots=True)
class Parts:
    """The texts and the names of values that a leaf consists of, in their order."""

    items: tuple[tuple[str | None, str], ...]
    """the name of a value, or None and a text"""

    @property
    def only_name(self) -> str | None:
        """The name of the value, if there is nothing else."""
        return self.items[0][0] if len(self.items) == 1 else None

    def fill(self, values: Mapping[str, object], write: Callable[[object], str]) -> list[str]:
        """Return what the leaf says, piece by piece.

        :raises KeyError: if there is no such value
        """
        return [text if name is None else write(values[name]) for name, text in self.items]


def parts_of(
    tree: nodes.Template, constants: Mapping[str, Any], write: Callable[[object], str]
) -> Parts | None:
    """Take a template apart if it does nothing but name values; None if it does more.

    :param constants: values that are known already
    :param write: makes text of a value
    """
    children = _children(tree.body)
    if children is None:
        return None

    items: list[tuple[str | None, str]] = []
    for child in children:
        if isinstance(child, nodes.TemplateData):
            items.append((None, child.data))
        elif not isinstance(child, nodes.Name) or child.name in _JINJAS_OWN:
            return None
        elif child.name in constants:
            items.append((None, write(constants[child.name])))
        else:
            items.append((child.name, ""))

    return Parts(tuple(items))


def _children(body: Sequence[nodes.Node]) -> list[nodes.Expr] | None:
    found: list[nodes.Expr] = []
    for node in body:
        if not isinstance(node, nodes.Output):
            return None

        found += node.nodes

    return found
