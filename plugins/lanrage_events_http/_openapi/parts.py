"""Parts of an OpenAPI document, https://spec.openapis.org/oas/v3.1.1.html."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

Mode = Literal["validation", "serialization"]

_REF = "#/components/schemas/"


class Schemas:
    """The JSON Schemas of models, each named once.

    :param models: each with its mode: validated input or serialized output
    """

    def __init__(self, models: Iterable[tuple[type[BaseModel], Mode]]) -> None:
        unique = list(dict.fromkeys(models))
        self._refs, schema = models_json_schema(unique, ref_template=_REF + "{model}")
        self.definitions: dict[str, Any] = dict(sorted(schema.get("$defs", {}).items()))

    def ref(self, model: type[BaseModel], mode: Mode) -> dict[str, Any]:
        """Return the reference to a model."""
        return self._refs[model, mode]

    def definition(self, model: type[BaseModel]) -> dict[str, Any]:
        """Return the schema of an input model."""
        ref: str = self.ref(model, "validation")["$ref"]
        definition: dict[str, Any] = self.definitions[ref.removeprefix(_REF)]
        return definition

    def used_by(self, value: object) -> dict[str, Any]:
        """Return the schemas to which a part of the document refers, and those that they refer to."""
        used: set[str] = set()
        waiting = _names_in(value)
        while waiting:
            used |= waiting
            found: set[str] = set()
            for name in waiting:
                found |= _names_in(self.definitions[name])

            waiting = found - used

        return {name: schema for name, schema in self.definitions.items() if name in used}

    def add(self, name: str, schema: dict[str, Any]) -> dict[str, Any]:
        """Add a schema with definitions of its own, and return the reference to it."""
        ref = _REF + name
        self.definitions[name] = _relocated(schema, f"{ref}/$defs/")
        return {"$ref": ref}


def _names_in(value: object) -> set[str]:
    """Return the names of the schemas to which a value refers, such as with a discriminator."""
    if isinstance(value, str):
        is_ref = value.startswith(_REF)
        return {value.removeprefix(_REF).partition("/")[0]} if is_ref else set()

    inside = value.values() if isinstance(value, Mapping) else value
    items = inside if isinstance(inside, Iterable) else ()
    return set().union(*map(_names_in, items))


def _relocated(value: Any, place: str) -> Any:
    """Return a schema with references to its own definitions below another place."""
    if isinstance(value, dict):
        return {
            key: place + item.removeprefix("#/$defs/")
            if key == "$ref" and isinstance(item, str) and item.startswith("#/$defs/")
            else _relocated(item, place)
            for key, item in value.items()
        }

    return [_relocated(item, place) for item in value] if isinstance(value, list) else value


def path_parameters(path: str) -> list[dict[str, Any]]:
    """Return the parameters of a path that has names in braces."""
    schema = {"type": "string", "minLength": 1}
    names = re.findall(r"\{(\w+)\}", path)
    return [{"name": name, "in": "path", "required": True, "schema": schema} for name in names]


def query_parameters(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the parameters of a query.

    :param schema: of its model
    """
    required = schema.get("required", ())
    return [
        _query_parameter(name, dict(inner), is_required=name in required)
        for name, inner in schema.get("properties", {}).items()
    ]


def _query_parameter(name: str, schema: dict[str, Any], *, is_required: bool) -> dict[str, Any]:
    description = schema.pop("description", None)
    schema.pop("title", None)
    # A query has no null: the parameter is omitted instead.
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1:
        del schema["anyOf"]
        schema |= choices[0]

    if schema.get("default", ...) is None:
        del schema["default"]

    parameter = {"name": name, "in": "query", "required": is_required, "schema": schema}
    return parameter if description is None else {**parameter, "description": description}


def json_content(schema: Mapping[str, Any], media_type: str = "application/json") -> dict[str, Any]:
    """Return the content of a body of one media type."""
    return {media_type: {"schema": schema}}


def summary_of(description: str) -> str:
    """Return the first sentence of a description, without its full stop."""
    sentence = re.split(r"(?<=\.)\s|\n\n", description, maxsplit=1)[0]
    return " ".join(sentence.split()).removesuffix(".")
