"""Loops: items of a list that are there once for each of several values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from importlib.resources.abc import Traversable
from typing import cast

from jinja2 import Environment, TemplateSyntaxError, nodes

from ..yaml import Text
from ._leaf import Compiled, CompiledLeaf, TemplateLeaf
from ._marking import Marking
from ._names import Names
from ._tree import check_filters, find_unsteady, has_constants, names_of

LOOP = "for"
"""the key of a loop in an item of a list"""
LOOP_PATH = f"[].{LOOP}"
"""how the path of a loop ends"""
LOOP_MAX_ITEMS = 100
"""how many items a loop makes, so that a long list cannot make a message slow"""

_LEAF = TemplateLeaf()
_EACH = "_each"
_TAKEN = ("event", "fields", "loop", _EACH)
_EXAMPLE = "'player in players'"


class Loop(CompiledLeaf):
    """The loop of an item of a list, written as in Jinja's ``for``, such as ``player in players``.

    The leaves of the item know its variables, and ``loop``.
    """

    def __init__(
        self,
        file: str,
        path: str,
        source: Text,
        leaf: TemplateLeaf,
        folder: Traversable | None = None,
    ) -> None:
        super().__init__(file, path, source, leaf, folder)
        self.is_constant = False

    def _compile(self, environment: Environment, marking: Marking, text: str) -> Compiled:
        tree, loop = _parse(environment, text)
        check_filters(tree, marking, self.path)
        first = self.line - 1
        names = {name: first + line for name, line in names_of(tree).items()}
        changing = find_unsteady(tree)
        unsteady = None if changing is None else (changing[0], first + changing[1])
        depends_on_words = has_constants(tree)
        variables = [name.name for name in _names(loop.target)]
        if taken := next((name for name in variables if name in _TAKEN), None):
            message = f"'{taken}' means something already: give the variable another name"
            raise _error(message, loop.lineno)

        length = _length(loop)
        pairs = [
            nodes.Pair(nodes.Const(name), nodes.Name(name, "load"), lineno=loop.lineno)
            for name in (*variables, "loop")
        ]
        found = nodes.Dict(pairs, lineno=loop.lineno)
        call = nodes.Call(nodes.Name(_EACH, "load"), [found], [], None, None, lineno=loop.lineno)
        loop.body = [nodes.Output([call], lineno=loop.lineno)]
        code = environment.compile(tree, filename=self.file)
        return Compiled(
            names,
            None,
            None,
            code,
            unsteady,
            depends_on_words,
            marking.filters,
            variables,
            length,
        )

    def each(self, names: Names) -> Iterator[Names]:
        """Yield what the leaves of the item can name, for each value in turn."""
        if self._template is None:
            return

        found: list[Mapping[str, object]] = []
        context = names.context(self._template, {_EACH: found.append})
        for _ in self._template.root_render_func(context):
            for values in found:
                yield names.with_values(values)

            found.clear()


def with_loops(leaves: Mapping[str, TemplateLeaf]) -> dict[str, TemplateLeaf]:
    """Return leaves by path with the loops that the items of their lists may have."""
    lists = dict.fromkeys(path.partition("[]")[0] for path in leaves if "[]" in path)
    return {**leaves, **{f"{path}{LOOP_PATH}": _LEAF for path in lists}}


def _parse(environment: Environment, text: str) -> tuple[nodes.Template, nodes.For]:
    try:
        tree = environment.parse("{% for " + text + " %}{% endfor %}")
    except TemplateSyntaxError as error:
        message = f"expected a loop such as {_EXAMPLE} ({error.message})"
        raise _error(message, error.lineno) from None

    [loop, *others] = tree.body
    if others or not isinstance(loop, nodes.For) or loop.body or loop.recursive:
        raise _error(f"expected a loop such as {_EXAMPLE}", 1)

    return tree, loop


def _length(loop: nodes.For) -> int | None:
    """Return how many values a loop has, None if that depends on the event."""
    values = cast(nodes.Expr, loop.iter)
    called = values.node if isinstance(values, nodes.Call) and not values.kwargs else None
    try:
        if isinstance(called, nodes.Name) and called.name == "range":
            arguments = cast(nodes.Call, values).args
            value: object = range(*(argument.as_const() for argument in arguments))
        else:
            value = values.as_const()
    except nodes.Impossible:
        return None

    if not isinstance(value, Iterable):
        message = f"expected a loop over a list, such as {_EXAMPLE}, found {value!r}"
        raise _error(message, loop.lineno)

    if loop.test is not None or not isinstance(value, Sized):
        return None

    return len(value)


def _error(message: str, line: int) -> TemplateSyntaxError:
    error = TemplateSyntaxError(message, line)
    error.translated = True  # its text is the message alone
    return error


def _names(target: nodes.Node) -> Iterator[nodes.Name]:
    if isinstance(target, nodes.Name):
        yield target

    yield from target.find_all(nodes.Name)
