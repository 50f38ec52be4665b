from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from importlib.resources.abc import Traversable
from operator import attrgetter
from types import MappingProxyType
from typing import Any, TypeAlias

from jinja2 import (
    Environment,
    StrictUndefined,
    Template,
    TemplateSyntaxError,
    UndefinedError,
    nodes,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ._events import Event
from ._exceptions import TemplateError
from ._template_file import LeafSource, TemplateFile, parse_template
from ._text import ELLIPSIS, as_text, clean, duration, humanize, shorten

logger = logging.getLogger("lanrage_events.templates")

Write: TypeAlias = Callable[[str], str]
"""makes of a value the text that shows it, so that nothing in the value has a meaning there"""

Place: TypeAlias = Callable[[str, str], "str | None"]
"""names the filter that writes a value, from the leaf's own text before and after it"""

VALUE = "\ufffc"
"""stands for a value in the texts that a :data:`Place` gets"""

# Filters that write HTML, which no consumer shows, or promise that a value is safe in it.
_HTML_FILTERS = (
    "e", "escape", "forceescape", "safe", "striptags", "tojson", "urlize", "xmlattr"
)  # fmt: skip

# Shorter values are not worth shortening.
_SHORT_VALUE_CHARACTERS = 32


class Verbatim(str):
    """A text of the consumer's own that templates write as it is."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Writing:
    """A way to write a value, offered to templates as a filter."""

    write: Write
    whole: bool = False
    """never shorten such a value, because a part of it would mean something else"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Leaf:
    """One kind of leaf of a consumer's templates: how values are written there, and what it makes.

    Values reach ``write`` without control, direction and private-use characters.
    """

    write: Write = str
    limit: int | None = None
    """characters; when there are more, the longest values are shortened"""
    lines: bool = False
    """whether the leaf may have more than one line"""
    place: Place | None = None
    """finds values that stand where they must be written in another way, such as in a link"""
    parse: Callable[[Any], Any] | None = None
    """makes the leaf's result of its text, or of the value itself where it is the whole leaf;
    raises ValueError if it is none"""
    context: Mapping[str, object] = field(default_factory=dict)
    """names for this leaf alone"""


class Templates:
    """The templates of one consumer: one YAML file per event type, whose leaves are Jinja2.

    A leaf is looked for along the classes of the event, the most specific first, and for each
    class in one folder after the other. What is wrong with a template is logged once, and the next
    place where the leaf is found takes over.
    """

    def __init__(
        self,
        kind: str,
        folders: Iterable[Traversable],
        leaves: Mapping[str, Leaf],
        *,
        shorthands: Mapping[str, str] = MappingProxyType({}),
        writings: Mapping[str, Writing] = MappingProxyType({}),
    ) -> None:
        """
        :param kind: the name of the folder in each of the folders that holds the consumer's files
        :param folders: where to look, the most important first
        :param leaves: by path, such as ``title``, ``footer.text`` or, in a list, ``fields[].name``
        :param shorthands: the leaf that a text stands for where a mapping is expected
        :param writings: further ways to write a value, by the name of their filter
        """
        self.kind = kind
        self._folders = tuple(folders)
        self._leaves = dict(leaves)
        self._shorthands = dict(shorthands)
        self._lists = tuple(dict.fromkeys(p.split("[]")[0] for p in leaves if "[]" in p))
        self._files: dict[str, list[TemplateFile]] = {}
        self._plans: dict[type[Event], _Plan] = {}
        self._compiled: dict[int, _Leaf] = {}
        self._problems: dict[tuple[object, ...], TemplateError] = {}
        base = _environment(writings)
        self._globals = dict(base.globals)
        self._environments = {
            path: base.overlay(finalize=_finalizer(leaf)) for path, leaf in self._leaves.items()
        }

    @property
    def problems(self) -> tuple[TemplateError, ...]:
        """What is wrong with the templates, as far as it was noticed."""
        return tuple(self._problems.values())

    def check(self, types: Iterable[type[Event]]) -> tuple[TemplateError, ...]:
        """Read and compile the templates of some event types now, not at their first event.

        :param types: all event types that there are; a file that is named for none is a problem
        :return: all problems that were noticed so far
        """
        known: set[str] = set()
        for cls in types:
            self._plan(cls)
            known.update(_type_names(cls))

        for folder in self._folders:
            self._check_folder(folder, known)

        return self.problems

    def render(
        self, event: Event, context: Mapping[str, object] = MappingProxyType({})
    ) -> dict[str, Any]:
        """Fill in the templates for an event.

        :param event: the event; its fields are what leaves can name, besides ``type``, ``event``
            and ``fields``, its own fields as a mapping
        :param context: further names; a field of the event with the same name wins
        :return: the leaves that are not empty, by path, and for each list the list of its items
        """
        plan = self._plans.get(type(event)) or self._plan(type(event))
        result = dict(plan.constants)
        names = plan.names(event, self._globals, context)
        jinja_context: Any = None
        for path, chain in plan.dynamic:
            for leaf in chain:
                try:
                    if leaf.leaf.context or jinja_context is None or jinja_context.vars:
                        jinja_context = leaf.context(names)

                    value = leaf.render(jinja_context)
                    if leaf.leaf.context:
                        jinja_context = None
                except Exception as error:
                    jinja_context = None
                    self._report(leaf, error, names)
                    continue

                if value is not None and value != "":
                    result[path] = value

                break

        for path, lists in plan.lists:
            items = self._render_list(lists, names)
            if items:
                result[path] = items

        return result

    def _render_list(
        self, lists: Sequence[Sequence[Mapping[str, _Leaf]]], names: Mapping[str, object]
    ) -> list[dict[str, Any]]:
        """Render the first list that has no error, or else what of it has none."""
        for templates in lists:
            items: list[dict[str, Any]] = []
            failed = False
            for template in templates:
                item: dict[str, Any] = {}
                try:
                    for name, leaf in template.items():
                        value = leaf.render(leaf.context(names))
                        if value is not None and value != "":
                            item[name] = value
                except Exception as error:
                    self._report(leaf, error, names)
                    failed = True
                else:
                    items.append(item)

            if items or not failed:
                return items

        return []

    def _plan(self, cls: type[Event]) -> _Plan:
        plan = _Plan(cls)
        files = [file for name in _type_names(cls) for file in self._read(name)]
        for path in self._leaves:
            chain: list[_Leaf] = []
            for file in files:
                source = file.leaves.get(path)
                leaf = source and self._compile(file, path, source)
                if leaf:
                    chain.append(leaf)
                    if leaf.is_constant:
                        break

            if chain and chain[0].is_constant:
                if chain[0].constant not in (None, ""):
                    plan.constants[path] = chain[0].constant
            elif chain:
                plan.dynamic.append((path, tuple(chain)))

        for path in self._lists:
            lists = [
                self._compile_list(file, file.lists[path]) for file in files if path in file.lists
            ]
            if lists:
                plan.lists.append((path, tuple(lists)))

        self._plans[cls] = plan
        return plan

    def _read(self, type_name: str) -> list[TemplateFile]:
        files = self._files.get(type_name)
        if files is None:
            files = self._files[type_name] = []
            for folder in self._folders:
                path = folder / self.kind / f"{type_name}.yaml"
                file = self._read_file(path)
                if file is not None:
                    files.append(file)

        return files

    def _read_file(self, path: Traversable) -> TemplateFile | None:
        try:
            if not path.is_file():
                return None

            text = path.read_text(encoding="utf-8-sig")
        except OSError as error:
            self._note(TemplateError(str(path), f"cannot be read ({error.strerror})"))
            return None
        except UnicodeDecodeError as error:
            message = f"is not UTF-8 (byte {error.start}): save the file as UTF-8"
            self._note(TemplateError(str(path), message))
            return None

        file = parse_template(str(path), text, self._leaves, self._shorthands)
        for problem in file.problems:
            self._note(problem)

        return file

    def _compile_list(
        self, file: TemplateFile, items: Iterable[Mapping[str, LeafSource]]
    ) -> tuple[dict[str, _Leaf], ...]:
        compiled: list[dict[str, _Leaf]] = []
        for item in items:
            leaves = {path: self._compile(file, path, source) for path, source in item.items()}
            if all(leaves.values()):
                compiled.append(
                    {path.split("[].")[1]: leaf for path, leaf in leaves.items() if leaf}
                )

        return tuple(compiled)

    def _compile(self, file: TemplateFile, path: str, source: LeafSource) -> _Leaf | None:
        compiled = self._compiled.get(id(source))
        if compiled is None:
            compiled = _Leaf(file.name, path, source, self._leaves[path])
            try:
                compiled.compile(self._environments[path])
            except Exception as error:
                self._report(compiled, error, {})
                compiled.is_broken = True

            self._compiled[id(source)] = compiled

        return None if compiled.is_broken else compiled

    def _check_folder(self, folder: Traversable, known: set[str]) -> None:
        own = folder / self.kind
        try:
            if not folder.is_dir():
                self._note(TemplateError(str(folder), "there is no such folder"))
                return

            misplaced = sorted(entry.name for entry in folder.iterdir())
            names = sorted(entry.name for entry in own.iterdir()) if own.is_dir() else []
        except OSError as error:
            self._note(TemplateError(str(folder), f"cannot be read ({error.strerror})"))
            return

        for name in misplaced:
            stem = name.removesuffix(".yaml")
            if stem != name and stem in known and not own.is_dir():
                message = f"is not used here: move it into the folder '{self.kind}' beside it"
                self._note(TemplateError(str(folder / name), message))

        for name in names:
            stem, _, suffix = name.rpartition(".")
            if suffix == "yml" and stem in known:
                self._note(
                    TemplateError(str(own / name), "is not used: its name must end in .yaml")
                )
            elif suffix == "yaml" and stem not in known:
                near = difflib.get_close_matches(stem, known, n=1)
                hint = f", did you mean '{near[0]}.yaml'?" if near else ""
                message = f"there is no event type '{stem}'{hint}"
                self._note(TemplateError(str(own / name), message))

    def _report(self, leaf: _Leaf, error: Exception, names: Mapping[str, object]) -> None:
        line = leaf.line_of(error)
        key = (leaf.file, leaf.path, line, type(error).__name__)
        if key not in self._problems:
            message = _explain(error, names)
            self._note(TemplateError(leaf.file, message, leaf=leaf.path, line=line), key)

    def _note(self, problem: TemplateError, key: tuple[object, ...] | None = None) -> None:
        key = key or (str(problem),)
        if key not in self._problems:
            self._problems[key] = problem
            logger.error("template %s", problem)


class _Plan:
    """Where the leaves of one event class come from."""

    def __init__(self, cls: type[Event]) -> None:
        self._fields = tuple(field.name for field in fields(cls))
        self._own = tuple(name for name in self._fields if name not in ("id", "time"))
        self._values: Callable[[Event], tuple[Any, ...]] = attrgetter(*self._fields)
        self.constants: dict[str, Any] = {}
        self.dynamic: list[tuple[str, tuple[_Leaf, ...]]] = []
        self.lists: list[tuple[str, tuple[tuple[dict[str, _Leaf], ...], ...]]] = []

    def names(self, event: Event, *further: Mapping[str, object]) -> dict[str, object]:
        names: dict[str, object] = {}
        for mapping in further:
            names.update(mapping)

        names.update(zip(self._fields, self._values(event), strict=True))
        names["type"] = event.type
        names["event"] = event
        names["fields"] = {name: names[name] for name in self._own}
        return names


class _Leaf:
    """One leaf of one file, compiled."""

    def __init__(self, file: str, path: str, source: LeafSource, leaf: Leaf) -> None:
        self.file = file
        self.path = path
        self.leaf = leaf
        self.is_broken = False
        self.is_constant = False
        self.constant: Any = None
        self._source = source
        self._template: Template | None = None

    def compile(self, environment: Environment) -> None:
        text = self._source.text
        if not any(opening in text for opening in ("{{", "{%", "{#")):
            self.is_constant = True
            self.constant = self._finish(text, text)
            return

        tree = environment.parse(text)
        if self.leaf.place is not None:
            _apply_places(tree, self.leaf.place)

        code = environment.compile(tree, filename=self.file)
        self._template = Template.from_code(environment, code, {})

    def context(self, names: Mapping[str, object]) -> Any:
        if self._template is None:
            return None

        if self.leaf.context:
            names = {**names, **self.leaf.context}

        return self._template.new_context(dict(names), shared=True)

    def render(self, context: Any) -> Any:
        if self._template is None:
            return self.constant

        pieces = list(self._template.root_render_func(context))
        text = "".join(pieces)
        limit = self.leaf.limit
        if limit is not None and len(text) > limit and len(text.strip()) > limit:
            text = "".join(_shortened(pieces, limit))

        value: object = text
        if len(pieces) == 1 and type(pieces[0]) is _Value:
            value = pieces[0].value

        return self._finish(text, value)

    def _finish(self, text: str, value: object) -> Any:
        text = text.strip()
        if not text:
            return ""

        if self.leaf.parse is not None:
            return self.leaf.parse(text if isinstance(value, str) else value)

        if "\n" in text and not self.leaf.lines:
            return " ".join(line.strip() for line in text.splitlines())

        return text

    def line_of(self, error: Exception) -> int:
        line = 1
        if isinstance(error, TemplateSyntaxError):
            line = error.lineno
        elif self._template is not None:
            traceback = error.__traceback__
            while traceback is not None:
                if traceback.tb_frame.f_globals.get("__jinja_template__") is self._template:
                    line = self._template.get_corresponding_lineno(traceback.tb_lineno)

                traceback = traceback.tb_next

        return self._source.line + line - 1


class _Marked:
    """A value that passed through a filter which says how it is written."""

    __slots__ = ("text", "writing")

    def __init__(self, value: object, writing: Writing | None) -> None:
        self.text = value.text if isinstance(value, _Marked) else as_text(value)
        self.writing = writing

    def __str__(self) -> str:
        return self.text


class _Value(str):
    """A written value that remembers what it was, for leaves that need it and for shortening."""

    __slots__ = ("text", "value", "write")
    text: str
    value: object
    write: Write | None

    def __str__(self) -> str:
        # Jinja calls str() on what finalize returned, and must not lose it there.
        return self


def _value(written: str, text: str, value: object, write: Write | None) -> _Value:
    result = _Value(written)
    result.text = text
    result.value = value
    result.write = write
    return result


def _finalizer(leaf: Leaf) -> Callable[[object], str]:
    leaf_write = leaf.write
    is_parsed = leaf.parse is not None

    def finalize(value: object) -> str:
        write: Write | None = leaf_write
        lines = False
        if type(value) is str:
            text = value
        elif type(value) is Verbatim:
            return value
        elif type(value) is _Marked:
            text = value.text
            if value.writing is None:
                lines = leaf.lines
            else:
                write = value.writing.write
                if value.writing.whole:
                    return write(clean(text))

        else:
            text = as_text(value)

        text = clean(text, lines=lines)
        written = write(text)
        if is_parsed:
            return _value(written, text, value, None)

        if len(written) > _SHORT_VALUE_CHARACTERS:
            return _value(written, text, value, write)

        return written

    return finalize


def _environment(writings: Mapping[str, Writing]) -> Environment:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
    )
    for name in _HTML_FILTERS:
        del environment.filters[name]

    del environment.globals["lipsum"]
    environment.filters["duration"] = duration
    environment.filters["humanize"] = humanize
    environment.filters["lines"] = lambda value: _Marked(value, None)
    for name, writing in writings.items():
        environment.filters[name] = _marking(writing)

    return environment


def _marking(writing: Writing) -> Callable[[object], _Marked]:
    return lambda value: _Marked(value, writing)


def _apply_places(tree: nodes.Template, place: Place) -> None:
    """Put a filter around each value that stands at a place of its own."""
    outputs = [output for output in tree.find_all(nodes.Output) if isinstance(output, nodes.Output)]
    texts = [
        child.data if isinstance(child, nodes.TemplateData) else VALUE
        for output in outputs
        for child in output.nodes
    ]
    index = 0
    for output in outputs:
        for position, child in enumerate(output.nodes):
            if not isinstance(child, nodes.TemplateData):
                name = place("".join(texts[:index]), "".join(texts[index + 1 :]))
                if name is not None:
                    output.nodes[position] = nodes.Filter(
                        child, name, [], [], None, None, lineno=child.lineno
                    )

            index += 1


def _shortened(pieces: Sequence[str], limit: int) -> Iterator[str]:
    """Shorten the longest values so far that the whole is within a limit, if it can be."""
    values = [piece for piece in pieces if type(piece) is _Value and piece.write is not None]
    room = limit - (len("".join(pieces).strip()) - sum(map(len, values)))
    maximum = _common_maximum(sorted(map(len, values)), max(0, room))
    for piece in pieces:
        if type(piece) is _Value and piece.write is not None and len(piece) > maximum:
            write = piece.write
            cut = shorten(piece.text, lambda text: len(write(text)) <= maximum)
            yield write(cut) if maximum else ""
        else:
            yield piece


def _common_maximum(lengths: Sequence[int], room: int) -> int:
    """Find the length to which the longest must be cut for all of them to have room."""
    for index, length in enumerate(lengths):
        share = room // (len(lengths) - index)
        if length > share:
            return share

        room -= length

    return room


def _type_names(cls: type[Event]) -> list[str]:
    return list(dict.fromkeys(base.type for base in cls.__mro__ if issubclass(base, Event)))


def _explain(error: Exception, names: Mapping[str, object]) -> str:
    message = str(error) or type(error).__name__
    if isinstance(error, UndefinedError) and message.endswith("is undefined"):
        name = message.split("'")[1] if message.count("'") == 2 else ""
        near = difflib.get_close_matches(name, names, n=1)
        return f"{message}, did you mean '{near[0]}'?" if near else message

    if isinstance(error, (TemplateSyntaxError, UndefinedError, ValueError)):
        return _one_line(message)

    return _one_line(f"{type(error).__name__}: {message}")


def _one_line(message: str) -> str:
    message = clean(message)
    return message if len(message) <= 200 else message[:199] + ELLIPSIS
