"""The templates of one consumer: where leaves are found, and how they are rendered."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, field, fields
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import accumulate
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from anyio.lowlevel import checkpoint

from .._events import COMMON_FIELDS, Event, type_names
from .._exceptions import TemplateError
from ..yaml import Text, read
from ._file import TemplateFile, known_path
from ._filters import TemplateFilter
from ._leaf import (
    CompiledLeaf,
    TemplateLeaf,
    make_environment,
    make_finalizer,
)
from ._loop import LOOP, LOOP_MAX_ITEMS, LOOP_PATH, Loop, with_loops
from ._marking import Marking
from ._names import Names, is_name
from ._problems import Problems
from ._unused_files import unused_files
from ._words import NAMES, WORDS, WORDS_FILE, Words

WORD_LEAVES: Mapping[str, TemplateLeaf] = {path: TemplateLeaf() for path in (*WORDS, f"{NAMES}.*")}
"""the leaves of ``words.yaml``"""


class RenderedLeaves(dict[str, Any]):
    """The leaves of one event that are not empty, by path, and for each list that of its items."""

    __slots__ = ("shortened",)
    shortened: AbstractSet[str]
    """the paths of the leaves in which a value was shortened"""


class Templates:
    """The templates of one consumer: one YAML file per event type, whose leaves are Jinja2.

    A leaf is searched along the classes of the event, the most specific first, and for each class
    in one folder after the other. Each problem of a template is reported once, and the next place
    that has the leaf is used.

    :param kind: the name of the consumer's folder within each of the folders
    :param folders: where to look, the most important first
    :param leaves: by path, such as ``title``, ``footer.text`` or, in a list, ``fields[].name``
    :param shorthands: the leaf that a text stands for where a mapping is expected
    :param filters: further ways to write a value, by name
    :param functions: further filters that make another value of a value, by name
    :param steady: the event types whose texts should be the same whenever the same event is
        rendered; a leaf of theirs that changes with the clock or by chance is a warning
    :param leaves_of: all leaves of those types whose files have others, by type
    :param texts: what comes before the leaves of all files, by path, such as from a configuration
    :param report: called once with each problem of a template; the default logs it
    :param context: the names that :meth:`render` is given besides those of the event; with them,
        :meth:`check` finds names that do not exist
    :param list_limits: how many items of each list are shown, by path, such as ``fields``; a file
        with more of them is a problem
    :param item_needs: the leaves without which an item of a list is not shown, by path, such as
        ``fields``; an item that lacks one is a problem
    """

    def __init__(
        self,
        kind: str,
        folders: Iterable[Traversable],
        leaves: Mapping[str, TemplateLeaf],
        *,
        shorthands: Mapping[str, str] = MappingProxyType({}),
        filters: Mapping[str, TemplateFilter] = MappingProxyType({}),
        functions: Mapping[str, Callable[..., object]] = MappingProxyType({}),
        steady: Collection[str] = (),
        leaves_of: Mapping[str, Mapping[str, TemplateLeaf]] = MappingProxyType({}),
        texts: Mapping[str, str] = MappingProxyType({}),
        report: Callable[[TemplateError], object] | None = None,
        context: Collection[str] | None = None,
        list_limits: Mapping[str, int] = MappingProxyType({}),
        item_needs: Mapping[str, Collection[str]] = MappingProxyType({}),
    ) -> None:
        self.kind = kind
        self._folders = tuple(folders)
        self._leaves = with_loops(leaves)
        self._leaves_of = {name: with_loops(own) for name, own in leaves_of.items()}
        self._list_limits = dict(list_limits)
        self._item_needs = dict(item_needs)
        self._shorthands = dict(shorthands)
        self.words: Words = Words(self._render_word)
        """writes values in the words of the templates"""
        self._marking = Marking(filters, self.words.as_text)
        environment = make_environment(filters, self._marking, self.words, functions)
        self._steady = steady
        self._globals = dict(environment.globals)
        self._context = context
        self._environments = {
            leaf: environment.overlay(
                finalize=make_finalizer(leaf, self._marking, self.words.as_text)
            )
            for own in (self._leaves, *self._leaves_of.values(), WORD_LEAVES)
            for leaf in own.values()
        }
        self._words: list[_CompiledFile] | None = None
        self._files: dict[str, list[_CompiledFile]] = {}
        self._whole: dict[str, _CompiledFile] = {}
        """the last version without errors of each file, by its path"""
        self._compiled: dict[tuple[str, str, Text], CompiledLeaf] = {}
        """the leaves of all files, by file, path and text"""
        self._compiled_before: Mapping[tuple[str, str, Text], CompiledLeaf] = {}
        """those that a reload need not compile again, which takes most of its time"""
        self._plans: dict[type[Event], _Plan] = {}
        self._problems = Problems(report)
        self._texts = {path: Text(text, 1) for path, text in texts.items()}
        self._own = self._compile_texts()

    @property
    def problems(self) -> Sequence[TemplateError]:
        """What is wrong with the templates as they were read, as far as it was found and reported."""
        return self._problems.reported

    async def prepare(self, types: Collection[type[Event]]) -> None:
        """Do the same as :meth:`check`, and let other tasks run between two types."""
        for cls in types:
            self._plan(cls)
            await checkpoint()

        self.check(types)

    def check(self, types: Iterable[type[Event]]) -> None:
        """Read and compile the templates of event types now, not at their first event.

        :param types: all event types; a file that is named after another one is a problem
        """
        known: dict[str, set[str]] = {}
        """the names of the fields that the events of each type have, those of subtypes included"""
        self._word_files()
        for cls in types:
            self._plan(cls)
            for name in type_names(cls):
                known.setdefault(name, set()).update(item.name for item in fields(cls))

        if self._context is not None:
            self._check_names(known, self._context)

        for folder in self._folders:
            try:
                for problem in unused_files(folder, self.kind, known.keys()):
                    self._problems.add(problem)
            except OSError as error:
                self._problems.add(TemplateError(str(folder), f"cannot be read ({error.strerror})"))

    def check_texts(self, types: Iterable[type[Event]], context: Collection[str] = ()) -> None:
        """Report the names in the texts that were given and that no event of these types has.

        A name that some of them lack is reported when such an event is rendered.

        :param context: what :meth:`render` is given besides the event
        """
        known = {*self._globals, *context, "event", "fields", "type"}
        for cls in types:
            known.update(item.name for item in fields(cls))

        for leaf in self._own.all_leaves():
            self._problems.add_unknown_names(leaf, known)

    def _check_names(
        self, fields_of: Mapping[str, Collection[str]], context: Collection[str]
    ) -> None:
        everywhere = {*self._globals, *context, "event", "fields", "type"}
        for type_name, own in fields_of.items():
            names = everywhere.union(own)
            for file in self._read(type_name):
                for leaf in file.all_leaves():
                    if not leaf.leaf.apart:
                        self._problems.add_unknown_names(leaf, names)

    def reload(
        self, folders: Iterable[Traversable], types: Iterable[type[Event]]
    ) -> list[TemplateError]:
        """Read the templates again.

        A file that has errors now keeps the version without errors that was read before.

        :param folders: where to look from now on, the most important first
        :param types: as for :meth:`check`
        :return: what is wrong with them now, which is reported, too
        """
        words = self.sources(None)
        self._folders = tuple(folders)
        self._files.clear()
        self._words = None
        self.words.forget()
        self._plans.clear()
        self._problems.forget()
        self._compiled_before, self._compiled = self._compiled, {}
        if self.sources(None) != words:
            # A filter of a value that is known is applied when the leaf is compiled.
            self._compiled_before = {}

        self._own = self._compile_texts()
        self.check(types)
        self._compiled_before = {}
        return list(self.problems)

    def render(
        self,
        event: Event,
        context: Mapping[str, object] = MappingProxyType({}),
        *,
        value_limit: int | None = None,
    ) -> RenderedLeaves:
        """Render the templates for an event.

        :param event: the event; leaves can name its fields, besides ``type``, ``event`` and
            ``fields``, a mapping of the fields that its class added
        :param context: further names; a field of the event with the same name wins
        :param value_limit: what each value may take in a leaf that has a limit, as this is counted;
            values of up to 32 characters stay whole
        :return: the leaves that are not empty, by path, and for each list the list of its items
        """
        plan = self._plan(type(event))
        names = plan.names(event, context, self._globals, self.words.rest)
        result = RenderedLeaves(plan.constants)
        for path, chain in plan.leaves:
            value = self._render_first(chain, names, value_limit)
            if value is not None and value != "":
                result[path] = value

        for path, lists in plan.lists:
            items = self._render_list(lists, names, value_limit)
            if items:
                result[path] = items

        result.shortened = names.shortened
        return result

    def sources(self, cls: type[Event] | None) -> list[tuple[str, str, str]]:
        """Return the texts by which events of a class are rendered: the file, the leaf, its text.

        Two :class:`Templates` for which they are equal, and those of the words, render an event in
        the same way.

        :param cls: None for the words in values
        """
        if cls is None:
            return _sources(self._word_files())

        files = (file for name in type_names(cls) for file in self._read(name))
        return _sources([self._own, *files])

    def render_leaf(self, cls: type[Event], path: str, names: Mapping[str, object]) -> Any:
        """Render a leaf that is not rendered with the event, see :class:`TemplateLeaf`.

        :param path: such as ``digest.counted``
        :param names: what the leaf can name
        :return: the result, empty text or None if there is none
        """
        plan = self._plan(cls)
        chain = plan.apart.get(path, ())
        return self._render_first(chain, self._names(names), None)

    def _render_word(self, path: str, names: Mapping[str, object]) -> str:
        chain = (file.leaves[path] for file in self._word_files() if path in file.leaves)
        return self._render_first(chain, self._names(names), None) or ""

    def _names(self, names: Mapping[str, object]) -> Names:
        return Names(dict(names), (), (), self._globals, self.words.rest)

    def _render_first(
        self, chain: Iterable[CompiledLeaf], names: Names, value_limit: int | None
    ) -> Any:
        """Render the first of the leaves that has no error."""
        for leaf in chain:
            try:
                value = leaf.render(names, value_limit)
            except Exception as error:  # noqa: BLE001 - the next place that has the leaf is used
                self._problems.add_error(leaf, error, names)
            else:
                if leaf.leaf.warn is not None and value:
                    self._problems.add_warning(leaf, value)

                return value

        return None

    def _render_list(
        self, lists: Iterable[Iterable[_Item]], names: Names, value_limit: int | None
    ) -> list[dict[str, Any]]:
        """Render the items of the first list, or of the next one if all of them have errors."""
        for templates in lists:
            rendered = [self._render_items(one, names, value_limit) for one in templates]
            good = [items for items in rendered if items is not None]
            if good or not rendered:
                return [item for items in good for item in items]

        return []

    def _render_items(
        self, item: _Item, names: Names, value_limit: int | None
    ) -> list[dict[str, Any]] | None:
        """Render an item, for each value of its loop if it has one; return None for errors only."""
        if item.loop is None:
            found = self._render_item(item.leaves, names, value_limit)
            return None if found is None else [found]

        items: list[dict[str, Any]] = []
        has_failed = False
        try:
            for number, item_names in enumerate(item.loop.each(names)):
                if number == LOOP_MAX_ITEMS:
                    names.shortened.add(item.loop.path)
                    break

                found = self._render_item(item.leaves, item_names, value_limit)
                if found is None:
                    has_failed = True
                else:
                    items.append(found)

        except Exception as error:  # noqa: BLE001 - the next place that has the list is used
            self._problems.add_error(item.loop, error, names)
            has_failed = True

        return items if items or not has_failed else None

    def _render_item(
        self, template: Mapping[str, CompiledLeaf], names: Names, value_limit: int | None
    ) -> dict[str, Any] | None:
        item: dict[str, Any] = {}
        for name, leaf in template.items():
            try:
                value = leaf.render(names, value_limit)
            except Exception as error:  # noqa: BLE001 - the other items are rendered
                self._problems.add_error(leaf, error, names)
                return None

            if value is not None and value != "":
                item[name] = value
                if leaf.leaf.warn is not None:
                    self._problems.add_warning(leaf, value)

        return item

    def _plan(self, cls: type[Event]) -> _Plan:
        if cls not in self._plans:
            self._plans[cls] = self._make_plan(cls)

        return self._plans[cls]

    def _make_plan(self, cls: type[Event]) -> _Plan:
        plan = _Plan(cls)
        files = [self._own, *(file for name in type_names(cls) for file in self._read(name))]
        leaves = self._leaves_of.get(cls.type, self._leaves)
        for path in leaves:
            chain = [file.leaves[path] for file in files if path in file.leaves]
            if leaves[path].apart:
                plan.apart[path] = chain
            elif chain and not chain[0].is_constant:
                plan.leaves.append((path, chain))
            elif chain and chain[0].constant not in (None, ""):
                plan.constants[path] = chain[0].constant

        for path in dict.fromkeys(path.split("[]")[0] for path in leaves if "[]" in path):
            if lists := [file.lists[path] for file in files if path in file.lists]:
                plan.lists.append((path, lists))

        if cls.type in self._steady:
            for leaf in plan.first_leaves():
                self._problems.add_unsteady(leaf)

        return plan

    def _word_files(self) -> list[_CompiledFile]:
        if self._words is None:
            bundled = files("lanrage_events_templates")
            paths = [folder / WORDS_FILE for folder in (*self._folders, bundled)]
            found = [self._read_file(path, WORD_LEAVES) for path in dict.fromkeys(paths)]
            self._words = [file for file in found if file is not None]

        return self._words

    def _read(self, type_name: str) -> list[_CompiledFile]:
        if type_name not in self._files:
            folders = [folder / self.kind for folder in self._folders]
            leaves = self._leaves_of.get(type_name, self._leaves)
            files = [self._read_file(at / f"{type_name}.yaml", leaves, at) for at in folders]
            self._files[type_name] = [file for file in files if file is not None]

        return self._files[type_name]

    def _read_file(
        self,
        path: Traversable,
        leaves: Mapping[str, TemplateLeaf],
        folder: Traversable | None = None,
    ) -> _CompiledFile | None:
        with suppress(OSError):  # reading the file will report it
            if not path.is_file():
                self._whole.pop(str(path), None)
                return None

        file, is_whole = self._compile_file(path, leaves, folder)
        if is_whole:
            self._whole[str(path)] = file
        elif (earlier := self._whole.get(str(path))) is not None:
            message = "has errors, so the version that was read before stays in use"
            self._problems.add(TemplateError(str(path), message))
            return earlier

        return file

    def _compile_texts(self) -> _CompiledFile:
        return _CompiledFile(self._compile_all("", self._texts, self._leaves))

    def _compile_file(
        self, path: Traversable, leaves: Mapping[str, TemplateLeaf], folder: Traversable | None
    ) -> tuple[_CompiledFile, bool]:
        """Compile what can be of a file; return whether that is all."""
        source = TemplateFile(read(path), leaves, self._shorthands)
        for problem in source.problems:
            self._problems.add(problem)

        is_whole = all(problem.is_warning for problem in source.problems)
        file = _CompiledFile(self._compile_all(str(path), source.leaves, leaves, folder))
        is_whole = is_whole and len(file.leaves) == len(source.leaves)
        for list_path, sources in source.lists.items():
            items: list[_Item] = []
            for item in sources:
                compiled = self._compile_all(str(path), item, leaves, folder)
                if len(compiled) == len(item):
                    items.append(_make_item(compiled))
                    if not source.problems:  # which may be why something is lacking
                        self._check_item(str(path), list_path, items[-1])
                else:
                    is_whole = False

            if items or not sources:
                file.lists[list_path] = items

            self._check_length(str(path), list_path, items)

        return file, is_whole

    def _check_length(self, file: str, path: str, items: Sequence[_Item]) -> None:
        limit = self._list_limits.get(path)
        some = [item for item in items if item.leaves]
        totals = list(accumulate(item.length for item in some))
        if limit is not None and totals and totals[-1] > limit:
            message = f"has {totals[-1]} items, of which at most {limit} can be shown"
            first = next(item for item, total in zip(some, totals, strict=True) if total > limit)
            line = next(first.all_leaves()).line
            self._problems.add(TemplateError(file, message, leaf=path, line=line, is_warning=True))

    def _check_item(self, file: str, path: str, item: _Item) -> None:
        lacking = [name for name in self._item_needs.get(path, ()) if name not in item.leaves]
        if lacking and item.leaves:
            message = f"an item without '{lacking[0]}' is not shown"
            line = next(item.all_leaves()).line
            self._problems.add(TemplateError(file, message, leaf=path, line=line, is_warning=True))

    def _compile_all(
        self,
        file: str,
        sources: Mapping[str, Text],
        leaves: Mapping[str, TemplateLeaf],
        folder: Traversable | None = None,
    ) -> dict[str, CompiledLeaf]:
        """Compile the leaves of a file that can be, and report the others."""
        compiled: dict[str, CompiledLeaf] = {}
        for path, source in sources.items():
            leaf = self._compiled_before.get((file, path, source))
            # A file that it names may be another one by now.
            if leaf is None or leaf.leaf.check_file is not None:
                kind = leaves[known_path(leaves, path) or path]
                make = Loop if path.endswith(LOOP_PATH) else CompiledLeaf
                leaf = make(file, path, source, kind, folder)
                try:
                    leaf.compile(self._environments[kind], self._marking)
                except Exception as error:  # noqa: BLE001 - Jinja's compiler raises more than its own
                    self._problems.add_error(leaf, error)
                    continue

            compiled[path] = self._compiled[file, path, source] = leaf
            self._problems.add_meaningless(leaf)
            known = leaf.constant or leaf.beginning
            if leaf.leaf.warn is not None and known:
                self._problems.add_warning(leaf, known)

        return compiled


@dataclass(frozen=True, slots=True)
class _CompiledFile:
    """The leaves of a template file that have no errors."""

    leaves: dict[str, CompiledLeaf]
    lists: dict[str, list[_Item]] = field(default_factory=dict)
    """without those of which all items have errors"""

    def all_leaves(self) -> Iterator[CompiledLeaf]:
        yield from self.leaves.values()
        for items in self.lists.values():
            for item in items:
                yield from item.all_leaves()


@dataclass(frozen=True, slots=True)
class _Item:
    """An item of a list in a template file, which has no errors."""

    leaves: Mapping[str, CompiledLeaf]
    loop: Loop | None
    """for what it is repeated; None if it is there once"""

    @property
    def length(self) -> int:
        """How often it is there at least, whatever the event is."""
        return 1 if self.loop is None else self.loop.length or 0

    def all_leaves(self) -> Iterator[CompiledLeaf]:
        if self.loop is not None:
            yield self.loop

        yield from self.leaves.values()


def _make_item(compiled: Mapping[str, CompiledLeaf]) -> _Item:
    leaves = {path.split("[].")[1]: leaf for path, leaf in compiled.items()}
    loop = leaves.pop(LOOP, None)
    for leaf in leaves.values():
        leaf.variables = loop.variables if loop is not None else ()

    return _Item(leaves, loop if isinstance(loop, Loop) else None)


def _sources(files: Iterable[_CompiledFile]) -> list[tuple[str, str, str]]:
    return [(leaf.file, leaf.path, leaf.text) for file in files for leaf in file.all_leaves()]


class _Plan:
    """Where the leaves of one event class come from."""

    def __init__(self, cls: type[Event]) -> None:
        self._fields = tuple(item.name for item in fields(cls))
        self._own = tuple(name for name in self._fields if name not in COMMON_FIELDS)
        self._optional = frozenset(
            item.name for item in fields(cls) if item.default == "" or not is_name(item.name)
        )
        self._values: Callable[[Event], tuple[object, ...]] = attrgetter(*self._fields)
        self.constants: dict[str, Any] = {}
        self.leaves: list[tuple[str, Sequence[CompiledLeaf]]] = []
        self.apart: dict[str, Sequence[CompiledLeaf]] = {}
        self.lists: list[tuple[str, Sequence[Sequence[_Item]]]] = []

    def first_leaves(self) -> Iterator[CompiledLeaf]:
        """Yield the leaves that are used as long as they have no error."""
        for _, leaves in self.leaves:
            yield leaves[0]

        for _, lists in self.lists:
            for item in lists[0] if lists else ():
                yield from item.all_leaves()

    def names(
        self,
        event: Event,
        context: Mapping[str, object],
        globals: Mapping[str, object],
        rest: Callable[[int], str],
    ) -> Names:
        values = dict(context)
        values.update(zip(self._fields, self._values(event), strict=True))
        values["type"] = event.type
        values["event"] = event
        return Names(values, self._own, self._optional, globals, rest)
