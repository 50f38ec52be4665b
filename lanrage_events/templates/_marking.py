"""Marking: what filters do to the values of a template, which add up in any order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import wraps
from typing import Any

from ._cleaning import clean
from ._filters import ELSEWHERE, LINES, MarkedText, Marks, TemplateFilter
from ._list import LISTS, AsText, ListText, list_text
from ._names import EMPTY_TEXT, EmptyText


class Marking:
    """The filters of a consumer, and what they do to values.

    :param filters: by name, without ``lines``
    :param as_text: writes a value for people
    """

    def __init__(self, filters: Mapping[str, TemplateFilter], as_text: AsText) -> None:
        self.filters = tuple(filters.items())
        self._filters = filters
        self._as_text = as_text
        self._known: dict[frozenset[str], Marks] = {}
        self.names = frozenset({LINES, *filters})

    def check(self, names: Collection[str], leaf: str = "") -> None:
        """Check that filters make sense together.

        :param leaf: the path of the leaf in which they stand
        :raises ValueError: if two of them do not, or one is not for that leaf
        """
        for name in names:
            template_filter = self._filters.get(name)
            only = template_filter.leaves if template_filter is not None else ()
            if leaf and only and leaf not in only:
                raise ValueError(f"'{name}' is only for {' and '.join(only)}")

            excluded = template_filter.excludes if template_filter is not None else {}
            for other in names:
                if other in excluded:
                    raise ValueError(
                        f"'{name}' and '{other}' make no sense together: {excluded[other]}"
                    )

    def keeps_lines(self, name: str) -> bool:
        """Return whether a filter keeps the lines of values."""
        return name == LINES or (name in self._filters and self._filters[name].lines)

    def filter(self, name: str) -> Callable[[object], MarkedText]:
        """Return the filter of a name, as Jinja calls it."""
        names = frozenset({name})

        def apply(value: object) -> MarkedText:
            if type(value) is str:
                return self._marked(self._as_text(value), self._marks(names), "")

            return self.add(value, names)

        return apply

    def place(self, name: str) -> Callable[[object], MarkedText]:
        """Return the filter that is named by the place of a value."""
        template_filter = self._filters[name]

        def apply(value: object) -> MarkedText:
            marked = self.add(value, ())
            raw = self._each(marked.raw, apply)
            kept = {
                other
                for other in marked.marks.names
                if other in template_filter.after
                or (other == LINES and LINES not in template_filter.excludes)
            }
            return self._marked(raw, self._marks(frozenset({name, *kept})), marked.place)

        return apply

    def is_placed(self, name: str) -> bool:
        """Return whether a filter writes values for one place."""
        return name in self._filters and self._filters[name].placed

    def elsewhere(self, value: object) -> MarkedText:
        """Return a value that stands where no filter of its own belongs."""
        return self.add(value, (ELSEWHERE,))

    def add(self, value: object, names: Iterable[str]) -> MarkedText:
        """Return a value with further marks.

        :raises ValueError: if they make no sense together
        """
        raw: str
        if type(value) is MarkedText:
            together = value.marks.names.union(names)
            if together == value.marks.names:
                return value

            raw, marks, place = value.raw, self._marks(together), value.place
        else:
            if isinstance(value, LISTS):
                raw = list_text(value, self._as_text)
            else:
                raw = value if isinstance(value, (ListText, EmptyText)) else self._as_text(value)

            marks, place = self._marks(frozenset(names)), ""

        if marks.names:
            raw = self._each(raw, lambda item: self.add(item, marks.names))

        return self._marked(raw, marks, place)

    def placed(self, value: object, place: str) -> MarkedText:
        """Return a value that knows the beginning of its line, see :class:`Continuation`."""
        marked = self.add(value, ())
        raw = self._each(marked.raw, lambda item: self.placed(item, place))
        return self._marked(raw, marked.marks, place)

    def carrying(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a filter that keeps the marks of a text, and that it is empty."""
        position = 1 if hasattr(function, "jinja_pass_arg") else 0

        @wraps(function)
        def call(*args: Any, **options: Any) -> Any:
            value = args[position] if len(args) > position else None
            if type(value) is MarkedText:
                before, after = args[:position], args[position + 1 :]
                result = function(*before, value.raw, *after, **options)
                result = _still_empty(value.raw, result)
                if isinstance(result, str):
                    return self._marked(result, value.marks, value.place)

                return result

            return _still_empty(value, function(*args, **options))

        return call

    def _each(self, raw: str, apply: Callable[[object], MarkedText]) -> str:
        """Apply something to each item of a list that has marks; return another text as it is."""
        if type(raw) is ListText and raw.has_marks:
            return list_text(map(apply, raw.items), self._as_text, raw.separator)

        return raw

    def _marks(self, names: frozenset[str]) -> Marks:
        marks = self._known.get(names)
        if marks is None:
            self.check(names)
            marks = self._known[names] = Marks(names, self._filters)

        return marks

    def _marked(self, raw: str, marks: Marks, place: str) -> MarkedText:
        # Others than the finalizer see an address as it is written, and other texts as they are.
        text: str = raw
        if marks.atomic and marks.write is not None and type(raw) is not EmptyText:
            text = marks.write(clean(raw))

        marked = MarkedText(text)
        marked.raw = raw
        marked.marks = marks
        marked.place = place
        return marked


def _still_empty(value: object, result: Any) -> Any:
    """Return what a filter made of a value; of an empty text that stands for something, another."""
    return EMPTY_TEXT if type(value) is EmptyText and result == "" else result
