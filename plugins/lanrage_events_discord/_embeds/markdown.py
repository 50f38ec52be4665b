r"""How values are written in Discord's markdown, so that they are shown as they are.

Discord's client reads a backslash before punctuation as that character, but for two places: in
code and in the text of a masked link a backslash is shown
(https://github.com/discord/discord-api-docs/issues/6185).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

from .address import parse_link, percent_encode

# Emphasis, spoilers, code, links, mentions, times, emoji. The backslash is first: others add some.
_ACTIVE = {character: f"\\{character}" for character in "\\*_~|`<[@"}
# That of an address, or of an emoji.
_COLON = re.compile(r":(?!\s)")
# Headings, small print, quotes and lists exist only where a line starts.
_LINE_START = re.compile(r"^([^\S\n]*)(?:([-+#>])|(\d+)\.)", re.MULTILINE)
_LINE_STARTS = "-+#>"
# Quotes, then list items and spaces, then a heading; what follows ">>>" is a quote to the end.
_LINE_BEGINNING = re.compile(
    r"(?:>>> )?((?:> )*)((?:[ ]|[-*+][ ]|[\d\ufffc]{1,9}\.[ ])*)(\#{1,3}[ ]+|-\#[ ]+)?"
)
# Clients make an invitation of this even without https://.
_INVITE = re.compile(r"(discord(?:app)?\.(?:gg|com))/", re.IGNORECASE)
# A value without any of these matches nothing above, which takes longer to look for.
_MAY_BE_ACTIVE = re.compile(r"[\\*_~|`<\[@:\-+#>.]")

# In the text of a link nothing can be escaped, so what would be active is replaced by its like.
_LINK_TEXT = str.maketrans("\\*_~|`<>[]:@", "＼∗＿∼¦'‹›()：＠")

_LINK_BRACKETS = str.maketrans("[]", "（）")

# U+02CB, the modifier letter grave accent.
_LIKE_A_BACKTICK = "ˋ"
_BACKTICKS = re.compile("`{2,}")
_BLOCK_END = re.compile("`{3,}")

_URL_BREAKING = re.compile(r"[\s\\()<>\[\]\"'`*|^{}]")
_FENCE = re.compile(r"(?<!\\)`+")
_IN_URL = re.compile(r"https?://[^\s)>]*$", re.IGNORECASE)
_IN_DESTINATION = re.compile(r"\]\(<?[^\s()<>]*$")
_REST_OF_LINK_TEXT = re.compile(r"[^\[\]\n]*\]\(")


def markdown(text: str) -> str:
    """Escape a value so that Discord shows it as it is."""
    if _MAY_BE_ACTIVE.search(text) is None:
        return text

    # str.translate() would take twice as long.
    for character, escaped in _ACTIVE.items():
        if character in text:
            text = text.replace(character, escaped)

    if ":" in text:
        text = _COLON.sub(r"\\:", text)

    start = text.lstrip()[:1]
    if "\n" in text or start.isdecimal() or start in _LINE_STARTS:
        text = _LINE_START.sub(_escape_line_start, text)

    # Not the whole name: without regard to case, "ſ" is an "s", too.
    return _INVITE.sub(r"\1\\/", text) if "/" in text and "cord" in text.lower() else text


def plain(text: str) -> str:
    """Return a value that needs no escaping: it is markdown already, or not read as markdown."""
    return text


def code_text(text: str) -> str:
    """Write a value that stands between backticks, where only they have a meaning.

    Since nothing escapes a backtick there, it is replaced by its like.
    """
    return text.replace("`", _LIKE_A_BACKTICK)


def code(text: str) -> str:
    """Write a value as code, backticks included: a block if it has several lines, else a span."""
    if not text.strip():
        return ""

    if "\n" in text:
        return f"```\n{_BLOCK_END.sub(_like_backticks, text)}\n```"

    if "`" not in text:
        return f"`{text}`"

    # Between two backticks each, a single one is one; three would begin a block.
    text = _BACKTICKS.sub(_like_backticks, text)
    if "`" not in text:
        return f"`{text}`"

    # Discord takes away a space beside a backtick at either end.
    before = " " if text.lstrip(" ").startswith("`") else ""
    after = " " if text.rstrip(" ").endswith("`") else ""
    return f"``{before}{text}{after}``"


def link_text(text: str) -> str:
    """Write a value that stands in the text of a masked link."""
    return text.translate(_LINK_TEXT)


def link_markdown(text: str) -> str:
    """Write markdown or code that stands in the text of a masked link."""
    return text.translate(_LINK_BRACKETS)


def url(text: str) -> str:
    """Write a value as an address that is safe in a masked link too.

    :raises ValueError: if it is not an http or https address
    """
    return _URL_BREAKING.sub(percent_encode, parse_link(text))


def url_part(text: str) -> str:
    """Write a value that stands inside of an address."""
    return quote(text, safe="")


def place_in_markdown(before: str, after: str) -> str | None:
    """Name the filter for a value that stands in code or in a link, if it does.

    :param before: the template's own text before the value
    :param after: the template's own text after the value
    """
    if len(_FENCE.findall(before)) % 2:
        return "code_text"

    if before.endswith(("](", "](<")):
        return "url"

    if _IN_URL.search(before) or _IN_DESTINATION.search(before):
        return "urlencode"

    if before.rfind("[") > before.rfind("]") and _REST_OF_LINK_TEXT.match(after):
        return "link_text"

    return None


def place_in_url(before: str, after: str) -> str | None:
    """Name the filter for a value that is a part of an address."""
    return "urlencode" if before.strip() else None


def find_line_place(before: str) -> str:
    """Return what further lines of a value must begin with, so that they stay what the first is.

    Each line of a quote, a heading or small print is one of its own. In a list, they are indented.

    :param before: the template's own text before the value
    """
    line = before[before.rfind("\n") + 1 :]
    match = _LINE_BEGINNING.match(line)
    if match is None:
        return ""

    quotes, items, heading = match.groups()
    if len(_FENCE.findall(before)) % 2:
        return str(quotes)

    return f"{quotes}{' ' * len(items)}{heading or ''}"


def write_lines(text: str, write: Callable[[str], str], beginning: str) -> str:
    """Write a value of several lines.

    :param write: writes a value
    :param beginning: what each line but the first begins with, see :func:`find_line_place`
    """
    if beginning.endswith("# "):
        # A block of code cannot be in a heading, and an empty one would be shown as it is written.
        return f"\n{beginning}".join(write(line) for line in text.split("\n") if line.strip())

    lines = write(text).split("\n")
    if ">" not in beginning and not lines[0].startswith("```"):
        # An empty line ends a list.
        lines = [line for line in lines if line.strip()]

    return f"\n{beginning}".join(lines)


def _like_backticks(match: re.Match[str]) -> str:
    return _LIKE_A_BACKTICK * len(match.group())


def _escape_line_start(match: re.Match[str]) -> str:
    space, marker, number = match.groups()
    return f"{space}\\{marker}" if marker else f"{space}{number}\\."
