"""The names of threads and the tags of forum posts, which may be templates."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from .. import limits
from .._embeds import length
from .checks import Blank, blank_is_none

TEMPLATE_MAX_CHARACTERS = 2000
_TEMPLATE = re.compile(r"\{[{%#]")
_SNOWFLAKE = re.compile(r"[0-9]{1,20}")


def is_template(text: str) -> bool:
    """Return whether a text is a template, and not shown as it is written."""
    return _TEMPLATE.search(text) is not None


def _check_name(name: str) -> str:
    maximum = limits.THREAD_NAME_MAX_CHARACTERS
    if not is_template(name) and (count := length(name)) > maximum:
        raise ValueError(
            f"expected at most {maximum} characters, found {count}: an emoji may count as two"
        )

    return name


def _check_tag(tag: str) -> str:
    if not is_template(tag) and not _SNOWFLAKE.fullmatch(tag.strip()):
        raise ValueError(
            "expected the id of a tag, which is a number in quotes, or a template that gives one: "
            "Discord takes no names of tags"
        )

    return tag.strip()


_Name = Annotated[str, Field(max_length=TEMPLATE_MAX_CHARACTERS), AfterValidator(_check_name)]
ThreadName = Annotated[
    _Name | None,
    BeforeValidator(blank_is_none, json_schema_input_type=_Name | Blank | None),
]
"""blank for none"""
_Tag = Annotated[
    str,
    Field(max_length=TEMPLATE_MAX_CHARACTERS, examples=["123456789012345678"]),
    AfterValidator(_check_tag),
]
Tags = Annotated[tuple[_Tag, ...], Field(max_length=limits.THREAD_MAX_TAGS)]
