"""Reads the fields of an event from words such as a command line has."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Schema = Mapping[str, Any]
Reader = Callable[[str], object]

_HEXADECIMAL = re.compile(r"(?:#|0[xX])([0-9a-fA-F]+)")
_REFERENCES_MAX = 5


def parse_event_fields(
    schema: Schema, words: Iterable[str], readers: Mapping[str, Reader] | None = None
) -> dict[str, Any]:
    """Return the fields that words such as ``peer_name=Ann`` give, as values for JSON.

    A list is written as ``players=Ann,Bob`` or as JSON, nothing at all as ``party_id=null``, and a
    whole number also as ``#4CAF50``. What does not fit the schema is left as it is, for
    :meth:`EventRegistry.from_dict` to refuse.

    :param schema: the JSON Schema of the event type, see :meth:`EventRegistry.json_schema`
    :param words: each as ``name=value``
    :param readers: how to read fields of some names otherwise; a value with which one raises
        :exc:`ValueError` is left as it is
    :raises ValueError: if a word is not written as ``name=value``, or a name is given twice
    """
    properties: Schema = schema.get("properties", {})
    found: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        name = name.strip()
        if not equals or not name:
            raise ValueError(f"expected name=value, such as peer_name=Ann, not '{word}'")

        if name in found:
            raise ValueError(f"'{name}' is given twice")

        field = properties.get(name, {})
        found[name] = _read(value, field, schema, (readers or {}).get(name))

    return found


def resolve_schema(schema: Schema, root: Schema) -> Schema:
    """Follow references in a JSON Schema, and of several types take the first that is not null.

    :param schema: of a field
    :param root: the schema that it stands in
    """
    for _ in range(_REFERENCES_MAX):
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            schema = {**root.get("$defs", {}).get(name, {}), **_without(schema, "$ref")}
        elif "anyOf" in schema:
            option: Schema = next((o for o in schema["anyOf"] if o.get("type") != "null"), {})
            schema = {**option, **_without(schema, "anyOf")}
        else:
            break

    return schema


def _read(text: str, schema: Schema, root: Schema, reader: Reader | None = None) -> Any:
    options = [resolve_schema(option, root) for option in schema.get("anyOf", [schema])]
    types = {option.get("type") for option in options}
    if "null" in types and text.lower() in ("", "null", "none"):
        return None

    if reader is not None:
        try:
            return reader(text)
        except ValueError:
            return text

    if "array" in types and not text.lstrip().startswith("["):
        items: Schema = next((o.get("items", {}) for o in options if "items" in o), {})
        return [_read(item.strip(), items, root) for item in text.split(",") if item.strip()]

    if "boolean" in types and text.lower() in ("yes", "no"):
        return text.lower() == "yes"

    if "integer" in types and (match := _HEXADECIMAL.fullmatch(text.strip())):
        return int(match.group(1), 16)

    if "string" in types or not types - {None}:
        return text

    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _without(schema: Schema, key: str) -> Schema:
    return {name: value for name, value in schema.items() if name != key}
