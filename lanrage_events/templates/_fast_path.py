"""Leaves that only name values: what they consist of, so that Jinja need not run for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
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
    outputs = [node for node in tree.body if isinstance(node, nodes.Output)]
    if len(outputs) < len(tree.body):
        return None

    parts: list[tuple[str | None, str]] = []
    for child in chain.from_iterable(output.nodes for output in outputs):
        if isinstance(child, nodes.TemplateData):
            parts.append((None, child.data))
        elif not isinstance(child, nodes.Name) or child.name in _JINJAS_OWN:
            return None
        elif child.name in constants:
            parts.append((None, write(constants[child.name])))
        else:
            parts.append((child.name, ""))

    return tuple(parts)
