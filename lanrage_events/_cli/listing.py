"""The lists of plugins and event types that commands print."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

from .._discovery import PluginInfo
from ..cli import table
from ..events import COMMON_FIELDS, EventRegistry

Schema: TypeAlias = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TYPE_NAMES = {
    "array": "list",
    "boolean": "true or false",
    "integer": "whole number",
    "null": "null",
    "number": "number",
    "object": "object",
    "string": "text",
}


def plugin_table(infos: Sequence[PluginInfo]) -> list[str]:
    """Return the lines of a table of plugins."""
    rows = [("NAME", "VERSION", "DISTRIBUTION", "STATUS", "HOOKS")]
    for info in infos:
        origin = info.distribution or (str(info.file) if info.file else "-")
        last = ", ".join(info.hooks) if info.status == "ok" else info.reason
        rows.append((info.name or "-", info.version or "-", origin, info.status, last or "-"))

    return table(rows)


def plugin_data(infos: Sequence[PluginInfo]) -> list[dict[str, object]]:
    """Return each plugin as data for JSON."""
    return [
        {**asdict(info), "file": None if info.file is None else str(info.file)} for info in infos
    ]


def event_lines(registry: EventRegistry) -> Iterator[str]:
    """Yield lines with each event type and its fields."""
    for cls in registry.types():
        schema = registry.json_schema(cls.type)
        summary = schema["description"].partition("\n")[0]
        # The dataclass decorator uses the signature as the docstring of a class without one.
        is_signature = summary.startswith(f"{cls.__name__}(")
        yield cls.type if is_signature else f"{cls.type}  {summary}".rstrip()
        rows = [
            (f"  {name}", _describe(name, field, schema))
            for name, field in schema["properties"].items()
            if name not in COMMON_FIELDS
        ]
        yield from table(rows)
        yield ""

    yield "Each may also have an id (text) and a time (ISO 8601, with its offset from UTC)."


def _describe(name: str, field: Schema, schema: Schema) -> str:
    kind = _kind(field, schema)
    return kind if name in schema.get("required", ()) else f"{kind}, optional"


def _kind(field: Schema, schema: Schema) -> str:
    """Describe the type of a field in words."""
    if "$ref" in field:
        return _kind(schema["$defs"][field["$ref"].rpartition("/")[2]], schema)

    if "enum" in field:
        return "one of " + ", ".join(map(repr, field["enum"]))

    if "anyOf" in field:
        kinds = [_kind(choice, schema) for choice in field["anyOf"]]
        return " or ".join(dict.fromkeys(kind for kind in kinds if kind != "null"))

    if field.get("format") == "date-time":
        return "time"

    if isinstance(field.get("items"), dict):
        return f"list of {_kind(field['items'], schema)}"

    return _TYPE_NAMES.get(field.get("type", ""), "any")


def event_schema(registry: EventRegistry) -> Schema:
    """Return one JSON Schema for events of all types."""
    definitions: Schema = {}
    for cls in registry.types():
        schema = registry.json_schema(cls.type)
        for name, definition in schema.pop("$defs", {}).items():
            definitions[f"{cls.type}.{name}"] = _with_references(definition, cls.type)

        definitions[cls.type] = _with_references(schema, cls.type)

    return {
        "$schema": _DIALECT,
        "title": "An event of lanrage-events",
        "oneOf": [{"$ref": f"#/$defs/{cls.type}"} for cls in registry.types()],
        "$defs": definitions,
    }


def _with_references(part: Any, event_type: str) -> Any:
    """Return a part of a type's schema with references to the definitions of that type."""
    if isinstance(part, list):
        return [_with_references(item, event_type) for item in part]

    if not isinstance(part, dict):
        return part

    return {
        key: f"#/$defs/{event_type}.{value.rpartition('/')[2]}"
        if key == "$ref" and isinstance(value, str)
        else _with_references(value, event_type)
        for key, value in part.items()
    }
