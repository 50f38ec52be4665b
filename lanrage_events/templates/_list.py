"""Lists in templates: joined to one text, and shortened between two of their items."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import TypeAlias

from jinja2 import Environment, pass_environment
from jinja2.filters import make_attrgetter

from ._cleaning import clean
from ._clusters import ELLIPSIS, shorten
from ._filters import MarkedText

AsText: TypeAlias = Callable[[object], str]
"""writes a value for people"""

Rest: TypeAlias = Callable[[int], str]
"""writes how many items of a list are not shown, as the end of a text such as "Ann, Bob" """

LISTS = (list, tuple, set, frozenset)
"""the types whose values are written as a list"""

SEPARATOR = ", "

# What is longer is no name, so it may be cut like any other text.
_NAME_MAX_CHARACTERS = 100


class ListText(str):
    """The items of a list as one text, which remembers them."""

    __slots__ = ("are_written", "has_marks", "items", "separator")
    items: Sequence[str]
    """each may be a :class:`MarkedText`"""
    separator: str
    has_marks: bool
    """whether any is"""
    are_written: bool
    """whether the items are written already, so that they must stay whole"""


def list_text(
    items: Iterable[object],
    as_text: AsText,
    separator: str = SEPARATOR,
    *,
    are_written: bool = False,
) -> ListText:
    """Write the items of a list like single values, without those that are empty.

    Items that passed through filters keep their marks.
    """
    texts = [
        text for item in items if (text := item if type(item) is MarkedText else as_text(item))
    ]
    joined = ListText(separator.join(texts))
    joined.items = texts
    joined.separator = separator
    joined.has_marks = MarkedText in map(type, texts)
    joined.are_written = are_written
    return joined


def make_join(as_text: AsText) -> Callable[..., ListText]:
    """Return Jinja2's filter ``join`` that writes items like single values and skips empty ones."""

    @pass_environment
    def join(
        environment: Environment, value: Iterable[object], separator: str = "", attribute: str = ""
    ) -> ListText:
        if attribute:
            value = map(make_attrgetter(environment, attribute), value)

        return list_text(value, as_text, separator)

    return join


def shorten_list(
    value: ListText,
    rest: Rest,
    write: Callable[[str], str],
    fits: Callable[[str], bool],
    *,
    maximum: int,
) -> str | None:
    """Return as many items as fit together with the number of the others; None if none does.

    An item that is longer than any name is cut like a text.

    :param rest: see :data:`Rest`
    :param write: writes the items that are shown
    :param fits: whether a written text fits
    :param maximum: characters that never fit
    """
    separator, count = value.separator, len(value.items)
    lengths = enumerate(accumulate(map(len, value.items)))
    high = next((index for index, total in lengths if total > maximum), count - 1)
    shown_items = value.items[: high + 1]
    items = list(shown_items) if value.are_written else [clean(item) for item in shown_items]

    # After commas the end goes on as a sentence: "Ann, Bob and 3 more". Elsewhere it stands as one item
    # more, such as in a line of its own.
    goes_on = separator.strip() == "," or any(map(str.isalnum, separator))
    before_rest = " " if goes_on else f"{separator}{ELLIPSIS} "

    def text(shown: str, others: int) -> str:
        shown = write(shown) if shown else ""
        if not others:
            return shown

        return f"{shown}{before_rest}{rest(others)}" if shown else rest(others)

    def first(kept: int) -> str:
        return text(separator.join(items[:kept]), count - kept)

    low = 0
    while low < high:
        middle = (low + high + 1) // 2
        if fits(first(middle)):
            low = middle
        else:
            high = middle - 1

    if len(items[low]) > _NAME_MAX_CHARACTERS and not value.are_written:
        begin = "".join(f"{item}{separator}" for item in items[:low])
        others = count - low - 1
        part = shorten(items[low], lambda part: fits(text(f"{begin}{part}", others)))
        if part != ELLIPSIS and fits(cut := text(f"{begin}{part}", others)):
            return cut

    return shown if fits(shown := first(low)) else None
