"""The parts of leaves that only name values, which are rendered without running Jinja."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import TypeAlias

from jinja2 import nodes

PartName: TypeAlias = "str | tuple[str, ...] | None"
Parts: TypeAlias = Sequence[tuple[PartName, str]]
"""what a leaf consists of: the names of values, each with an empty text, and texts without a name;
``a or b`` has both names"""

# Jinja defines "self", and "fields" is built only when Jinja runs.
_ONLY_IN_JINJA = ("self", "fields")


def parts_of(
    tree: nodes.Template, constants: Mapping[str, object], write: Callable[[object], str]
) -> Parts | None:
    """Return the parts of a template that does nothing but name values; None if it does more.

    :param constants: values that are known already
    :param write: converts a value to text
    """
    outputs = [node for node in tree.body if isinstance(node, nodes.Output)]
    if len(outputs) < len(tree.body):
        return None

    parts: list[tuple[PartName, str]] = []
    for child in chain.from_iterable(output.nodes for output in outputs):
        if isinstance(child, nodes.TemplateData):
            parts.append((None, child.data))
        elif isinstance(child, nodes.Or) and constants.keys().isdisjoint(names := _names(child)):
            if not names:
                return None

            parts.append((names, ""))
        elif not isinstance(child, nodes.Name) or child.name in _ONLY_IN_JINJA:
            return None
        elif child.name in constants:
            parts.append((None, write(constants[child.name])))
        else:
            parts.append((child.name, ""))

    return tuple(parts)


def _names(node: nodes.Node) -> tuple[str, ...]:
    """Return the names of ``a or b``, none if it has anything else."""
    if isinstance(node, nodes.Name):
        return () if node.name in _ONLY_IN_JINJA else (node.name,)

    if not isinstance(node, nodes.Or):
        return ()

    left, right = _names(node.left), _names(node.right)
    return (*left, *right) if left and right else ()
