"""What the parts of the configuration share: checks, and what they know of the whole."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from lanrage_events.cli import did_you_mean
from lanrage_events.yaml import KeyPath

from .._embeds import length


@dataclass(frozen=True, slots=True)
class WholeConfig:
    """What the parts of a configuration must know of the whole, even if that has other errors."""

    allow_hosts: tuple[str, ...]
    webhooks: frozenset[str] | None
    """the names, None if they are not known"""


_ID = re.compile("[0-9]{1,20}")

whole_config: ContextVar[WholeConfig | None] = ContextVar("whole", default=None)
"""that of the configuration whose parts are being checked"""


def raise_problems(problems: Iterable[tuple[KeyPath, str]]) -> None:
    """Raise an error that has problems with their paths, unless there is none."""
    details = [
        InitErrorDetails(
            type=PydanticCustomError("value", "{reason}", {"reason": message}),
            loc=path,
            input=None,  # it may hold a secret
        )
        for path, message in problems
    ]
    if details:
        raise ValidationError.from_exception_data("DiscordConfig", details, hide_input=True)


def check_names(names: Iterable[tuple[KeyPath, str]]) -> None:
    """Raise an error that has the names, with their paths, that no webhook has."""
    whole = whole_config.get()
    if whole is None or whole.webhooks is None:
        return

    known = sorted(whole.webhooks)
    all_known = f", known: {', '.join(known)}"
    raise_problems(
        (path, f"no webhook is named '{name}'{did_you_mean(name, known) or all_known}")
        for path, name in names
        if name not in whole.webhooks
    )


def fits(maximum: int) -> AfterValidator:
    """Check a length in UTF-16 units, in which it is at least what any other reading gives."""

    def check(text: str) -> str:
        if (count := length(text)) > maximum:
            raise ValueError(
                f"expected at most {maximum} characters, found {count}: an emoji may count as two"
            )

        return text

    return AfterValidator(check)


def _check_id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise ValueError(
            "expected an id, such as '123456789012345678': with Discord's developer mode, right-click"
            " the role, user or thread and choose Copy ID"
        )

    return text


Snowflake = Annotated[
    str,
    AfterValidator(_check_id),
    Field(examples=["123456789012345678"], json_schema_extra={"pattern": f"^{_ID.pattern}$"}),
]
Blank = Annotated[str, Field(pattern=r"^\s*$")]


def blank_is_none(value: object) -> object:
    """Return None for a text without anything to read, and all else as it is."""
    return None if isinstance(value, str) and not value.strip() else value
