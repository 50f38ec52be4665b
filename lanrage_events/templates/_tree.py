"""The syntax tree of a leaf, and what is added to it before it is compiled."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from jinja2 import TemplateSyntaxError, nodes
from jinja2.visitor import NodeTransformer

from .._redaction import has_ink
from ._marking import Marking

# Filters that templates cannot name.
OWN_TEXT = "own text"
"""the text is the template's own"""
LINE_PLACE = "line place"
"""with the beginning of the line in which the value stands"""
ELSEWHERE_PLACE = "elsewhere"
"""the value stands where its filters do not belong"""
PLACE = "place "
"""before the name of the filter that the place of a value asks for"""

_FOR_MISSING_NAMES = frozenset({"d", "default", "defined", "undefined"})
"""the filters and tests of Jinja for what may be missing"""

_OF_JINJA = ("caller", "kwargs", "loop", "self", "varargs")
"""names that Jinja sets in loops and macros"""

_CLOCKS = frozenset({"now", "today", "utcnow"})
"""the methods of dates and times that read the clock"""
_CHANCE = "random"
"""the filter of Jinja that chooses an item"""

VALUE = "\ufffc"
"""stands for a value in the template's own text"""


def own_beginning(tree: nodes.Template) -> str:
    """Return the template's own text before its first value or statement."""
    first = tree.body[0] if tree.body else None
    if isinstance(first, nodes.Output) and isinstance(first.nodes[0], nodes.TemplateData):
        return first.nodes[0].data

    return ""


def keep_own_blanks(tree: nodes.Template) -> None:
    """Mark what a template itself writes in an expression.

    That is blank text, such as ``{{ " " if wide else "" }}``, and what stands between the items of a
    list.
    """
    _OwnBlanks().visit(tree)


def names_of(tree: nodes.Template) -> dict[str, int]:
    """Return the names that a template takes from outside, each with its first line in the leaf.

    Those that it sets itself or that may be missing, as in ``{{ name | default("?") }}``, are left out.
    """
    names: dict[str, int] = {}
    optional: set[str] = set(_OF_JINJA)
    for name in tree.find_all(nodes.Name):
        if name.ctx == "load":
            names.setdefault(name.name, name.lineno)
        else:
            optional.add(name.name)

    optional.update(macro.name for macro in tree.find_all(nodes.Macro))
    for node in tree.find_all((nodes.Test, nodes.Filter)):
        if node.name in _FOR_MISSING_NAMES and isinstance(node.node, nodes.Name):
            optional.add(node.node.name)

    return {name: line for name, line in names.items() if name not in optional}


def find_unsteady(tree: nodes.Template) -> tuple[str, int] | None:
    """Return what makes a text another one each time that it is rendered, and its line in the leaf."""
    for node in tree.find_all((nodes.Getattr, nodes.Filter)):
        if isinstance(node, nodes.Filter) and _CHANCE in _names(node):
            return _CHANCE, node.lineno

        if isinstance(node, nodes.Getattr) and node.attr in _CLOCKS:
            return f"{node.attr}()", node.lineno

    return None


def has_constants(tree: nodes.Template) -> bool:
    """Return whether a value is written, filtered or tested that names nothing from outside.

    Jinja writes it when it compiles the template.
    """
    written = (child for output in tree.find_all(nodes.Output) for child in output.nodes)
    filtered = (node.node for node in tree.find_all((nodes.Filter, nodes.Test)))
    values = [value for value in (*written, *filtered) if value is not None]
    return any(
        not isinstance(value, (nodes.TemplateData, nodes.Name)) and value.find(nodes.Name) is None
        for value in values
    )


def check_filters(tree: nodes.Template, marking: Marking, leaf: str) -> None:
    """Check that the filters of each value make sense together, and in their leaf.

    :param leaf: its path
    :raises TemplateSyntaxError: if they do not
    """
    for node in tree.find_all(nodes.Filter):
        names = set(_names(node)) & marking.names
        try:
            marking.check(sorted(names), leaf)
        except ValueError as error:
            problem = TemplateSyntaxError(str(error), node.lineno)
            problem.translated = True  # its text is the message alone
            raise problem from None


def lines_of_filters(tree: nodes.Template, names: Collection[str]) -> dict[str, int]:
    """Return those of some filters that a template names, each with its first line in the leaf."""
    lines: dict[str, int] = {}
    for node in tree.find_all(nodes.Filter):
        for name in _names(node):
            if name in names:
                lines.setdefault(name, node.lineno)

    return lines


def keeps_lines(tree: nodes.Template, marking: Marking) -> bool:
    """Return whether a value of the leaf may have several lines."""
    names = {name for node in tree.find_all(nodes.Filter) for name in _names(node)}
    return any(marking.keeps_lines(name) for name in names)


def add_places(
    tree: nodes.Template,
    context_filter: Callable[[str, str], str | None] | None,
    find_place: Callable[[str], str] | None,
    marking: Marking,
) -> None:
    """Put filters around values that must be written in another way where they stand.

    :param context_filter: names the filter, from the template's own text before and after the value
    :param find_place: finds the beginning of the line, from the text before the value
    """
    outputs = list(tree.find_all(nodes.Output))
    texts = [
        child.data if isinstance(child, nodes.TemplateData) else VALUE
        for output in outputs
        for child in output.nodes
    ]
    index = 0
    for output in outputs:
        for position, child in enumerate(output.nodes):
            if not isinstance(child, nodes.TemplateData):
                before = "".join(texts[:index])
                if context_filter is not None:
                    name = context_filter(before, "".join(texts[index + 1 :]))
                    if name is None and any(map(marking.is_placed, _all_names(child))):
                        name = ELSEWHERE_PLACE
                        output.nodes[position] = _filter(child, name)
                    elif name is not None:
                        output.nodes[position] = _filter(output.nodes[position], PLACE + name)

                place = find_place(before) if find_place is not None else ""
                if place:
                    argument = nodes.Const(place, lineno=child.lineno)
                    output.nodes[position] = _filter(output.nodes[position], LINE_PLACE, argument)

            index += 1


def _filter(node: nodes.Expr, name: str, *arguments: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, name, list(arguments), [], None, None, lineno=node.lineno)


def _all_names(node: nodes.Node) -> Iterator[str]:
    """Yield the names of all filters in an expression."""
    filters = [*node.find_all(nodes.Filter)]
    for one in [node, *filters] if isinstance(node, nodes.Filter) else filters:
        yield from _names(one)


def _names(node: nodes.Filter) -> Iterator[str]:
    """Yield the names of a filter and of those before it, and of those that ``map`` calls."""
    current: nodes.Expr | None = node
    while isinstance(current, nodes.Filter):
        yield current.name
        if current.name == "map" and current.args:
            name = current.args[0]
            if isinstance(name, nodes.Const) and isinstance(name.value, str):
                yield name.value

        current = current.node


def _own(node: nodes.Expr) -> nodes.Expr:
    is_text = isinstance(node, nodes.Const) and isinstance(node.value, str)
    return _filter(node, OWN_TEXT) if is_text else node


class _OwnBlanks(NodeTransformer):
    def visit_Filter(self, node: nodes.Filter) -> nodes.Expr:
        self.generic_visit(node)
        if node.name == "join":
            node.args[:1] = map(_own, node.args[:1])
            for argument in node.kwargs:
                if argument.key == "separator":
                    argument.value = _own(argument.value)

        return node

    def visit_Const(self, node: nodes.Const) -> nodes.Expr:
        if isinstance(node.value, str) and not has_ink(node.value):
            return _filter(node, OWN_TEXT)

        return node
