"""The fields of an event as words, for command lines and logs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .._redaction import has_ink
from .._times import parse_time

Schema = Mapping[str, Any]

_HEXADECIMAL = re.compile(r"(?:#|0[xX])([0-9a-fA-F]+)")
_PLAIN_VALUE = re.compile(r'[^\s"=\\]+')
_REFERENCES_MAX = 5


def parse_event_fields(
    schema: Mapping[str, Any],
    words: Iterable[str],
    readers: Mapping[str, Callable[[str], object]] | None = None,
) -> dict[str, Any]:
    """Parse the fields of an event from words such as ``peer_name=Ann``, into values for JSON.

    A list is written as ``players=Ann,Bob`` or as JSON, null as ``party_id=null``, and an integer
    also as ``#4CAF50``. A value that does not fit the schema is kept, so that
    :meth:`EventRegistry.from_dict` rejects it.

    :param schema: the JSON Schema of the event type, see :meth:`EventRegistry.json_schema`
    :param words: each as ``name=value``
    :param readers: functions that read the fields of some names; a value for which one raises
        :exc:`ValueError` is kept as it is
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


def format_event(event: Mapping[str, Any]) -> str:
    """Format an event as time, type and ``name=value`` pairs; fields without a value are omitted.

    :param event: its JSON form, see :meth:`Event.to_dict`
    """
    fields = {name: value for name, value in event.items() if value is not None}
    time, event_type, id = (str(fields.pop(name, "-")) for name in ("time", "type", "id"))
    parent = {name: fields.pop(name) for name in ("parent_id",) if name in fields}
    pairs = [f"{name}={_write(v)}" for name, v in {**fields, **parent, "id": id}.items()]
    return " ".join([_write_time(time), event_type, *pairs])


def resolve_schema(schema: Schema, root: Schema) -> Schema:
    """Resolve references in the schema of a field; of several types take the first that is not null.

    :param root: the schema that contains it
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


def _read(
    text: str, schema: Schema, root: Schema, reader: Callable[[str], object] | None = None
) -> Any:
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


def _write(value: object) -> str:
    if isinstance(value, str) and _is_plain(value):
        return value

    return json.dumps(value, ensure_ascii=False)


def _is_plain(text: str) -> bool:
    return _PLAIN_VALUE.fullmatch(text) is not None and text.isprintable() and has_ink(text)


def _write_time(text: str) -> str:
    try:
        time = parse_time(text)
    except ValueError:
        return text

    return time.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _without(schema: Schema, key: str) -> Schema:
    return {name: value for name, value in schema.items() if name != key}
