"""Writes the parts of the documentation that the code itself can say.

``python docs/generate.py`` renews what stands between ``<!-- generated: ... -->`` and
``<!-- end of generated -->`` on each page; with ``--check`` it only says which pages are out of date.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "_ext"))

import api_reference
import blocks
import command_reference
import event_reference
import hook_reference
import http_reference
import room_reference
import settings_reference

_LANGUAGES = {
    ".conf": "ini",
    ".css": "css",
    ".js": "js",
    ".py": "python",
    ".service": "ini",
    ".timer": "ini",
    ".toml": "toml",
    ".yaml": "yaml",
    ".yml": "yaml",
}


def _file(path: str) -> Iterator[str]:
    file = DOCS / path
    yield f"```{_LANGUAGES[file.suffix]}"
    yield from file.read_text("utf-8").rstrip().splitlines()
    yield "```"


KINDS: dict[str, Callable[..., Iterator[str]]] = {
    "api": lambda package, *names: api_reference.lines(package, names),
    "command": lambda *words: command_reference.lines(" ".join(words)),
    "events": event_reference.lines,
    "file": _file,
    "hooks": lambda kind: hook_reference.lines(kind, DOCS / "examples" / "hooks"),
    "metrics": http_reference.metric_lines,
    "rooms": room_reference.lines,
    "routes": http_reference.route_lines,
    "settings": lambda name: settings_reference.lines(name, DOCS / "examples" / "settings"),
}


def make(words: str) -> str:
    """Return a part of a page.

    :param words: the kind of part, with its arguments
    :raises ValueError: if something lacks a description or an example, or there is no such kind
    """
    kind, *arguments = words.split()
    if kind not in KINDS:
        raise ValueError(f"nothing generates '{kind}': {', '.join(KINDS)}")

    return "\n".join(KINDS[kind](*arguments)).strip("\n")


def main(words: list[str]) -> int:
    outdated = False
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text("utf-8")
        new = blocks.renewed(text, make)
        if new == text:
            continue

        outdated = True
        if words == ["--check"]:
            print(f"docs/{page.name} is out of date: run python docs/generate.py")
        else:
            page.write_text(new, "utf-8")
            print(f"wrote docs/{page.name}")

    return 1 if outdated and words == ["--check"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
