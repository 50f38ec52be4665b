"""Hints in error messages: similar names and missing packages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

OWN_DISTRIBUTION = "lanrage-events"

_MAX_CHARACTERS = 100  # comparison is quadratic in the length
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9._-]+)[^;]*;.*\bextra\s*==\s*['\"]([^'\"]+)['\"]")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint such as ``, did you mean 'window'?``, empty if no known name is similar.

    :param word: the unknown name; only the beginning of a very long one counts
    :param known: the known names
    """
    import difflib

    word = word[:_MAX_CHARACTERS]
    candidates = sorted(known)
    near = [name for name in candidates if name.lower() == word.lower()]
    near = near or difflib.get_close_matches(word, candidates, n=1)
    return f", did you mean '{near[0]}'?" if near else ""


def install_hint(error: BaseException, distribution: str | None = None) -> str:
    """Return the ``pip install`` command for a missing package, empty if none is known.

    :param error: what the import raised
    :param distribution: the distribution whose extras are searched before those of lanrage-events
    """
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""

    package = error.name.partition(".")[0]
    for name in dict.fromkeys((distribution or OWN_DISTRIBUTION, OWN_DISTRIBUTION)):
        extra = _extra_with(name, package)
        if extra:
            return f"the package '{package}' is missing: pip install '{name}[{extra}]'"

    return ""


def _extra_with(distribution: str, package: str) -> str:
    """Return the smallest extra of a distribution that installs a package, empty if none does."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        requirements = requires(distribution) or []
    except PackageNotFoundError:
        return ""

    found = [match.groups() for match in map(_REQUIREMENT.match, requirements) if match]
    sizes = Counter(extra for _, extra in found)
    extras = [extra for name, extra in found if _normalize(name) == _normalize(package)]
    return min(extras, key=lambda extra: sizes[extra], default="")


def _normalize(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
