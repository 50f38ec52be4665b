"""The parts of leaves that only name values, which are rendered without running Jinja."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import TypeAlias

from jinja2 import nodes

Parts: TypeAlias = Sequence[tuple[str | None, str]]
"""what a leaf consists of: the names of values, each with an empty text, and texts without a name"""

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

    parts: list[tuple[str | None, str]] = []
    for child in chain.from_iterable(output.nodes for output in outputs):
        if isinstance(child, nodes.TemplateData):
            parts.append((None, child.data))
        elif not isinstance(child, nodes.Name) or child.name in _ONLY_IN_JINJA:
            return None
        elif child.name in constants:
            parts.append((None, write(constants[child.name])))
        else:
            parts.append((child.name, ""))

    return tuple(parts)
