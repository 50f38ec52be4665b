"""The services that need only an address: what each of them expects, and how it escapes texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from html import escape
from importlib.resources import files
from typing import Any

from pydantic import RootModel

from lanrage_events.config import ConfigModel, validate
from lanrage_events.yaml import read

# Slack has no escape for these: https://docs.slack.dev/messaging/formatting-message-text
_LIKE_MARKUP = str.maketrans("*_~`", "∗＿∼ˋ")
_QUOTE = re.compile(r"^(\s*)&gt;", re.MULTILINE)


class Service(ConfigModel):
    """What is the same for all targets of a service."""

    url: str = ""
    """the address, unless the settings have another one"""
    needs: tuple[str, ...] = ("url",)
    """the settings that a target must have"""
    method: str = ""
    """the method; empty for that of the settings"""
    path: str = ""
    """what follows the address, with ``{to}``, ``{token}`` and ``{id}``, the same for each attempt"""
    look: str = ""
    """what follows the address to ask whether the settings are right; empty if nothing does"""
    to: str = ""
    """the key of the body that says where the message goes, if the address does not"""
    body: dict[str, Any] | None = None
    """the body, whose texts are templates; None for that of the settings"""
    stops: tuple[str, ...] = ()
    """parts of answers that say that no message would be accepted"""


ANY_SERVICE = Service()
_FILE = files(__package__ or "") / "presets.yaml"
SERVICES: Mapping[str, Service] = validate(read(_FILE), RootModel[dict[str, Service]]).root
"""by the name of the preset"""


def _slack(text: str) -> str:
    """Escape mrkdwn; ``&gt;`` is a quote where a line begins."""
    return _QUOTE.sub(r"\1›", escape(text, quote=False).translate(_LIKE_MARKUP))


def _no_mention(text: str) -> str:
    """Write a text in which ``@`` names no one, since clients look for names in all of it."""
    return text.replace("@", "＠")


ESCAPES: Mapping[str | None, Callable[[str], str]] = {
    "slack": _slack,
    "matrix": _no_mention,
    "telegram": lambda text: escape(_no_mention(text)),
}
"""how values in a body are escaped, by the name of the preset"""
