"""The forms in which a value may be written besides that of its type, as JSON Schemas.

A placeholder becomes text, so numbers and truth values may also be written as text.
"""

from __future__ import annotations

from typing import Any, TypeAlias

Schema: TypeAlias = dict[str, Any]

# What pydantic reads, see https://docs.pydantic.dev/latest/concepts/conversion_table/. The patterns
# are in the syntax that the dialects of regular expressions share, which cannot ignore case.
_DIGITS = r"[0-9]+(_[0-9]+)*"
_WHOLE = rf"^\s*[+-]?{_DIGITS}(\.0+)?\s*$"
_NUMBER = (
    rf"^\s*[+-]?(({_DIGITS}(\.({_DIGITS})?)?|\.{_DIGITS})([eE][+-]?{_DIGITS})?"
    r"|[iI][nN][fF]([iI][nN][iI][tT][yY])?|[nN][aA][nN])\s*$"
)
_TRUTH = (
    "^([01]|[tTyYfFnN]|[tT][rR][uU][eE]|[yY][eE][sS]|[oO][nN]|[fF][aA][lL][sS][eE]|[nN][oO]"
    "|[oO][fF][fF])$"
)


OTHER_FORMS: Schema = {
    "integer as text": {"type": "string", "pattern": _WHOLE},
    "number as text": {"type": "string", "pattern": _NUMBER},
    "boolean as text": {"type": "string", "pattern": _TRUTH},
    "boolean as number": {"type": "integer", "minimum": 0, "maximum": 1},
    "time as number": {"type": "number"},
}
"""the definitions of other forms, by name"""


def other_forms(schema: Schema) -> tuple[str, ...]:
    """Return the names of the other forms of a scalar.

    :param schema: pydantic's schema of a scalar; one that lists its values has no other forms
    """
    if "enum" in schema or "const" in schema:
        return ()

    match schema.get("type"):
        case "integer":
            return ("integer as text",)
        case "number":
            return ("number as text",)
        case "boolean":
            return ("boolean as text", "boolean as number")
        case "string" if schema.get("format") in ("date", "date-time", "duration", "time"):
            return ("time as number",)

    return ()
