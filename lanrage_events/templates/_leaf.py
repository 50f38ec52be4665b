"""The leaves of templates: how they are compiled and rendered, and how values are written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.resources.abc import Traversable
from traceback import walk_tb
from types import CodeType
from typing import Any, TypeAlias, cast

from jinja2 import (
    Environment,
    StrictUndefined,
    Template,
    TemplateAssertionError,
    TemplateSyntaxError,
    nodes,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

from .._hints import did_you_mean
from .._own_file import OwnFile
from ..yaml import Text
from ._cleaning import UNKNOWN, clean
from ._clusters import shorten
from ._fast_path import Parts, parts_of
from ._filters import MarkedText, TemplateFilter, Write
from ._list import LISTS, AsText, ListText, Rest, list_text, make_join, shorten_list
from ._marking import Marking
from ._names import EmptyText, Names
from ._tree import (
    ELSEWHERE_PLACE,
    LINE_PLACE,
    OWN_TEXT,
    PLACE,
    add_places,
    check_filters,
    find_unsteady,
    has_constants,
    keep_own_blanks,
    keeps_lines,
    lines_of_filters,
    names_of,
    own_beginning,
)
from ._words import Words, plural

Measure: TypeAlias = Callable[[str], int]

ContextFilter: TypeAlias = Callable[[str, str], "str | None"]
"""names the filter that writes a value, from the leaf's own text before and after it, in which
U+FFFC stands for each other value"""

# They write HTML, which no consumer shows, or mark a value as safe in HTML.
_HTML_FILTERS = ("e", "escape", "forceescape", "safe", "striptags", "tojson", "urlize", "xmlattr")

# Shorter values are not worth shortening.
_SHORT_VALUE_CHARACTERS = 32

# A character has at most 2 units in UTF-16, and 4 bytes in UTF-8.
_MOST_FOR_A_CHARACTER = 4

_NO_FILTER = re.compile(r"No filter named '(\w+)'\.")
_OWN_BREAK = re.compile(r"\s*\n\s*")

# Types whose values are never written as empty text.
_NEVER_EMPTY = (bool, int, float, datetime)


_KNOWN: dict[tuple[str, Text, TemplateLeaf, tuple[tuple[str, int], ...]], Compiled] = {}
"""what was compiled last, so that a plugin that is checked, started again or there twice does not
compile the same again; by what it depends on"""
_KNOWN_MAX = 2_000


class LeafWarning(ValueError):
    """Raised by :attr:`TemplateLeaf.parse` for a valid text whose leaf is better left out.

    It is reported as a warning, and the next place that has the leaf is used.
    """


class SafeString(str):
    """A text from the consumer that templates write as it is."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Continuation:
    """How a value of several lines is written after the beginning of a line, such as of a list.

    The beginning is known as the place of the value.
    """

    find: Callable[[str], str]
    """finds the place, from the leaf's own text before the value, in which U+FFFC stands for each
    other value; empty if it means nothing"""
    write: Callable[[str, Write, str], str]
    """writes a value of several lines: its text, what writes it elsewhere, and the place"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TemplateLeaf:
    """One kind of leaf of a consumer's templates: how values are written, and what it returns.

    Values reach ``write`` without control, direction and private-use characters.
    """

    write: Write = str
    """escapes the text of a value for this leaf"""
    limit: int | None = None
    """characters; when there are more, the longest values are shortened"""
    overflow: int | None = None
    """characters up to which a text over the limit stays whole, because there is another place for it"""
    measure: Measure = len
    """how ``limit`` counts a text; never less for a longer one, and at most 4 for a character"""
    lines: bool = False
    """whether the leaf may have more than one line"""
    own_lines: bool = True
    """whether the lines of the template's own text are kept, and not only those of values"""
    continuation: Continuation | None = None
    """how the lines of a value are written where the first one stands in a line of markup"""
    context_filter: ContextFilter | None = None
    """finds values that must be written in another way where they stand, such as in a link"""
    parse: Callable[[Any], Any] | None = None
    """converts the leaf's text to its result, or the value itself where that is the whole leaf;
    raises ValueError if it is not valid, and LeafWarning if only this leaf is to be left out"""
    warn: Callable[[Any], str] | None = None
    """says what is unusual about the leaf's result, empty if nothing is; it is reported as a warning,
    and the leaf is used all the same"""
    find_constant: Callable[[str], str] | None = None
    """finds, in the leaf's own text before its first value, what can be parsed without the value, empty
    if nothing can; so what is wrong there is reported when the leaf is compiled"""
    check_file: Callable[[OwnFile], object] | None = None
    """for a leaf whose text names a file beside its template: then :class:`OwnFile` is its result. It is
    called when a leaf without values is compiled, and raises ValueError if the file is missing or wrong"""
    context: Mapping[str, object] = field(default_factory=dict)
    """further names that only this leaf can use"""
    apart: bool = False
    """whether it is rendered by ``Templates.render_leaf`` and not with the event"""
    required: bool = False
    """whether there is something to show even if all its values are empty texts: then it is ``?``
    instead of empty"""
    meaningless: Mapping[str, str] = field(default_factory=dict)
    """the filters that mean nothing in this leaf, each with why; that is reported as a warning"""


@dataclass(frozen=True, slots=True)
class Compiled:
    """What compiling a leaf finds out."""

    names: Mapping[str, int]
    beginning: Any
    parts: Parts | None
    """what the leaf consists of, if it can be rendered without Jinja"""
    code: CodeType
    unsteady: tuple[str, int] | None
    """what makes the text another one each time, and its line in the file"""
    depends_on_words: bool
    """whether values were written when it was compiled, in the words of the templates"""
    filters: Sequence[tuple[str, TemplateFilter]]
    """those it was compiled with, kept since their ids are in the key"""
    variables: Sequence[str] = ()
    """the names that it sets for other leaves"""
    length: int | None = None
    """how many values a loop has, None if that depends on the event"""
    meaningless: Mapping[str, int] = field(default_factory=dict)
    """the filters that mean nothing in it, each with its line in the file"""


class CompiledLeaf:
    """One leaf of one file; call :meth:`compile` before it is rendered."""

    def __init__(
        self,
        file: str,
        path: str,
        source: Text,
        leaf: TemplateLeaf,
        folder: Traversable | None = None,
    ) -> None:
        self.file = file
        self._folder = folder
        """that of the file, None for a text from elsewhere"""
        self.path = path
        self.leaf = leaf
        self.is_constant = not any(opening in source.text for opening in ("{{", "{%", "{#"))
        self.constant: Any = None
        """the result of a leaf without values"""
        self.beginning: Any = None
        """the result of what is before the first value, if it can be examined"""
        self.names: Mapping[str, int] = {}
        """the names that it takes from outside, each with its line in the file"""
        self.unsteady: tuple[str, int] | None = None
        """what makes the text of the same event another one each time, and its line in the file"""
        self.variables: Sequence[str] = ()
        """the names that it sets for other leaves, or that another one sets for it"""
        self.length: int | None = None
        """how many values a loop has, None if that depends on the event"""
        self.meaningless: Mapping[str, int] = {}
        """the filters that mean nothing in it, each with its line in the file"""
        self._source = source
        self._template: Template | None = None
        self._parts: Parts | None = None
        """what the leaf consists of, if it can be rendered without Jinja"""
        self._value_name: str | None = None
        """the name of the only value of a leaf that is parsed"""
        self._finalize: Callable[[object], str] = str

    @property
    def text(self) -> str:
        """What is written in the file."""
        return self._source.text

    def compile(self, environment: Environment, marking: Marking) -> None:
        """Compile the leaf.

        :param marking: the filters that ``environment`` was made with
        :raises TemplateSyntaxError: if the text is not Jinja2, or filters make no sense together
        :raises ValueError: if a text without values cannot be parsed
        """
        text = self._source.text
        if self.is_constant:
            if not self.leaf.own_lines:
                text = _OWN_BREAK.sub(" ", text)

            self.constant = self._finish(text, text)
            if self.leaf.check_file is not None and self.constant:
                self.leaf.check_file(self.constant)

            return

        filters = tuple((name, id(filter)) for name, filter in marking.filters)
        key = (self.file, self._source, self.leaf, filters)
        known = _KNOWN.get(key)
        if known is None:
            try:
                known = self._compile(environment, marking, text)
            except TemplateAssertionError as error:
                raise _with_hint(error, environment) from None

            if not known.depends_on_words:
                if len(_KNOWN) >= _KNOWN_MAX:
                    _KNOWN.clear()

                _KNOWN[key] = known

        self.names, self.beginning, self._parts = known.names, known.beginning, known.parts
        self.unsteady = known.unsteady
        self.variables, self.length = known.variables, known.length
        self.meaningless = known.meaningless
        self._finalize = environment.finalize or str
        if self.leaf.parse is not None and self._parts is not None and len(self._parts) == 1:
            [(name, _)] = self._parts
            self._value_name = name if isinstance(name, str) else None

        self._template = Template.from_code(environment, known.code, {})

    def _compile(self, environment: Environment, marking: Marking, text: str) -> Compiled:
        tree = environment.parse(text)
        check_filters(tree, marking, self.path)
        first = self._source.line - 1
        names = {name: first + line for name, line in names_of(tree).items()}
        changing = find_unsteady(tree)
        unsteady = None if changing is None else (changing[0], first + changing[1])
        find_constant = self.leaf.find_constant
        constant = find_constant(own_beginning(tree)) if find_constant is not None else ""
        beginning = self._finish(constant, constant) if constant else None
        depends_on_words = has_constants(tree)
        keep_own_blanks(tree)
        if not self.leaf.own_lines:
            for data in tree.find_all(nodes.TemplateData):
                data.data = _OWN_BREAK.sub(" ", data.data)

        find_place: Callable[[str], str] | None = None
        continuation = self.leaf.continuation
        if continuation is not None and self.leaf.lines and keeps_lines(tree, marking):
            find_place = continuation.find

        if self.leaf.context_filter is not None or find_place is not None:
            add_places(tree, self.leaf.context_filter, find_place, marking)

        return Compiled(
            names,
            beginning,
            parts_of(tree, self.leaf.context, environment.finalize or str),
            environment.compile(tree, filename=self.file),
            unsteady,
            depends_on_words or bool(self.leaf.context),
            marking.filters,
            meaningless={
                name: first + line
                for name, line in lines_of_filters(tree, self.leaf.meaningless).items()
            },
        )

    def render(self, names: Names, value_limit: int | None = None) -> Any:
        """Return the result of the leaf for one event, empty text or ``None`` for no result."""
        if self._template is None:
            return self.constant

        if self._value_name is not None:
            value = names.values.get(self._value_name)
            if type(value) in _NEVER_EMPTY and self.leaf.parse is not None:
                return self.leaf.parse(value)

        pieces = None if self._parts is None else self._fill(self._parts, names.values)
        if pieces is None:
            context = names.context(self._template, self.leaf.context)
            pieces = list(self._template.root_render_func(context))

        text = "".join(pieces)
        if UNKNOWN in text and not self.leaf.required and _is_empty(pieces):
            return ""

        limit = self.leaf.limit
        # Most texts are so short that they need not be measured.
        if limit is not None and (value_limit or len(text) * _MOST_FOR_A_CHARACTER > limit):
            measure = self.leaf.measure
            size, overflow = measure(text), self.leaf.overflow
            if overflow is not None and size <= overflow:
                limit = overflow

            if value_limit or size > limit:
                shortened = "".join(_shortened(pieces, limit, value_limit, measure, names.rest))
                if shortened != text:
                    names.shortened.add(self.path)
                    text = shortened

        first = pieces[0] if len(pieces) == 1 else None
        return self._finish(text, first.value if type(first) is _Value else text)

    def _fill(self, parts: Parts, values: Mapping[str, object]) -> list[str] | None:
        finalize = self._finalize
        try:
            return [
                text
                if name is None
                else finalize(values[name] if type(name) is str else _first(name, values))
                for name, text in parts
            ]
        except Exception:  # noqa: BLE001 - Jinja reports what is wrong, and in which line
            return None

    @property
    def line(self) -> int:
        """The line of the file in which the leaf begins."""
        return self._source.line

    @property
    def column(self) -> int | None:
        """The column of the name of a file, None for what may have more to it."""
        return self._source.column or None if self.leaf.check_file is not None else None

    def line_of(self, error: Exception) -> int:
        """Return the line of the file in which an error of this leaf occurred."""
        line = 1
        template = self._template
        if isinstance(error, TemplateSyntaxError):
            line = error.lineno
        elif template is not None:
            for frame, number in walk_tb(error.__traceback__):
                owner: object = frame.f_globals.get("__jinja_template__")
                if owner is template:
                    line = template.get_corresponding_lineno(number)

        return self._source.line + line - 1

    def _finish(self, text: str, value: object) -> Any:
        text = text.strip()
        if not text:
            return ""

        if self.leaf.check_file is not None and self._folder is not None:
            return OwnFile(self._folder, text)

        if self.leaf.parse is not None:
            return self.leaf.parse(text if isinstance(value, str) else value)

        if "\n" in text and not self.leaf.lines:
            return " ".join(line.strip() for line in text.splitlines())

        return text


def _with_hint(error: TemplateAssertionError, environment: Environment) -> TemplateSyntaxError:
    """Return the error of a filter that there is not, with the name that was most likely meant."""
    unknown = _NO_FILTER.fullmatch(error.message or "")
    known = (name for name in environment.filters if name.isidentifier())
    hint = did_you_mean(unknown[1], known) if unknown else ""
    if unknown is None or not hint:
        return error

    better = TemplateSyntaxError(f"No filter named '{unknown[1]}'{hint}", error.lineno)
    better.translated = True  # its text is the message alone
    return better


def _first(names: Iterable[str], values: Mapping[str, object]) -> object:
    """Return what ``a or b`` is."""
    value: object = None
    for name in names:
        value = values[name]
        if value:
            break

    return value


def make_environment(
    filters: Mapping[str, TemplateFilter],
    marking: Marking,
    words: Words,
    functions: Mapping[str, Callable[..., object]],
) -> Environment:
    """Return the sandbox for leaves, without the finalizer that writes values.

    :param marking: what these filters do
    :param functions: filters that make another value of a value
    """
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
    )
    for name in _HTML_FILTERS:
        del environment.filters[name]

    del environment.globals["lipsum"]
    environment.tests["empty"] = words.is_empty
    known = environment.filters
    for name, function in known.items():
        known[name] = marking.carrying(function)

    known["duration"] = words.duration
    known["humanize"] = marking.carrying(words.name)
    known["join"] = make_join(words.as_text)
    known["plural"] = plural
    known[OWN_TEXT] = SafeString
    known[LINE_PLACE] = marking.placed
    known[ELSEWHERE_PLACE] = marking.elsewhere
    known.update(functions)
    for name in marking.names:
        known[name] = marking.filter(name)

    for name in filters:
        known[PLACE + name] = marking.place(name)

    return environment


def make_finalizer(
    leaf: TemplateLeaf, marking: Marking, as_text: AsText
) -> Callable[[object], str]:
    """Return what Jinja calls for each value that a leaf writes."""
    leaf_write = leaf.write
    is_parsed = leaf.parse is not None

    def _written_items(items: ListText, *, lines: bool) -> ListText:
        # Only what is around the separator makes it no blank text.
        separator = clean(f"x{items.separator}x", lines=lines)[1:-1]
        if type(items.separator) is SafeString:
            separator = items.separator
        else:
            separator = leaf_write(separator)

        return list_text(map(finalize, items.items), str, separator, are_written=True)

    def finalize(value: object) -> str:
        if type(value) is SafeString:
            return value

        write: Write = leaf_write
        lines = is_atomic = False
        is_of_leaf = True
        items: ListText | None = None
        if type(value) is str:
            text = value
        elif type(value) in (ListText, *LISTS):
            if type(value) is not ListText:
                value = list_text(cast("Iterable[object]", value), as_text)

            text = items = value
        elif type(value) is EmptyText:
            text = UNKNOWN
        elif type(value) is MarkedText:
            text = UNKNOWN if type(value.raw) is EmptyText else value.raw
            items = text if type(text) is ListText else None
            marks = value.marks
            lines = leaf.lines and marks.lines
            is_atomic = marks.atomic
            is_of_leaf = marks.is_of_place
            write = marks.write or leaf_write
            if marks.is_elsewhere and marks.write is not None:
                write = _both(marks.write, leaf_write)

            write = _continued(write, value.place, leaf.continuation)
        else:
            text = as_text(value)

        written_items: ListText | None = None
        if items is not None and items.has_marks:
            written_items = _written_items(items, lines=lines)
        elif items is not None and type(items.separator) is SafeString and is_of_leaf:
            separator = items.separator
            if write(separator) != separator:
                # The markup of the template stands between the items, such as "**, **".
                texts = (write(clean(item, lines=lines)) for item in items.items)
                written_items = list_text(texts, str, separator, are_written=True)

        if written_items is not None:
            result = _Value(written_items)
            result.text = written_items
            result.items = written_items
            result.value = value
            result.write = str
            return result

        text = clean(text, lines=lines) if lines or "\n" not in text else clean(text).strip()
        written = write(text)
        if is_atomic and text != UNKNOWN:
            return written

        if is_parsed or len(written) > _SHORT_VALUE_CHARACTERS or text == UNKNOWN:
            result = _Value(written)
            result.text = text
            result.items = items
            result.value = value
            result.write = write
            return result

        return written

    return finalize


def _both(first: Write, second: Write) -> Write:
    return lambda text: second(first(text))


def _continued(write: Write, place: str, continuation: Continuation | None) -> Write:
    if not place or continuation is None:
        return write

    def write_lines(text: str) -> str:
        return continuation.write(text, write, place) if "\n" in text else write(text)

    return write_lines


class _Value(str):
    """A written value with the original, for leaves that parse it and for shortening."""

    __slots__ = ("items", "text", "value", "write")
    text: str
    items: ListText | None
    """what the text was joined of"""
    value: object
    write: Write

    def __str__(self) -> str:
        # Jinja calls str() on the result of finalize, which must keep the original.
        return self


def _is_empty(pieces: Iterable[str]) -> bool:
    """Return whether the text of a leaf consists of nothing but empty values."""
    return not any(piece.strip() for piece in pieces if not _stands_for_empty(piece))


def _stands_for_empty(piece: str) -> bool:
    if type(piece) is not _Value:
        return False

    value = piece.value
    return type(value.raw if type(value) is MarkedText else value) is EmptyText


def _shortened(
    pieces: Sequence[str], limit: int, value_limit: int | None, measure: Measure, rest: Rest
) -> Iterator[str]:
    """Shorten the longest values until the whole is within a limit, if possible."""
    lengths = sorted(measure(piece) for piece in pieces if type(piece) is _Value)
    excess = measure("".join(pieces).strip()) - limit
    maximum = value_limit or limit
    if excess > 0:
        maximum = min(maximum, _common_maximum(lengths, max(0, sum(lengths) - excess)))

    for piece in pieces:
        if type(piece) is _Value and measure(piece) > maximum:
            if maximum:
                yield _shortened_value(piece, maximum, measure, rest)

        else:
            yield piece


def _shortened_value(value: _Value, maximum: int, measure: Measure, rest: Rest) -> str:
    write = value.write
    if value.items is not None and len(value.items.items) > 1:
        shown = shorten_list(
            value.items, rest, write, lambda text: measure(text) <= maximum, maximum=maximum
        )
        if shown is not None or value.items.are_written:
            return shown or ""

    # The written text is hardly ever shorter than the value.
    text = value.text[: maximum + 1]
    return write(shorten(text, lambda part: measure(write(part)) <= maximum))


def _common_maximum(lengths: Sequence[int], room: int) -> int:
    """Return the length to which the longest must be cut so that all of them fit."""
    share = 0
    for index, length in enumerate(lengths):
        share = room // (len(lengths) - index)
        if length > share:
            break

        room -= length

    return share
