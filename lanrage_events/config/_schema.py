"""The JSON Schema of configuration files, for editors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from pydantic import BaseModel
from pydantic.errors import PydanticUserError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind

from .._discovery import NAME_PATTERN, Catalog, LoadedPlugin, is_name
from .._exceptions import PluginLoadError
from ._models import CommonConfig, Settings
from ._other_forms import OTHER_FORMS, other_forms
from ._types import DURATION_PATTERN, format_duration

Schema: TypeAlias = dict[str, Any]

_DIALECT = "http://json-schema.org/draft-07/schema#"  # what editors know best
_PLACEHOLDER = "placeholder"
_INSTANCE = "instance"


def json_schema(catalog: Catalog, *, formats: bool = False) -> Schema:
    """Return the JSON Schema by which editors complete and check configuration files.

    It has the keys of each plugin that can be loaded, and imports the plugins.

    :param formats: whether texts have their ``format``; validators do not know those of pydantic,
        which accepts more than some others say
    """
    schema = _Builder(catalog).build()
    return schema if formats else _portable(schema)


class _Builder:
    def __init__(self, catalog: Catalog) -> None:
        self._plugins: dict[str, LoadedPlugin] = {}
        self._definitions: dict[str, Schema] = {
            _PLACEHOLDER: {
                "type": "string",
                "pattern": r"\$\{[\s\S]*\}",
                "description": "A value from the environment or from a file.",
            },
            **OTHER_FORMS,
        }
        for name in filter(is_name, catalog.names):
            try:
                self._plugins[name] = catalog.load(name)
            except PluginLoadError:
                continue  # "lanrage-events plugins" shows the reason

        self._classes = {name: None for name, p in self._plugins.items() if not p.is_module}

    def build(self) -> Schema:
        top = self._model(Settings, "settings")
        common = _or_empty(self._model(CommonConfig, "common")["properties"])
        for name, plugin in self._plugins.items():
            self._definitions[_section(name)] = self._plugin(plugin, common)

        self._definitions[_INSTANCE] = self._instance()
        plugins = {
            "type": ["object", "null"],
            "description": "The plugins that run. A key is the name of the instance and, unless "
            "its section has 'use', of the plugin.",
            "propertyNames": {"pattern": NAME_PATTERN},
            "properties": {name: self._named(name) for name in self._plugins},
            "additionalProperties": {
                "if": {"type": "object", "required": ["use"], "properties": {"use": {}}},
                "then": _reference(_INSTANCE),
                "else": {"type": ["object", "null"]},
            },
        }
        return {
            "$schema": _DIALECT,
            "title": "lanrage-events",
            "description": "A configuration file of lanrage-events.",
            "type": "object",
            "properties": {**_or_empty(top["properties"]), "plugins": plugins},
            "required": ["plugins"],
            "additionalProperties": False,
            # Another folder may have plugins that are not known here.
            "if": {"properties": {"plugins_folder": {"type": "null"}}},
            "then": {"properties": {"plugins": self._only_known()}},
            "definitions": dict(sorted(self._definitions.items())),
        }

    def _plugin(self, plugin: LoadedPlugin, common: Mapping[str, Schema]) -> Schema:
        section: Schema = {"properties": {}}
        if plugin.config_class is not None:
            section = self._model(plugin.config_class, _section(plugin.source.name))

        description = plugin.description or section.get("description")
        if description:
            section["description"] = description

        # A section without required keys may be empty.
        section["type"] = "object" if section.get("required") else ["object", "null"]
        section["properties"] = {**section.get("properties", {}), **common}
        return {"additionalProperties": False, **section}

    def _named(self, name: str) -> Schema:
        """Return the schema of the section that is named after a plugin."""
        is_other = {
            "type": "object",
            "required": ["use"],
            "properties": {"use": {"not": {"enum": [name, None]}}},
        }
        return {"if": is_other, "then": _reference(_INSTANCE), "else": _reference(_section(name))}

    def _instance(self) -> Schema:
        """Return the schema of a section that names its plugin with ``use``."""
        schema: Schema = {"type": "object", "properties": {"use": {"type": "string"}}}
        # Other drafts than this one do not allow an empty list.
        if self._classes:
            schema["allOf"] = [
                {
                    "if": {"required": ["use"], "properties": {"use": {"const": name}}},
                    "then": _reference(_section(name)),
                }
                for name in self._classes
            ]

        return schema

    def _only_known(self) -> Schema:
        """Return the schema of sections that are all of known plugins."""
        return {
            "type": ["object", "null"],
            "properties": {
                name: {
                    "type": ["object", "null"],
                    "properties": {"use": _one_of({name: None, **self._classes}, or_null=True)},
                }
                for name in self._plugins
            },
            "additionalProperties": {
                "type": "object",
                "required": ["use"],
                "properties": {"use": _one_of(self._classes)},
            },
        }

    def _model(self, model: type[BaseModel], prefix: str) -> Schema:
        """Return the schema of a model, and move its definitions to those of the file."""
        try:
            schema = model.model_json_schema(
                ref_template=f"#/definitions/{prefix}:{{model}}", schema_generator=_Generator
            )
        except PydanticUserError:  # it has a type that JSON Schema cannot express
            return {"additionalProperties": True}

        for name, definition in schema.pop("$defs", {}).items():
            self._definitions[f"{prefix}:{name}"] = _for_file(definition)

        if "$ref" in schema:  # a recursive model
            return dict(self._definitions[schema["$ref"].removeprefix("#/definitions/")])

        return _for_file(schema)


class _Generator(GenerateJsonSchema):
    # What JSON Schema cannot express is left out, and only the plugin checks it.
    ignored_warning_kinds: set[JsonSchemaWarningKind] = {  # noqa: RUF012 - as in the base class
        "non-serializable-default",
        "skipped-choice",
    }


def _section(name: str) -> str:
    return f"plugin.{name}"


def _reference(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def _one_of(names: Iterable[str], *, or_null: bool = False) -> Schema:
    """Return a schema that accepts some names and placeholders."""
    known = list(names)
    choices: list[Schema] = [{"enum": known}] if known else []
    choices.append(_reference(_PLACEHOLDER))
    if or_null:
        choices.append({"type": "null"})

    return {"anyOf": choices}


def _or_empty(properties: Mapping[str, Schema]) -> dict[str, Schema]:
    """Return schemas that accept a key without a value, which counts as absent."""
    return {key: _any_of([schema, {"type": "null"}]) for key, schema in properties.items()}


def _for_file(schema: Schema) -> Schema:
    """Turn one of pydantic's schemas into that of values as they are written in a file."""
    schema = {key: value for key, value in schema.items() if key not in _NOT_WRITTEN}
    for key in ("properties", "patternProperties"):
        if key in schema:
            schema[key] = {name: _for_file(inner) for name, inner in schema[key].items()}

    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            schema[key] = _for_file(schema[key])

    if "allOf" in schema:
        schema["allOf"] = [_for_file(inner) for inner in schema["allOf"]]

    if "prefixItems" in schema:
        rest = schema.get("items", False)
        schema["items"] = [_for_file(inner) for inner in schema.pop("prefixItems")]
        schema["additionalItems"] = rest

    if "properties" in schema:
        schema.setdefault("additionalProperties", False)

    if "description" in schema:
        schema["description"] = _in_markdown(schema["description"])

    default = schema.get("default")
    if isinstance(default, dict):
        del schema["default"]  # the definition of the model has the default of each key
    elif type(default) in (int, float) and DURATION_PATTERN in _patterns(schema):
        schema["default"] = format_duration(schema["default"])

    for key in ("anyOf", "oneOf"):
        if key in schema:
            return _any_of([_for_file(inner) for inner in schema.pop(key)], schema)

    if "$ref" in schema and len(schema) > 1:
        return {"allOf": [{"$ref": schema.pop("$ref")}], **schema}  # keys beside $ref are ignored

    others = [*other_forms(schema), *([_PLACEHOLDER] if _is_checked(schema) else ())]
    return _any_of([schema, *map(_reference, others)]) if others else schema


def _in_markdown(text: str) -> str:
    """Return a docstring as editors show it, in Markdown and without line breaks."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", text.replace("``", "`"))


def _portable(value: Any) -> Any:
    """Return a schema, or a part of one, that means the same to every validator.

    It has no formats of texts, and no pattern whose end Python's ``re`` sees before a last line break.
    """
    if isinstance(value, list):
        return [_portable(item) for item in value]

    if not isinstance(value, dict):
        return value

    found = {}
    for key, item in value.items():
        if not isinstance(item, str):  # a property may be named so, too
            found[key] = _portable(item)
        elif key == "pattern" and item.endswith("$"):
            found[key] = rf"{item}(?!\n)"
        elif key != "format":
            found[key] = item

    return found


def _is_checked(schema: Schema) -> bool:
    """Return whether a scalar's schema would reject a placeholder."""
    if schema.get("type") in ("integer", "number", "boolean"):
        return True

    return not schema.keys().isdisjoint(("const", "enum", "maxLength", "minLength", "pattern"))


def _any_of(choices: Iterable[Schema], around: Schema | None = None) -> Schema:
    """Return a schema that accepts each choice, with their annotations merged on the outside."""
    flat: list[Schema] = []
    notes: Schema = {}
    for choice in choices:
        rest = {key: value for key, value in choice.items() if key not in _NOTES}
        notes = {**{key: choice[key] for key in _NOTES if key in choice}, **notes}
        flat += rest.pop("anyOf", []) if rest.keys() == {"anyOf"} else [rest]

    unique = [choice for index, choice in enumerate(flat) if choice not in flat[:index]]
    return {**notes, **(around or {}), "anyOf": unique}


def _patterns(schema: Schema) -> list[str]:
    return [part["pattern"] for part in (schema, *schema.get("anyOf", ())) if "pattern" in part]


# Titles are only the names of keys. The others are of another dialect, or more than pydantic checks.
_NOT_WRITTEN = ("title", "discriminator", "ge", "gt", "le", "lt", "uniqueItems")
_NOTES = ("default", "description", "examples", "writeOnly")
