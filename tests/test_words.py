"""Code, messages and pages speak the field's plain English: see docs/glossary.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = (".ci", "lanrage_events", "plugins", "templates", "docs")
PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")
SUFFIXES = {".py", ".js", ".html", ".css", ".md", ".yaml", ".txt", ".svg"}

AVOIDED = {
    "tell": "deliver, send, post, report, say, show",
    "anew": "again",
    "somebody": "someone, anyone",
    "whoever": "the caller, the author, the user",
    "refuse": "reject, raise, not allow",
    "refusal": "rejection, error",
    "fault": "error, problem, bug",
    "trouble": "error, problem",
    "mend": "fix",
    "revive": "restore, enable",
    "shall": "should, must, will",
}
FORMS = {
    form: word
    for word, forms in {
        "tell": "tell tells telling told teller untold retell",
        "anew": "anew",
        "somebody": "somebody",
        "whoever": "whoever",
        "refuse": "refuse refuses refused refusing",
        "refusal": "refusal refusals",
        "fault": "fault faults faulty",
        "trouble": "trouble troubles troubled",
        "mend": "mend mends mended mending",
        "revive": "revive revives revived",
        "shall": "shall",
    }.items()
    for form in forms.split()
}
# By the beginning of a path: names that others rely on, and words that mean something else there.
EXEMPT = {
    "plugins/lanrage_events_discord/testing/": {
        *("fault", "faults"),  # fault injection
        *("refuse", "refuses", "refused"),  # connections, as the operating system says it
        "tell",  # to tell one thing from another
    },
    "plugins/lanrage_events_discord/_api/": {"faults"},  # JSON
    "plugins/lanrage_events_discord/page/preview.js": {"faults"},  # JSON
    "plugins/lanrage_events_discord/_delivery/lane.py": {"fault"},  # a label of a metric
    "plugins/lanrage_events_http/": {"refused"},  # JSON, and a metric
    "plugins/lanrage_events_presence/": {"refused"},  # ConnectionRefusedError, and a metric
    "docs/_ext/http_reference.py": {"faults"},  # of the stand-in
    "docs/testing-discord.md": {"fault", "faults", "refuse", "refused", "refuses"},
}
_CODE = re.compile(r"^```.*?^```$|`[^`\n]+`|\]\(.*?\)|<!--.*?-->", re.MULTILINE | re.DOTALL)
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def files() -> Iterator[Path]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if (
                path.suffix in SUFFIXES
                and path.name != "LICENSE.txt"
                and not {"_build", "__pycache__"} & {*path.parts}
            ):
                yield path

    yield from (ROOT / page for page in PAGES)


def avoided(line: str) -> list[str]:
    """Return the words of a line, also within identifiers, that we write otherwise."""
    return [word for part in _PARTS.findall(line) if (word := part.lower()) in FORMS]


@pytest.mark.slow
def test_no_file_has_a_word_that_we_avoid() -> None:
    found = []
    for path in files():
        name = path.relative_to(ROOT).as_posix()
        exempt = {
            word for start, words in EXEMPT.items() if name.startswith(start) for word in words
        }
        text = path.read_text("utf-8")
        if path.suffix == ".md":  # names in code may be those of JSON or of metrics
            text = _CODE.sub(lambda match: "\n" * match[0].count("\n"), text)

        for number, line in enumerate(text.splitlines(), start=1):
            found += [
                f"{name}:{number}: {word}: write {AVOIDED[FORMS[word]]}"
                for word in avoided(line)
                if word not in exempt
            ]

    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "line", ["It tells you.", "def _teller()", "WasRefused", "a faulty cable", "ask whoever"]
)
def test_the_search_finds_a_word(line: str) -> None:
    assert avoided(line)


@pytest.mark.parametrize("line", ["by default", "Troubleshooting", "recommended", "a shallow copy"])
def test_the_search_finds_no_other_word(line: str) -> None:
    assert not avoided(line)
