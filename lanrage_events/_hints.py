"""Hints in error messages: similar names, missing packages and how to install them."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections import Counter
from collections.abc import Iterable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

OWN_DISTRIBUTION = "lanrage-events"

FunctionT = TypeVar("FunctionT", bound=Any)

_MOST_NAMES = 3
_MAX_CHARACTERS = 100  # comparison is quadratic in the length
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9._-]+)[^;]*;.*\bextra\s*==\s*['\"]([^'\"]+)['\"]")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint such as ``, did you mean 'window'?``, empty if no known name is similar.

    It gives several names if they go on where the word ends, as ``party_id`` and ``party_name`` do.

    :param word: the unknown name; only the beginning of a very long one counts
    :param known: the known names
    """
    import difflib

    word = word[:_MAX_CHARACTERS]
    candidates = sorted(known)
    near = [name for name in candidates if name.lower() == word.lower()][:1]
    if not near:
        longer = [name for name in candidates if word and name.startswith(f"{word}_")]
        few = 1 < len(longer) <= _MOST_NAMES
        near = longer if few else difflib.get_close_matches(word, candidates, n=1)

    return f", did you mean {' or '.join(map(repr, near))}?" if near else ""


def hinted(function: FunctionT) -> FunctionT:
    """Let a call with an option that a function does not have say which was meant."""
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    count = len(names)
    known = function.__code__.co_varnames[count : count + function.__code__.co_kwonlyargcount]

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        try:
            return function(*args, **options)
        except TypeError as error:
            # One that was raised inside of the function is another matter.
            if error.__traceback__ is None or error.__traceback__.tb_next is not None:
                raise

            for name in options:
                if name not in known and name not in names:
                    hint = did_you_mean(name, known) or f", known are {', '.join(sorted(known))}"
                    what = function.__qualname__.removesuffix(".__init__")
                    raise TypeError(f"{what} has no option '{name}'{hint}") from None

            raise

    return cast(FunctionT, call)


def is_similar(word: str, known: Iterable[str]) -> bool:
    """Return whether a word is so near to a known name that it is surely a misspelling of it."""
    import difflib

    return bool(difflib.get_close_matches(word[:_MAX_CHARACTERS], sorted(known), n=1, cutoff=0.85))


def install_command(extra: str, distribution: str = OWN_DISTRIBUTION) -> str:
    """Return the command that adds an extra of a distribution to this environment.

    It names the environment's own installer, and the place that the distribution was installed
    from: the folder of a checkout, a wheel, a repository, or its name if it came from an index or
    that place is gone.

    :param extra: the name of the extra
    :param distribution: the installed distribution that has it
    """
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import distribution as find

    installer, source = "", ""
    try:
        found = find(distribution)
        installer = (found.read_text("INSTALLER") or "").strip()
        source = found.read_text("direct_url.json") or ""
    except PackageNotFoundError:
        pass

    requirement, is_editable = _requirement(distribution, extra, source)
    options = ["--editable"] if is_editable else []
    return shlex.join([*_installer(installer), *options, requirement])


def install_hint(error: BaseException, distribution: str | None = None) -> str:
    """Return what to install for a missing package, empty if no extra brings it.

    :param error: what the import raised
    :param distribution: the distribution whose extras are searched before those of lanrage-events
    """
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""

    package = error.name.partition(".")[0]
    for name in dict.fromkeys((distribution or OWN_DISTRIBUTION, OWN_DISTRIBUTION)):
        extra = _extra_with(name, package)
        if extra:
            return f"the package '{package}' is missing: {install_command(extra, name)}"

    return ""


def _installer(name: str) -> list[str]:
    """Return the words that install into this environment.

    :param name: what installed the distribution
    """
    import shutil

    if not sys.executable:
        return ["pip", "install"]

    if name == "uv":  # its environments have no pip
        return ["uv", "pip", "install", "--python", sys.executable]

    pip = shutil.which("pip")
    if pip and Path(pip).parent == Path(sys.executable).parent:
        return ["pip", "install"]

    return [sys.executable, "-m", "pip", "install"]


def _requirement(distribution: str, extra: str, source: str) -> tuple[str, bool]:
    """Return the words for a distribution with an extra, and whether it is editable.

    :param source: direct_url.json, https://packaging.python.org/en/latest/specifications/direct-url/
    """
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    by_name = f"{distribution}[{extra}]"
    try:
        origin: dict[str, Any] = json.loads(source) if source else {}
        url = origin.get("url", "")
        if url.startswith("file:") and "vcs_info" not in origin:
            path = url2pathname(urlsplit(url).path)
            is_editable = bool(origin.get("dir_info", {}).get("editable"))
            return (f"{path}[{extra}]", is_editable) if Path(path).exists() else (by_name, False)

        if url:
            vcs = origin.get("vcs_info")
            url = f"{vcs['vcs']}+{url}@{vcs['commit_id']}" if vcs else url
            folder = origin.get("subdirectory")
            return f"{by_name} @ {url}" + (f"#subdirectory={folder}" if folder else ""), False
    except (AttributeError, KeyError, OSError, TypeError, ValueError):
        pass  # another program wrote it, or the folder belongs to another user

    return by_name, False


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
